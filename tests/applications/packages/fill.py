"""Fills the database through the packages' own interfaces."""

import datetime
from collections import OrderedDict
from decimal import Decimal
from io import BytesIO

import django

django.setup()

import reversion  # noqa: E402
from allauth.account.models import EmailAddress, EmailConfirmation  # noqa: E402
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken  # noqa: E402
from catalogue.models import (  # noqa: E402
    Asset,
    Book,
    Department,
    Film,
    Genre,
    Note,
    Painting,
    Place,
    Profile,
    Serial,
    Sign,
    Topic,
)
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.models import Group, Permission  # noqa: E402
from django.contrib.sites.models import Site  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.utils import timezone  # noqa: E402
from django_celery_beat.models import (  # noqa: E402
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from djmoney.money import Money  # noqa: E402
from easy_thumbnails.files import get_thumbnailer  # noqa: E402
from guardian.shortcuts import assign_perm  # noqa: E402
from PIL import Image  # noqa: E402

User = get_user_model()
WORDS = ("Käse", "naïve", "  blanks ", "日本語", "line\r\nbreak\u2028", "'quoted' \"twice\"", "\\n")


def users():
    staff = Group.objects.create(name="Staff ✓")
    staff.permissions.set(Permission.objects.filter(codename__contains="book"))
    made = [User.objects.create_user(f"user{n}", f"u{n}@example.com", "secret") for n in range(12)]
    made[0].user_permissions.set(Permission.objects.order_by("-pk")[:5])
    for n, user in enumerate(made):
        user.groups.add(staff)
        user.last_login = timezone.now() + datetime.timedelta(microseconds=n)
        user.save()
        address = EmailAddress.objects.create(
            user=user, email=user.email, verified=n % 2, primary=True
        )
        EmailConfirmation.create(address)
    Profile.objects.filter(user=made[3]).update(greeting="changed")
    app = SocialApp.objects.create(
        provider="github", name="GitHub", client_id="x", settings={"a": 1.5}
    )
    app.sites.add(Site.objects.get())
    account = SocialAccount.objects.create(
        user=made[0], provider="github", uid="1", extra_data={"k": None}
    )
    SocialToken.objects.create(app=app, account=account, token="t", token_secret="s")
    return made


def trees():
    roots = [Genre.objects.create(name=name) for name in ("Prose", "Drama", "Arts")]
    for root in roots:
        for n in range(4):
            child = Genre.objects.create(name=f"{root.name} {9 - n}", parent=root)
            Genre.objects.create(name=f"{child.name} x", parent=child)
    Genre.objects.get(name="Drama").move_to(Genre.objects.get(name="Prose"), "first-child")
    earth = Place.add_root(name="Earth")
    for name in ("Peru", "Estonia", "Chad"):
        earth.refresh_from_db()
        country = earth.add_child(name=name)
        country.add_child(name=f"capital of {name}")
    head = Department.add_root(name="Head")
    for name in ("Left", "Right"):
        head.refresh_from_db()
        head.add_child(name=name)
    Topic.add_root(name="All").add_child(name="Some")


def assets():
    films = [
        Film.objects.create(title=word, minutes=n, price=Money(Decimal("9.9900") + n, "USD"))
        for n, word in enumerate(WORDS)
    ]
    Serial.objects.create(title="Long", minutes=45, episodes=500)
    palette = {"rgb": (1, 2, 3), "names": {"red", "blue"}, "when": datetime.date(2024, 2, 29)}
    painting = Painting(
        title="Blue", palette=palette, settings=OrderedDict(b=b"\x00\xff", a=[None])
    )
    content = BytesIO()
    Image.new("RGB", (60, 40), "blue").save(content, "PNG")
    painting.image.save("blue.png", ContentFile(content.getvalue()))
    get_thumbnailer(painting.image)["small"]
    Painting.objects.create(title="No palette")
    films[0].related.add(painting, *films[1:3])
    for n, asset in enumerate(Asset.objects.all()):
        asset.tags.add("all", f"tag {n % 3}", "Ünïcode")


def books(owners):
    for n, word in enumerate(WORDS):
        book = Book(title=word, blurb="long\ntext" * n, owner=owners[n])
        book.data = {"n": n, "f": n / 3, "deep": [[], {}, None, "x" * n], "1": 1}
        book.save()
        book.genres.set(Genre.objects.all()[n : n + 3])
        book.title += " again"
        book.save()
        book.tags.add("paper", word.strip())
        assign_perm("lend_book", owners[n], book)
        assign_perm("change_book", Group.objects.get(), book)
    Book.objects.first().delete()


def notes(owners):
    for n, target in enumerate([*owners, *Book.objects.all(), *Asset.objects.all()]):
        with reversion.create_revision():
            note = Note.objects.create(text=f"note {n}", target=target)
            reversion.set_user(owners[0])
            reversion.set_comment(f"made {n}")
        with reversion.create_revision():
            note.text += " changed"
            note.is_deleted = n % 4 == 0
            note.save()


def tasks():
    every = IntervalSchedule.objects.create(every=10, period="seconds")
    crontab = CrontabSchedule.objects.create(minute="*/5", timezone="Europe/Tallinn")
    solar = SolarSchedule.objects.create(
        event="sunset", latitude="59.437000", longitude="24.753600"
    )
    clocked = ClockedSchedule.objects.create(clocked_time=timezone.now())
    for n, schedule in enumerate(({"interval": every}, {"crontab": crontab}, {"solar": solar})):
        PeriodicTask.objects.create(name=f"task {n}", task="x.y", kwargs='{"a": 1}', **schedule)
    PeriodicTask.objects.create(name="once", task="x.z", clocked=clocked, one_off=True)


if __name__ == "__main__":
    owners = users()
    trees()
    assets()
    books(owners)
    notes(owners)
    tasks()
    for word in WORDS:
        Sign.objects.create(title_en=word, title_et=f"{word} eesti", title_ja="本", text_en="")
