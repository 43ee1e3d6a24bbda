"""What migrations have changed since a dump is taken from them, and named as what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from sites import NewSite, Site, Version, create_database

HEAD = "from django.db import models\n"
AUTHOR = """
class Author(models.Model):
    name = models.CharField(max_length=20)
"""
BOOK = """
class Book(models.Model):
    title = models.CharField(max_length=20)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    tags = models.ManyToManyField("Tag")
"""
ADDRESS = """
class Address(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    city = models.CharField(max_length=20)
"""
TAG = """
class Tag(models.Model):
    name = models.CharField(max_length=20)
"""
OLD = HEAD + AUTHOR + BOOK + ADDRESS + TAG
FILL = """
from shop.models import *
ada = Author.objects.create(name="Ada")
book = Book.objects.create(title="Notes", author=ada)
book.tags.set([Tag.objects.create(name="old"), Tag.objects.create(name="odd")])
Address.objects.create(author=ada, city="Paris")
"""
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        {}
    ]
"""
BEGIN = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
{}
call_command("dump2py", "dump", verbosity=0)
"""


@pytest.fixture(scope="module")
def made_site(new_site: NewSite) -> Site:
    """A project with the dump of a release whose migrations are known."""
    site = new_site("changes")
    files = {"shop/models.py": OLD, "shop/migrations/__init__.py": ""}
    site.become(Version(files, {"INSTALLED_APPS": ["dumpy", "shop"], "DUMPY": {"VERSION": "1.0"}}))
    site.succeed("makemigrations", "shop", "-v0")
    site.shell(BEGIN.format(FILL))
    return site


@pytest.fixture
def site(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
    """A copy with an empty database, whose project is of version 2.0."""
    site = made_site.copied(tmp_path / "site", filled=False)
    site.configure(INSTALLED_APPS=["dumpy", "shop"], DUMPY={"VERSION": "2.0"})
    return site


def change(site: Site, *operations: str, models: str) -> None:
    """Let the project have other models, and a migration that leads to them."""
    text = MIGRATION.format(",\n        ".join(operations))
    site.write({"shop/models.py": models, "shop/migrations/0002_change.py": text})
    said = site.succeed("makemigrations", "--check", "--dry-run")
    assert "No changes" in said


def checked(site: Site, *options: str) -> list[dict[str, Any]]:
    """Return the findings that stop a restore."""
    report = json.loads(site.manage("checkdump", "dump", "--json", *options).stdout)
    assert report["damage"] == []
    return [one for one in report["findings"] if one["action"] != "nothing"]


def written(site: Site) -> str:
    """Write the step of a migrator into the project, let the settings name it, and return it."""
    site.manage("checkdump", "dump", "--write-migrator", "--write", "--no-rehearsal")
    migrator = {"VERSION": "2.0", "MIGRATION_CLASS": "migrators.SiteMigrator"}
    site.configure(INSTALLED_APPS=["dumpy", "shop"], DUMPY=migrator)
    return (site.directory / "migrators.py").read_text(encoding="utf-8")


def restored(site: Site) -> None:
    """Restore the dump, which a check has let pass."""
    assert "can be restored" in site.succeed("checkdump", "dump")
    site.succeed("run", "dump/restore.py", "--noinput")


def restored_as_program(site: Site, found: dict[str, Any]) -> None:
    """Paste the line of a finding's hint into a copy of the dump, as it says, and restore that."""
    shutil.copytree(site.directory / "dump", site.directory / "program")
    place, pasted = found["place"], found["hint"].partition("this one: ")[2]
    script = site.directory / place["file"].replace("dump/", "program/")
    lines = script.read_text(encoding="utf-8").splitlines()
    lines[0], lines[place["line"] - 1] = "# dumpy: program 1", f"        {pasted}"
    script.write_text("\n".join([*lines, ""]), encoding="utf-8")
    site.succeed("restore", "program", "--noinput")


def links_of_books(site: Site, name: str) -> str:
    """Return the names that the books are linked with."""
    links = f"[list(book.{name}.values_list('name', flat=True)) for book in Book.objects.all()]"
    return site.shell(f"from shop.models import *\nprint({links})")


def test_what_was_renamed_is_no_guess_however_unlike_the_names_are(site: Site) -> None:
    models = HEAD + AUTHOR + BOOK + ADDRESS + TAG
    models = models.replace("Tag", "Label").replace("title", "words")
    change(
        site,
        'migrations.RenameModel("Tag", "Label")',
        'migrations.RenameField("Book", "title", "words")',
        models=models,
    )
    found = {one["kind"]: one for one in checked(site)}
    assert {kind: (one["to"], one["guess"]) for kind, one in found.items()} == {
        "model-renamed": ("shop.Label", False),
        "field-renamed": ("words", False),
    }
    assert found["field-renamed"]["reason"] == "was renamed to words"
    assert "Not in the dump" not in site.manage("checkdump", "dump").stdout
    written(site)
    restored(site)


def test_names_that_are_alike_are_no_renames_where_migrations_say_otherwise(site: Site) -> None:
    models = OLD.replace("title = models.CharField(max_length=20)", "titles = models.TextField()")
    change(
        site,
        'migrations.RemoveField("Book", "title")',
        'migrations.AddField("Book", "titles", models.TextField(default=""), '
        "preserve_default=False)",
        models=models,
    )  # fmt: skip
    assert [(one["kind"], one["field"]) for one in checked(site)] == [("field-removed", "title")]


@pytest.mark.parametrize("name", ["author", "writers"])
def test_a_foreign_key_that_is_a_many_to_many_field_now_keeps_its_links(
    site: Site, name: str
) -> None:
    """W15: a step that removes the field would lose them, with green checks."""
    new = f'{name} = models.ManyToManyField(Author, related_name="books")'
    old = 'author = models.ForeignKey(Author, models.CASCADE, related_name="books")'
    change(
        site,
        'migrations.RemoveField("Book", "author")',
        f'migrations.AddField("Book", "{name}", models.ManyToManyField('
        '"shop.author", related_name="books"))',
        models=OLD.replace(old, new),
    )
    (found,) = checked(site)
    assert (found["field"], found["to"], found["action"]) == ("author_id", name, "edit")
    assert f"was a foreign key, and may be the many-to-many field {name} now" in found["reason"]
    assert "New fields" not in site.manage("checkdump", "dump").stdout
    restored_as_program(site, found)
    assert links_of_books(site, name) == "[['Ada']]\n"
    create_database(site.databases["default"])
    step = written(site)
    assert "remove_field" not in step
    assert checked(site) != []
    said = site.manage("checkdump", "dump").stdout.splitlines()
    (at,) = (
        n for n, line in enumerate(said) if line.endswith("or in a migrator, with these lines:")
    )
    pasted = indent("\n".join(line.strip() for line in said[at + 1 : at + 3]), " " * 8)
    head, _, rest = step.partition("        # shop.Book.author_id:")
    end = rest[rest.index("        return") :]
    site.write({"migrators.py": f"{head}{pasted}\n{end}"})
    restored(site)
    assert links_of_books(site, name) == "[['Ada']]\n"


def test_a_many_to_many_field_that_is_a_foreign_key_now_is_named(site: Site) -> None:
    new = "tag = models.ForeignKey('Tag', models.CASCADE, null=True)"
    change(
        site,
        'migrations.RemoveField("Book", "tags")',
        'migrations.AddField("Book", "tag", '
        'models.ForeignKey("shop.tag", models.CASCADE, null=True))',
        models=OLD.replace('tags = models.ManyToManyField("Tag")', new),
    )
    (found,) = checked(site)
    assert (found["field"], found["to"], found["values"]) == ("tags", "tag_id", 1)
    assert "of which one link stays" in found["reason"]
    restored_as_program(site, found)
    tags = "from shop.models import *; print([book.tag.name for book in Book.objects.all()])"
    assert site.shell(tags) == "['old']\n"
    assert "self.remove_field" not in written(site)


def test_a_model_that_was_merged_with_another_is_not_dropped_unseen(site: Site) -> None:
    models = HEAD + f"{AUTHOR}    city = models.CharField(max_length=20, default='')\n" + BOOK + TAG
    change(
        site,
        'migrations.AddField("Author", "city", models.CharField(max_length=20, default=""))',
        'migrations.DeleteModel("Address")',
        models=models,
    )
    (found,) = checked(site)
    assert (found["model"], found["to"]) == ("shop.Address", "shop.Author.city")
    assert '# self.remove_model("shop.Address")' in written(site)


def test_a_model_that_was_split_keeps_its_values(site: Site) -> None:
    title = """
class Title(models.Model):
    book = models.ForeignKey(Book, models.CASCADE)
    title = models.CharField(max_length=20)
"""
    change(
        site,
        'migrations.RemoveField("Book", "title")',
        'migrations.CreateModel("Title", [("id", models.BigAutoField(primary_key=True, '
        'auto_created=True, serialize=False, verbose_name="ID")), '
        '("book", models.ForeignKey("shop.book", models.CASCADE)), '
        '("title", models.CharField(max_length=20))])',
        models=OLD.replace("    title = models.CharField(max_length=20)\n", "") + title,
    )
    (found,) = checked(site)
    assert (found["field"], found["to"]) == ("title", "shop.Title")
    assert '# self.remove_field("shop.Book", "title")' in written(site)


UNTITLED = OLD.replace("    title = models.CharField(max_length=20)\n", "").replace(TAG, "")
UNTITLED = UNTITLED.replace('    tags = models.ManyToManyField("Tag")\n', "")
REMOVALS = (
    'migrations.RemoveField("Book", "title")',
    'migrations.RemoveField("Book", "tags")',
    'migrations.DeleteModel("Tag")',
)
CODE = "migrations.RunPython(lambda apps, schema_editor: None)"


def test_values_that_code_of_a_migration_may_have_moved_are_not_dropped_by_a_step(
    site: Site,
) -> None:
    change(site, CODE, *REMOVALS, models=UNTITLED)
    step = written(site)
    assert "its values may have been moved by shop.0002_change" in step.replace("\n        # ", " ")
    assert '# self.remove_field("shop.Book", "title")' in step
    assert '# self.remove_field("shop.Book", "tags")' in step
    assert '# self.remove_model("shop.Tag")' in step


def test_code_that_runs_after_a_removal_cannot_have_moved_its_values(site: Site) -> None:
    change(site, *REMOVALS, CODE, models=UNTITLED)
    step = written(site)
    assert '        self.remove_field("shop.Book", "title")' in step
    assert '        self.remove_model("shop.Tag")' in step


def test_values_and_rows_that_steps_of_a_migrator_remove_are_named(site: Site) -> None:
    change(site, *REMOVALS, models=UNTITLED)
    step = written(site).replace(
        'self.remove_field("shop.Book", "title")',
        'self.rename_field("shop.Book", "title", "words")\n'
        '        self.change_values("shop.Book", "words", str)\n'
        '        self.remove_field("shop.Book", "words")',
    )
    site.write({"migrators.py": step})
    checked, done = site.succeed("checkdump", "dump"), site.succeed("restore", "dump", "--noinput")
    for said in (checked, done):
        assert "migrate_from_1_0: shop.Tag: its rows are left out (2 rows)." in said
        assert "migrate_from_1_0: shop.Book: words is left out (1 row)." in said
        assert "migrate_from_1_0: shop.Book: tags is left out (1 row)." in said


def test_a_new_field_has_the_value_that_the_migration_has_given_to_rows(site: Site) -> None:
    models = OLD.replace(
        "class Tag(models.Model):", "class Tag(models.Model):\n    size = models.IntegerField()"
    )
    change(
        site,
        'migrations.AddField("Tag", "size", models.IntegerField(default=7), '
        "preserve_default=False)",
        models=models,
    )  # fmt: skip
    (found,) = checked(site)
    assert found["step"] == 'self.add_field("shop.Tag", "size", 7)'
    written(site)
    restored(site)
    sizes = "from shop.models import Tag; print(set(Tag.objects.values_list('size', flat=True)))"
    assert site.shell(sizes) == "{7}\n"


def test_a_new_model_is_not_said_to_lose_rows(site: Site) -> None:
    options = 'primary_key=True, auto_created=True, serialize=False, verbose_name="ID"'
    change(
        site,
        f'migrations.CreateModel("Prize", [("id", models.BigAutoField({options}))])',
        models=f"{OLD}\n\nclass Prize(models.Model):\n    pass\n",
    )
    said = site.succeed("checkdump", "dump")
    assert "a restore deletes" not in said
    assert "The dump is complete, fits the models, and can be restored." in said


def test_a_new_field_without_a_value_keeps_the_rows_from_being_rehearsed(site: Site) -> None:
    models = OLD.replace(
        "class Tag(models.Model):", "class Tag(models.Model):\n    size = models.IntegerField()"
    )
    site.write({"shop/models.py": models})
    assert [(one["kind"], one["field"]) for one in checked(site)] == [
        ("field-added", "size"),
        ("no-migration", "size"),
    ]
    said = site.fail("checkdump", "dump")
    assert "The rows were not rehearsed, because shop.Tag.size does not fit the models." in said


def test_the_order_of_rows_is_made_by_the_migration_that_orders_them(site: Site) -> None:
    ordered = f"{ADDRESS}\n    class Meta:\n        order_with_respect_to = 'author'\n"
    change(
        site,
        'migrations.AlterOrderWithRespectTo("Address", "author")',
        models=OLD.replace(ADDRESS, ordered),
    )
    site.succeed("migrate", "-v0")
    site.succeed("dump2py", "dump", "--overwrite")
    assert "can be restored" in site.succeed("checkdump", "dump")


def test_code_of_migrations_that_a_restore_does_not_run_is_named(site: Site) -> None:
    change(
        site,
        "migrations.RunPython(lambda apps, schema_editor: None)",
        'migrations.RenameField("Book", "title", "words")',
        models=OLD.replace("title", "words"),
    )
    said = site.fail("checkdump", "dump")
    assert "shop.0002_change\n" in said
    assert "RunPython: Migration.<lambda>(): a restore does not do this" in said
    assert "restore with --through-migrations" in said


def test_a_written_step_does_not_pass_for_the_code_of_a_migration(site: Site) -> None:
    """A step of a person is trusted to have done what the migrations do."""
    change(site, CODE, models=OLD)
    step = written(site)
    line = (
        'raise NotImplementedError("shop.0002_change: do here what it does, or remove this line")'
    )
    assert line in step
    assert "shop.0002_change: do here what it does" in site.fail("checkdump", "dump")
    assert "shop.0002_change: do here what it does" in site.fail("restore", "dump", "--noinput")
    site.write({"migrators.py": step.replace(line, "")})
    restored(site)


def test_a_model_that_has_moved_to_another_app_with_its_table_is_no_guess(site: Site) -> None:
    moved = TAG.rstrip() + "\n\n    class Meta:\n        db_table = 'shop_tag'\n"
    site.write(
        {
            "shelf/models.py": HEAD + moved,
            "shelf/migrations/0001_initial.py": MIGRATION.replace("shop", "shop").format(
                "migrations.SeparateDatabaseAndState(state_operations=[migrations.CreateModel("
                '"Tag", [("id", models.BigAutoField(primary_key=True, auto_created=True, '
                'serialize=False, verbose_name="ID")), ("name", models.CharField(max_length=20))], '
                '{"db_table": "shop_tag"})])'
            ),
            "shelf/migrations/__init__.py": "",
        }
    )
    site.configure(INSTALLED_APPS=["dumpy", "shop", "shelf"], DUMPY={"VERSION": "2.0"})
    state = (
        "migrations.SeparateDatabaseAndState(state_operations=["
        'migrations.AlterField("Book", "tags", models.ManyToManyField("shelf.tag")), '
        'migrations.DeleteModel("Tag")])'
    )
    models = (HEAD + AUTHOR + BOOK + ADDRESS).replace('"Tag"', '"shelf.Tag"')
    text = MIGRATION.replace("]\n", '("shelf", "0001_initial")]\n', 1).replace(
        '"0001_initial")("shelf"', '"0001_initial"), ("shelf"'
    )
    site.write({"shop/models.py": models, "shop/migrations/0002_change.py": text.format(state)})
    assert "No changes" in site.succeed("makemigrations", "--check", "--dry-run")
    (found,) = checked(site)
    assert (found["to"], found["guess"]) == ("shelf.Tag", False)
