"""Puts a home page in the place of Wagtail's first page, as `wagtail start` does."""

from django.db import migrations


def make_home_page(apps, schema_editor):
    model = apps.get_model
    model("wagtailcore", "Page").objects.filter(id=2).delete()
    content_type, _ = model("contenttypes", "ContentType").objects.get_or_create(
        model="homepage", app_label="mill"
    )
    page = model("mill", "HomePage").objects.create(
        title="Mill",
        draft_title="Mill",
        slug="home",
        content_type=content_type,
        path="00010001",
        depth=2,
        numchild=0,
        url_path="/home/",
        locale_id=model("wagtailcore", "Locale").objects.get().pk,
    )
    model("wagtailcore", "Site").objects.create(
        hostname="localhost", root_page=page, is_default_site=True
    )


class Migration(migrations.Migration):
    dependencies = [("mill", "0001_initial"), ("wagtailcore", "0040_page_draft_title")]
    operations = [migrations.RunPython(make_home_page, migrations.RunPython.noop)]
