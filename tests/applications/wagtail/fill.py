"""Fills the site through Wagtail's own interfaces."""

import datetime
from io import BytesIO

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.images import ImageFile  # noqa: E402
from django.utils import timezone  # noqa: E402
from mill.models import (  # noqa: E402
    Author,
    BlogIndexPage,
    BlogPage,
    ContactPage,
    Footer,
    FormField,
    HomePage,
    RelatedLink,
)
from PIL import Image as Picture  # noqa: E402
from wagtail.contrib.forms.models import FormSubmission  # noqa: E402
from wagtail.contrib.redirects.models import Redirect  # noqa: E402
from wagtail.contrib.search_promotions.models import Query, SearchPromotion  # noqa: E402
from wagtail.documents.models import Document  # noqa: E402
from wagtail.images.models import Image  # noqa: E402
from wagtail.models import (  # noqa: E402
    Collection,
    Comment,
    GroupPagePermission,
    Locale,
    ModelLogEntry,
    Page,
    PageViewRestriction,
    Site,
    Workflow,
)

User = get_user_model()


def people():
    return [User.objects.create_superuser(f"editor{n}", f"e{n}@example.com", "x") for n in range(3)]


def files(user):
    root = Collection.get_first_root_node()
    archive = root.add_child(name="Archive é")
    images = []
    for n in range(4):
        content = BytesIO()
        Picture.new("RGB", (80, 40 + n), "green").save(content, "PNG")
        image = Image(title=f"Picture {n}", collection=archive, uploaded_by_user=user)
        image.file = ImageFile(content, name=f"picture{n}.png")
        image.save()
        image.tags.add("green", f"n{n}")
        image.get_rendition("width-20")
        images.append(image)
    document = Document(title="Paper", collection=archive)
    document.file.save("paper.txt", ContentFile(b"text"))
    return images


def home():
    page = HomePage.objects.get()
    page.greeting = "<p>Hi</p>"
    page.save_revision().publish()
    Footer.objects.create(site=Site.objects.get(), text="© mill\r\n")
    return HomePage.objects.get()


def authors(users):
    made = [Author(name=name, born=datetime.date(1900, 1, 1)) for name in ("Tõnu", "A. Ñ", "李")]
    for author in made:
        author.save()
        author.save_revision(user=users[0]).publish()
        author.name += " II"
        author.save_revision(user=users[1])
        ModelLogEntry.objects.log_action(author, "wagtail.edit", user=users[1])
    return made


def blog(parent, images, writers, users):
    index = parent.add_child(instance=BlogIndexPage(title="Blog", slug="blog"))
    for n in range(12):
        post = BlogPage(title=f"Post {n} “quoted”", slug=f"post-{n}", date=timezone.now())
        post.owner = users[n % 3]
        post.body = [
            ("heading", f"Heading {n}"),
            ("text", "<p>Text with <b>bold</b> words</p>"),
            ("image", images[n % 4]),
            ("quote", {"who": "Someone", "on": datetime.date(2024, 1, 1 + n)}),
            ("list", [1, 2, n]),
        ]
        BlogIndexPage.objects.get().add_child(instance=post)
        post.authors.set(writers[: n % 3 + 1])
        post.tags.add("news", f"tag {n % 4}")
        target = Page.objects.order_by("pk").last()
        post.related_links.add(RelatedLink(name=f"link {n}", target=target))
        post.save()
        revise(post, n, users)
    BlogPage.objects.get(slug="post-3").move(index.get_parent(), pos="last-child")
    BlogPage.objects.get(slug="post-4").unpublish()
    BlogPage.objects.get(slug="post-5").copy(update_attrs={"slug": "copy"}, user=users[0])


def revise(post, n, users):
    post.save_revision(user=users[0], log_action=True).publish(user=users[0])
    post.title += " again"
    if n % 2:
        post.go_live_at = timezone.now() + datetime.timedelta(days=n + 1)
    post.save_revision(user=users[1], log_action=True, approved_go_live_at=post.go_live_at)
    if n % 5 == 0:
        post.wagtail_admin_comments.add(Comment(user=users[2], text="better?", contentpath="title"))
        post.save()


def around(parent, users):
    contact = ContactPage(title="Contact", slug="contact", to_address="a@example.com")
    parent.add_child(instance=contact)
    FormField.objects.create(page=contact, label="Name", field_type="singleline", sort_order=1)
    FormSubmission.objects.create(page=contact, form_data={"name": "Üllar", "n": 1})
    Redirect.add_redirect("/old", contact)
    query = Query.get("mill")
    query.add_hit()
    SearchPromotion.objects.create(query=query, page=contact, description="try this")
    restriction = PageViewRestriction.objects.create(page=contact, restriction_type="groups")
    restriction.groups.add(Group.objects.first())
    GroupPagePermission.objects.create(
        group=Group.objects.create(name="Writers"), page=parent, permission_type="publish"
    )
    workflow = Workflow.objects.first()
    for post in BlogPage.objects.filter(slug__in=["post-1", "post-2"]):
        state = workflow.start(post, users[0])
        if post.slug == "post-2":
            state.current_task_state.approve(user=users[1], comment="fine")


def translate(parent):
    estonian = Locale.objects.create(language_code="et")
    parent.copy_for_translation(estonian, copy_parents=True)
    Author.objects.first().copy_for_translation(estonian).save()


if __name__ == "__main__":
    users = people()
    images = files(users[0])
    page = home()
    blog(page, images, authors(users), users)
    around(HomePage.objects.get(pk=page.pk), users)
    translate(HomePage.objects.get(pk=page.pk))
