"""Migrations that change rows after a dump was made: a restore refuses what nothing applies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sites import NewSite, Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

MODELS = """
from django.db import models


class Item(models.Model):
    name = models.CharField(max_length=20)
    slug = models.CharField(max_length=20)
    count = models.IntegerField()
"""
FIRST = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=20)),
            ("slug", models.CharField(max_length=20)),
            ("count", models.IntegerField()),
        ]),
    ]
"""
OPERATIONS = """
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.models import IndexOperation


class Doubled(Operation):
    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        schema_editor.execute("UPDATE shop_item SET count = 2 * count")


class Indexed(IndexOperation):
    option_name = "triggers"

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        pass
"""
NEXT = """
from django.db import migrations, models
from django.utils import timezone
from shop import operations


def in_cents(apps, schema_editor):
    apps.get_model("shop", "Item").objects.update(count=models.F("count") * 100)


class Migration(migrations.Migration):
    dependencies = [("shop", {after!r})]
    operations = [{operations}]
"""
FILL = """
from django.core.management import call_command
from shop.models import Item
Item.objects.create(pk=1, name="N", slug="S", count=5)
call_command("dump2py", "dump", verbosity=0)
call_command("dumpdata", format="py", output="dump.py", verbosity=0)
"""
MIGRATOR = """
from dumpy import Migrator


class ShopMigrator(Migrator):
    def migrate_from_1(self, globals_dict):
        self.change_values("shop.Item", "count", lambda count: count * 100)
        return "2"
"""
RUNS = "migrations.RunPython(in_cents)"
SQL = 'migrations.RunSQL("UPDATE shop_item SET count = count * 100")'
SWAP = """
        migrations.RenameField("item", "name", "other"),
        migrations.RenameField("item", "slug", "name"),
        migrations.RenameField("item", "other", "slug"),
"""
THROUGH = "--through-migrations"


@pytest.fixture(scope="session")
def made_site(new_site: NewSite) -> Site:
    """Return a site with two dumps of its first migration."""
    files = {
        "shop/models.py": MODELS,
        "shop/operations.py": OPERATIONS,
        "shop/migrations/0001_initial.py": FIRST,
    }
    settings = {"INSTALLED_APPS": ["dumpy", "shop"], "DUMPY": {"VERSION": "1"}}
    return new_site("skipped", Version(files, settings, FILL))


@pytest.fixture
def site(made_site: Site, tmp_path: Path, unblocked: None) -> Site:
    """Return a copy of the site with an empty database."""
    return made_site.copied(tmp_path / "site", filled=False)


def migration(site: Site, operations: str, name: str = "0002_later", after: str = "0001") -> None:
    """Write a migration that comes after the dump."""
    after = "0001_initial" if after == "0001" else after
    site.write({f"shop/migrations/{name}.py": NEXT.format(after=after, operations=operations)})


def rows(site: Site) -> list[tuple[object, ...]]:
    """Return the rows of the table."""
    return site.rows("shop_item", "name", "slug", "count")


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        (RUNS, "shop.0002_later: RunPython: in_cents()"),
        (SQL, "shop.0002_later: RunSQL: UPDATE shop_item SET count = count * 100"),
        (
            f"migrations.SeparateDatabaseAndState(database_operations=[{RUNS}])",
            "shop.0002_later: RunPython: in_cents()",
        ),
        (
            f"migrations.SeparateDatabaseAndState(state_operations=[{RUNS}])",
            "",
        ),
        ("migrations.RunPython(migrations.RunPython.noop)", ""),
        ("migrations.RunSQL(migrations.RunSQL.noop)", ""),
        ('migrations.RunSQL("CREATE INDEX by_count ON shop_item (count);")', ""),
        (
            'migrations.RunSQL(["CREATE INDEX a ON shop_item (slug)", ("DELETE FROM shop_item",)])',
            "shop.0002_later: RunSQL: DELETE FROM shop_item",
        ),
        (
            'migrations.RunSQL("CREATE TABLE x (id integer); UPDATE shop_item SET count = 1")',
            "shop.0002_later: RunSQL: CREATE TABLE x (id integer); UPDATE shop_item SET co",
        ),
        (
            'migrations.RunSQL("CREATE TABLE x SELECT * FROM shop_item")',
            "shop.0002_later: RunSQL: CREATE TABLE x SELECT * FROM shop_item",
        ),
        pytest.param(
            'migrations.RunSQL(["ANALYZE", "analyze shop_item;"])',
            "",
            marks=[pytest.mark.sqlite, pytest.mark.postgresql],
        ),
        (
            'migrations.RunSQL("ANALYZE FORMAT=JSON UPDATE shop_item SET count = 1")',
            "shop.0002_later: RunSQL: ANALYZE FORMAT=JSON UPDATE shop_item SET count = 1",
        ),
        (
            "operations.Doubled()",
            "shop.0002_later: Doubled: an operation of shop.operations, which may change rows",
        ),
        (
            "migrations.SeparateDatabaseAndState(database_operations=[operations.Doubled()])",
            "shop.0002_later: Doubled: an operation of shop.operations, which may change rows",
        ),
        ("operations.Indexed()", ""),
        (SWAP, "shop.0002_later: RenameField: shop.Item.name is slug today, and name another"),
        (
            'migrations.RenameField("item", "name", "x"), migrations.RenameField("item", "x", '
            '"name")',
            "",
        ),
    ],
)
@pytest.mark.sql
def test_a_migration_that_changes_rows_is_not_skipped(
    site: Site, operations: str, said: str
) -> None:
    migration(site, operations)
    if said:
        for refused in (site.refuse(site.the_dump), site.refuse_file()):
            assert said in refused
            assert "To apply these migrations, restore with --through-migrations" in refused
            assert "SOURCE_MIGRATIONS" in refused
        key, _, what = said.partition(": ")
        checked = site.fail("checkdump", site.the_file)
        assert key in checked
        assert what in checked
    else:
        assert "can be restored" in site.succeed("checkdump", site.the_file)
        site.restore(site.the_dump)
        assert rows(site) == [("N", "S", 5)]


@pytest.mark.sql
@pytest.mark.sqlite
@pytest.mark.postgresql
def test_a_database_that_is_cleaned_up_has_the_same_rows(site: Site) -> None:
    migration(site, 'migrations.RunSQL("VACUUM")')
    atomic = "    atomic = False\n    operations = "
    site.edit("shop/migrations/0002_later.py", ("    operations = ", atomic))
    site.restore(site.the_dump)
    assert rows(site) == [("N", "S", 5)]


@pytest.mark.sql
def test_the_migrations_change_the_rows_where_they_are_applied(site: Site) -> None:
    migration(site, RUNS)
    migration(site, SWAP, "0003_swap", "0002_later")
    site.restore(site.the_dump, THROUGH)
    assert rows(site) == [("S", "N", 500)]


def test_a_restore_goes_on_if_the_dump_is_said_to_need_no_migration(site: Site) -> None:
    """The line to write stands in the refusal."""
    migration(site, RUNS)
    said = site.refuse(site.the_dump)
    assert f"SOURCE_MIGRATIONS of {site.the_dump / 'restore.py'}: 'shop': '0002_later'." in said
    site.edit("dump/restore.py", ("'shop': '0001_initial'", "'shop': '0002_later'"))
    assert "can be restored" in site.succeed("checkdump", site.the_dump)
    assert "RunPython" not in site.restore(site.the_dump)
    assert rows(site) == [("N", "S", 5)]


def test_so_does_that_of_a_program(site: Site) -> None:
    migration(site, RUNS)
    site.edit("dump/restore.py", ("# dumpy: format 1", "# dumpy: program 1"))
    assert "write into SOURCE_MIGRATIONS" in site.refuse(site.the_dump)
    site.edit("dump/restore.py", ("'shop': '0001_initial'", "'shop': '0002_later'"))
    site.restore(site.the_dump)
    assert rows(site) == [("N", "S", 5)]


def test_a_chain_of_migrators_that_arrives_has_done_what_migrations_do(site: Site) -> None:
    migration(site, RUNS)
    site.write({"migrators.py": MIGRATOR})
    site.configure(DUMPY={"VERSION": "2", "MIGRATION_CLASS": "migrators.ShopMigrator"})
    assert "can be restored" in site.succeed("checkdump", site.the_dump)
    site.restore(site.the_dump)
    assert rows(site) == [("N", "S", 500)]


def test_a_chain_of_migrators_that_does_not_arrive_has_not(site: Site) -> None:
    migration(site, RUNS)
    site.write({"migrators.py": MIGRATOR.replace("from_1", "from_0_1")})
    site.configure(DUMPY={"VERSION": "2", "MIGRATION_CLASS": "migrators.ShopMigrator"})
    assert "RunPython: in_cents()" in site.refuse(site.the_dump, "--allow-version-mismatch")


def test_a_check_names_the_migration_and_still_rehearses_the_rows(site: Site) -> None:
    migration(site, RUNS)
    report = json.loads(site.fail("checkdump", site.the_dump, "--json"))
    (found,) = report["findings"]
    assert (found["kind"], found["model"]) == ("data-migration", "shop.0002_later")
    assert report["rehearsed"]
    assert not report["fine"]


TAX = """
from django.db import migrations, models


def in_cents(apps, schema_editor):
    items = apps.get_model("shop", "Item").objects.using(schema_editor.connection.alias)
    items.update(count=models.F("count") * 100)


class Migration(migrations.Migration):
    initial = True
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.CreateModel("Rate", [("id", models.BigAutoField(primary_key=True))]),
        migrations.RunPython(in_cents),
    ]
"""


@pytest.mark.parametrize("option", ["-v0", THROUGH])
def test_the_migrations_of_an_app_that_is_left_out_are_no_newer_than_the_dump(
    option: str, made_site: Site, tmp_path: Path, unblocked: None
) -> None:
    site = made_site.copied(tmp_path / "site")
    models = "from django.db import models\n\n\nclass Rate(models.Model):\n    pass\n"
    site.write({"tax/models.py": models, "tax/migrations/0001_initial.py": TAX})
    site.install("tax")
    site.succeed("migrate", "-v0")
    site.dump("dump", "--exclude", "tax")
    site.succeed("dumpdata", "--exclude=tax", "--format=py", "-o", "dump.py")
    names = "SOURCE_MIGRATIONS = {'shop': '0001_initial', 'tax': '0001_initial'}"
    assert names in site.the_file.read_text(encoding="utf-8")
    assert names.replace(", 'tax': '0001_initial'", "") in site.succeed(
        "dumpdata", "shop", "--format=py"
    )
    site.restore(site.the_dump, option)
    assert rows(site) == [("N", "S", 500)]
    site.restore_file(option)
    assert rows(site) == [("N", "S", 500)]


def test_the_double_dump_test_of_an_old_dump_refuses_it_too(site: Site) -> None:
    site.succeed("migrate", "-v0")
    migration(site, RUNS)
    assert "RunPython: in_cents()" in site.fail("ddt", site.the_file)


def test_a_squashed_migration_is_not_newer_than_the_last_of_those_that_it_replaces(
    site: Site,
) -> None:
    migration(site, RUNS)
    squashed = FIRST.replace("    initial = True", "    replaces = [('shop', '0001_initial')]")
    site.write({"shop/migrations/0001_squashed.py": squashed})
    assert "shop.0002_later: RunPython" in site.refuse(site.the_dump)
    site.remove(["shop/migrations/0002_later.py"])
    site.restore(site.the_dump)
    assert rows(site) == [("N", "S", 5)]


def test_a_dump_in_the_middle_of_a_squashed_migration_needs_the_rest_of_it(site: Site) -> None:
    migration(site, RUNS)
    squashed = FIRST.replace(
        "    initial = True",
        "    replaces = [('shop', '0001_initial'), ('shop', '0002_later')]",
    )
    site.write({"shop/migrations/0001_squashed.py": squashed})
    assert "shop.0002_later: RunPython: in_cents()" in site.refuse(site.the_dump)


def test_a_migration_that_the_project_does_not_have_is_refused(site: Site) -> None:
    site.edit("dump/restore.py", ("0001_initial", "0009_future"))
    said = site.refuse(site.the_dump)
    assert "The dump names the migration shop.0009_future, which the project does not have" in said
    assert "'shop': '0001_initial'" in said
    assert "shop.0009_future" in site.fail("checkdump", site.the_dump)


def test_a_fixture_is_loaded_with_one_line_about_the_migrations(site: Site) -> None:
    migration(site, RUNS)
    site.succeed("migrate", "-v0")
    done = site.manage("loaddata", site.the_file)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("Since dump.py was made, migrations have changed rows")
    assert line.endswith("shop.0002_later: RunPython: in_cents().")
    assert rows(site) == [("N", "S", 5)]


REMOVED = """
        migrations.RenameField("item", "slug", "other"),
        migrations.RemoveField("item", "other"),
"""
NO_SLUG = MODELS.replace("    slug = models.CharField(max_length=20)\n", "")
LOST = "shop.0002_later removes what the dump has in shop.Item.slug (1 value)"


def test_values_that_migrations_remove_are_counted_before_and_after_a_restore(site: Site) -> None:
    site.write({"shop/models.py": NO_SLUG})
    migration(site, REMOVED)
    said = site.succeed("restore", site.the_file, THROUGH, input="y\n")
    before, _, after = said.partition("Replace the contents of the database")
    assert f"{LOST}." in before
    assert f"{LOST}." in after
    assert f"{LOST}." in site.restore(site.the_dump, THROUGH, "--dry-run")


def test_the_option_is_not_recommended_without_what_it_costs(site: Site) -> None:
    site.write({"shop/models.py": NO_SLUG})
    migration(site, REMOVED)
    assert f"restore with {THROUGH}. {LOST}." in site.refuse(site.the_dump)
    assert f"restore with {THROUGH}. {LOST}." in site.fail("checkdump", site.the_dump)
    migration(site, REMOVED + RUNS)
    assert f"{LOST}, unless a data migration moves it." in site.fail("checkdump", site.the_dump)


def test_the_rows_of_a_model_that_migrations_remove_are_counted(site: Site) -> None:
    site.write({"shop/models.py": ""})
    migration(site, 'migrations.DeleteModel("Item")')
    said = site.restore(site.the_dump, THROUGH)
    assert "shop.0002_later removes what the dump has in shop.Item (1 row)." in said


def test_a_field_that_only_the_state_loses_costs_nothing(site: Site) -> None:
    site.write({"shop/models.py": NO_SLUG})
    operation = 'migrations.RemoveField("item", "slug")'
    migration(site, f"migrations.SeparateDatabaseAndState(state_operations=[{operation}])")
    assert "removes" not in site.fail("checkdump", site.the_dump)


SLUG = 'migrations.RemoveField("item", "slug"), migrations.AddField("item", "slug", {})'.format(
    "models.CharField(max_length=20, default='new'), preserve_default=False"
)


def test_values_of_a_removed_field_are_not_put_into_another_one_of_its_name(site: Site) -> None:
    migration(site, SLUG)
    for refused in (site.refuse(site.the_dump), site.refuse_file()):
        assert "shop.0002_later: RemoveField: shop.Item.slug is another field today" in refused
    site.restore(site.the_dump, THROUGH)
    assert site.rows("shop_item", "slug") == [("new",)]


def test_keys_of_a_removed_field_are_not_put_into_a_field_of_the_name_of_its_column(
    site: Site,
) -> None:
    own = "    kind{} = models.{}\n"
    key = own.format("", "ForeignKey('self', models.CASCADE, null=True)")
    site.edit("shop/models.py", ("    count", f"{key}    count"))
    field = "models.ForeignKey('shop.item', models.CASCADE, null=True)"
    migration(site, f'migrations.AddField("item", "kind", {field})')
    site.restore(site.the_dump)
    dump = site.dump("keyed")
    number = "IntegerField(null=True)"
    site.edit("shop/models.py", (key, own.format("_id", number)))
    operations = f"""migrations.RemoveField("item", "kind"),
        migrations.AddField("item", "kind_id", models.{number})"""
    migration(site, operations, "0003_number", "0002_later")
    said = "shop.0003_number: RemoveField: shop.Item.kind is another field today"
    assert said in site.refuse(dump)


def test_rows_of_a_removed_model_are_not_put_into_another_one_of_its_name(site: Site) -> None:
    fields = ", ".join(
        f'("{name}", models.{kind})'
        for name, kind in (
            ("id", "BigAutoField(primary_key=True)"),
            ("name", "CharField(max_length=20)"),
            ("slug", "CharField(max_length=20)"),
            ("count", "IntegerField()"),
        )
    )
    migration(site, f'migrations.DeleteModel("Item"), migrations.CreateModel("Item", [{fields}])')
    assert "shop.0002_later: DeleteModel: shop.Item is another model today" in site.refuse(
        site.the_dump
    )
    site.restore(site.the_dump, THROUGH)
    assert site.rows("shop_item", "name") == []


@pytest.mark.parametrize("kind", ["FloatField", "DurationField", "UUIDField"])
@pytest.mark.sqlite
def test_texts_of_other_values_are_left_to_the_database(site: Site, kind: str) -> None:
    """It writes 0 where Python writes 0.0, and the microseconds of a duration."""
    site.edit("shop/migrations/0001_initial.py", ("models.IntegerField()", f"models.{kind}()"))
    text = "models.CharField(max_length=50)"
    site.edit("shop/models.py", ("count = models.IntegerField()", f"count = {text}"))
    migration(site, f'migrations.AlterField("item", "count", {text})')
    said = f"shop.0002_later: AlterField: changes shop.Item.count from {kind} to CharField"
    assert said in site.refuse(site.the_dump)


@pytest.mark.parametrize("kind", ["JSONField", "BinaryField", "DateTimeField"])
@pytest.mark.sqlite
def test_values_of_another_kind_are_left_to_the_database(site: Site, kind: str) -> None:
    """It makes JSON of a text that shows JSON; a load would make a string of it."""
    site.edit(
        "shop/models.py", ("slug = models.CharField(max_length=20)", f"slug = models.{kind}()")
    )
    migration(site, f'migrations.AlterField("item", "slug", models.{kind}())')
    said = f"shop.0002_later: AlterField: changes shop.Item.slug from CharField to {kind}"
    for refused in (site.refuse(site.the_dump), site.refuse_file()):
        assert said in refused


@pytest.mark.sqlite
def test_a_text_becomes_json_through_migrations(site: Site) -> None:
    for path in (site.the_dump / "shop_item.py", site.the_file):
        site.edit(str(path.relative_to(site.directory)), ("'S'", "'{\"a\": 1}'"))
    site.edit(
        "shop/models.py", ("slug = models.CharField(max_length=20)", "slug = models.JSONField()")
    )
    migration(site, 'migrations.AlterField("item", "slug", models.JSONField())')
    site.restore_file(THROUGH)
    assert site.rows("shop_item", "slug") == [('{"a": 1}',)]


BILLS = """
from django.db import migrations


def bill(apps, schema_editor):
    apps.get_model("shop", "Item").objects.update(count=7)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(bill)]
"""


def test_a_data_migration_of_an_app_that_came_later_is_not_skipped(site: Site) -> None:
    site.write({"bills/migrations/0001_bill.py": BILLS})
    site.install("bills")
    said = site.refuse(site.the_dump)
    assert "bills.0001_bill: RunPython: bill()" in said
    assert "'bills': '0001_bill'." in said
    site.restore(site.the_dump, THROUGH)
    assert rows(site) == [("N", "S", 7)]


def test_a_dump_names_the_migrations_of_apps_whose_models_have_no_rows_in_it(site: Site) -> None:
    bill = "class Bill(shop.models.Item):\n    class Meta:\n        proxy = True\n"
    site.write({"bills/models.py": f"import shop.models\n\n\n{bill}"})
    site.write({"bills/migrations/0001_bill.py": BILLS})
    site.install("bills")
    site.succeed("migrate", "-v0")
    site.restore(site.dump("later"))


# A field that has come since, as the model has it today, and as a migration has added it.

KINDS = {
    "one value for the rows that there were": (
        "models.CharField(max_length=9)",
        "models.CharField(max_length=9, default='old'), preserve_default=False",
        "'old'; its default of today is ''",
    ),
    "another default since": (
        "models.IntegerField(default=2)",
        "models.IntegerField(default=1)",
        "1; its default of today is 2",
    ),
    "a default since": (
        "models.IntegerField(null=True, default=2)",
        "models.IntegerField(null=True)",
        "None; its default of today is 2",
    ),
    "a default of the database": (
        "models.IntegerField(db_default=2)",
        "models.IntegerField(db_default=1)",
        "1; its default of today is 2",
    ),
    "the same default": ("models.IntegerField(default=1)", "models.IntegerField(default=1)", ""),
    "the same function": ("models.JSONField(default=list)", "models.JSONField(default=list)", ""),
    "the time of the migration": (
        "models.DateTimeField(auto_now_add=True)",
        "models.DateTimeField(auto_now_add=True, default=timezone.now), preserve_default=False",
        "",
    ),
    "a foreign key": (
        "models.ForeignKey('self', models.CASCADE, null=True)",
        "models.ForeignKey('shop.item', models.CASCADE, null=True)",
        "",
    ),
    "links": ("models.ManyToManyField('self')", "models.ManyToManyField('shop.item')", ""),
    "nothing": (
        "models.CharField(max_length=9, blank=True)",
        "models.CharField(max_length=9, blank=True)",
        "",
    ),
}


def with_kind(site: Site, today: str, added: str, *later: str) -> None:
    """Let items have a field, which a migration has added, and later operations changed."""
    site.write({"shop/models.py": f"{MODELS}    kind = {today}\n"})
    migration(site, ", ".join([f'migrations.AddField("item", "kind", {added})', *later]))


@pytest.mark.parametrize(("today", "added", "said"), KINDS.values(), ids=KINDS)
def test_a_new_field_is_not_filled_with_another_value_than_migrations_did(
    site: Site, today: str, added: str, said: str
) -> None:
    with_kind(site, today, added)
    if not said:
        site.restore(site.the_dump)
        return
    said = f"shop.0002_later: AddField: fills shop.Item.kind with {said}"
    for refused in (site.refuse(site.the_dump), site.refuse_file()):
        assert said in refused
    checked = site.fail("checkdump", site.the_file)
    assert said.partition(": ")[2] in checked


def test_a_new_field_has_the_value_that_the_dump_or_the_migrations_give_it(site: Site) -> None:
    with_kind(site, *KINDS["one value for the rows that there were"][:2])
    site.restore(site.the_dump, THROUGH)
    assert site.rows("shop_item", "kind") == [("old",)]
    site.edit(
        "dump/restore.py", ("        count=count,", "        count=count,\n        kind='x',")
    )
    site.restore(site.the_dump)
    assert site.rows("shop_item", "kind") == [("x",)]


def test_a_new_field_that_is_filled_when_it_no_longer_may_be_null_is_the_same(site: Site) -> None:
    later = 'migrations.AlterField("item", "kind", models.IntegerField(default=2))'
    with_kind(site, "models.IntegerField(default=2)", "models.IntegerField(null=True)", later)
    site.restore(site.the_dump)
    assert site.rows("shop_item", "kind") == [(2,)]


def test_a_new_field_is_followed_to_the_name_that_it_has_today(site: Site) -> None:
    renamed = 'migrations.RenameField("item", "sort", "kind")'
    added = 'migrations.AddField("item", "sort", models.IntegerField(default=1))'
    site.write({"shop/models.py": f"{MODELS}    kind = models.IntegerField(default=2)\n"})
    migration(site, f"{added}, {renamed}")
    assert "AddField: fills shop.Item.kind with 1; its default of today is 2" in site.refuse(
        site.the_dump
    )


@pytest.mark.sql
@pytest.mark.parametrize("command", [("dump2py", "new"), ("dumpdata", "--format=py"), ("ddt",)])
def test_a_dump_of_a_database_that_lacks_migrations_names_them(
    site: Site, command: tuple[str, ...]
) -> None:
    site.succeed("migrate")
    site.write({"shop/models.py": f"{MODELS}    price = models.IntegerField(null=True)\n"})
    migration(site, 'migrations.AddField("item", "price", models.IntegerField(null=True))')
    said = site.fail(*command)
    assert "The database lacks migrations of the project: shop.0002_later." in said
    assert "run manage.py migrate first" in said
