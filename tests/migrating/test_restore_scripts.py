"""Dumps of an old version and the scripts around them: migrators change what all of them see."""

from __future__ import annotations

from pathlib import Path

import pytest
from dumps import resealed
from sites import Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PROGRAM = ("# dumpy: format 1", "# dumpy: program 1")

OLD = """
from django.db import models


class Client(models.Model):
    title = models.CharField(max_length=60)
    city = models.CharField(max_length=60)


class Sale(models.Model):
    client = models.ForeignKey(Client, models.CASCADE)
    amount = models.IntegerField()


class Tag(models.Model):
    word = models.CharField(max_length=60)


class Note(models.Model):
    text = models.CharField(max_length=60)
"""
FILL = """
from shop.models import Client, Note, Sale, Tag
Client.objects.create(pk=1, title="Ada", city="Paris")
Client.objects.create(pk=7, title="Bach", city="Rome")
Sale.objects.create(pk=3, client_id=7, amount=4)
Tag.objects.create(pk=2, word="new")
Note.objects.create(pk=5, text="kept")
"""
NEW = """
from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=60)


class Address(models.Model):
    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True)
    city = models.CharField(max_length=60)


class Sale(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)
    cents = models.IntegerField()


class Label(models.Model):
    text = models.CharField(max_length=60)


class Note(models.Model):
    text = models.CharField(max_length=60)
"""
MIGRATORS = """
import os
import signal

from dumpy import Migrator, override
from dumpy.dump import new


class ShopMigrator(Migrator):
    def migrate_from_1_0(self, globals_dict):
        '''Clients are customers, tags are labels.'''
        self.rename_model("shop.Client", "shop.Customer")
        self.rename_field("shop.Customer", "title", "name")
        self.rename_model("shop.Tag", "shop.Label")
        self.rename_field("shop.Label", "word", "text")
        return "1.1"

    def migrate_from_1_1(self, globals_dict):
        '''Customers have addresses, sales are in cents.'''
        Customer, Address = globals_dict["shop_Customer"], globals_dict["shop_Address"]

        @override(globals_dict)
        def create_shop_customer(id, city, **fields):
            yield new(Customer, id=id, **fields)
            yield new(Address, customer=id, city=city)

        self.rename_field("shop.Sale", "client", "customer")
        self.rename_field("shop.Sale", "amount", "cents")
        self.change_values("shop.Sale", "cents", lambda amount: 100 * amount)
        # here
        return "2.0"
"""
VERSIONED = {"VERSION": "2.0", "MIGRATION_CLASS": "shop.migrators.ShopMigrator"}
ROWS = {
    "shop_customer": [(1, "Ada"), (7, "Bach")],
    "shop_address": [(1, "Paris"), (7, "Rome")],
    "shop_sale": [(3, 7, 400)],
    "shop_label": [(2, "new")],
    "shop_note": [(5, "kept")],
}
COLUMNS = {
    "shop_customer": ("id", "name"),
    "shop_address": ("customer_id", "city"),
    "shop_sale": ("id", "customer_id", "cents"),
    "shop_label": ("id", "text"),
    "shop_note": ("id", "text"),
}
BEFORE = Version({"shop/models.py": OLD}, {"DUMPY": {"VERSION": "1.0"}}, FILL)
AFTER = Version({"shop/models.py": NEW, "shop/migrators.py": MIGRATORS}, {"DUMPY": VERSIONED})


def rows(shop: Site) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of all tables of version 2.0."""
    return {table: shop.rows(table, *columns) for table, columns in COLUMNS.items()}


def add_to_step(shop: Site, code: str) -> None:
    """Add lines to the last step."""
    indented = code.strip().replace("\n", "\n        ")
    shop.edit("shop/migrators.py", ("# here", indented))


def script(shop: Site, text: str) -> Path:
    """Write a script into the project."""
    path = shop.directory / "script.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.sql
def test_a_directory_of_an_old_version_is_restored(shop: Site) -> None:
    said = shop.restore(shop.the_dump)
    assert rows(shop) == ROWS
    assert "migrate_from_1_0: Clients are customers, tags are labels.\n" in said
    assert "migrate_from_1_1: Customers have addresses, sales are in cents.\n" in said


@pytest.mark.sql
def test_a_file_of_an_old_version_is_restored(shop: Site) -> None:
    shop.succeed("restore", shop.the_file, "-b")
    assert rows(shop) == ROWS


@pytest.mark.sql
def test_handlers_see_the_database_before_and_after_the_rows(shop: Site) -> None:
    handlers = """
def count(loader):
    from shop.models import Customer, Note
    note = f"{Customer.objects.using(loader.using).count()} customers"
    Note.objects.using(loader.using).create(text=note)

self.before_load(lambda loader: print("before", end=" "))
self.before_load(lambda loader: print("the load"))
self.after_load(count)
"""
    add_to_step(shop, handlers)
    assert "before the load\n" in shop.restore(shop.the_dump)
    assert rows(shop)["shop_note"] == [(5, "kept"), (6, "2 customers")]


def test_objects_of_an_after_load_handler_are_saved_with_what_they_refer_to(
    shop: Site,
) -> None:
    handlers = """
def sell(loader):
    from shop.models import Sale
    loader.save(Sale(customer_id=1, cents=5))

self.after_load(sell)
"""
    add_to_step(shop, handlers)
    shop.restore(shop.the_dump)
    assert rows(shop)["shop_sale"] == [(3, 7, 400), (4, 1, 5)]


@pytest.mark.parametrize("when", ["before_load", "after_load"])
@pytest.mark.parametrize(
    ("code", "reason"),
    [("1 / 0", "ZeroDivisionError: division by zero."), ("exit(3)", "it ends the process")],
)
def test_a_handler_that_fails_is_named_with_its_step(
    shop: Site, when: str, code: str, reason: str
) -> None:
    add_to_step(shop, f"def look(loader):\n    {code}\n\nself.{when}(look)")
    said = shop.refuse(shop.the_dump)
    assert f"migrate_from_1_1: look(): {reason}" in said
    assert "The database is as it was." in said


@pytest.mark.sql
def test_an_after_load_handler_that_breaks_a_reference_is_refused(shop: Site) -> None:
    handlers = """
def sell(loader):
    from shop.models import Sale
    Sale.objects.using(loader.using).update(customer_id=70)

self.after_load(sell)
"""
    add_to_step(shop, handlers)
    assert "The database is as it was." in shop.refuse(shop.the_dump)


DIES = "os.kill(os.getpid(), signal.SIGKILL)"
KILLS = {
    "in a step": DIES,
    "before the load": f"self.before_load(lambda loader: {DIES})",
    "at a row": f'self.change_values("shop.Note", "text", lambda text: {DIES})',
    "after the load": f"self.after_load(lambda loader: {DIES})",
}


@pytest.mark.parametrize("code", KILLS.values(), ids=KILLS)
@pytest.mark.sql
def test_a_restore_that_is_killed_in_a_migrator_leaves_the_database_as_it_was(
    shop: Site, code: str
) -> None:
    add_to_step(shop, code)
    shop.refuse(shop.the_dump)
    shop.write({"shop/migrators.py": MIGRATORS})
    shop.restore(shop.the_dump)
    assert rows(shop) == ROWS


def test_a_dry_run_migrates_and_changes_nothing(shop: Site) -> None:
    before = shop.contents()
    said = shop.restore(shop.the_dump, "--dry-run")
    assert "migrate_from_1_1: " in said
    assert "Nothing was changed." in said
    assert shop.contents() == before


# What a person has edited


def test_the_function_of_a_person_gets_a_row_first_and_migrators_what_it_makes(
    shop: Site,
) -> None:
    shop.edit(
        "dump/restore.py", PROGRAM, ("        title=title,", "        title=title.upper() + '!',")
    )
    shop.restore(shop.the_dump)
    assert rows(shop) == {**ROWS, "shop_customer": [(1, "ADA!"), (7, "BACH!")]}


def test_the_function_of_a_person_in_a_file_gets_a_row_first(shop: Site) -> None:
    shop.edit("dump.py", PROGRAM, ("        title=title,", "        title=title.upper() + '!',"))
    shop.succeed("restore", shop.the_file, "-b")
    assert rows(shop) == {**ROWS, "shop_customer": [(1, "ADA!"), (7, "BACH!")]}


def test_a_person_may_leave_rows_out_before_migrators_see_them(shop: Site) -> None:
    leave = "def create_shop_client(id, title, city):\n    if id == 1:\n        return None\n"
    shop.edit("dump/restore.py", PROGRAM, ("def create_shop_client(id, title, city):\n", leave))
    shop.restore(shop.the_dump)
    assert rows(shop)["shop_customer"] == [(7, "Bach")]
    assert rows(shop)["shop_address"] == [(7, "Rome")]


def test_code_that_a_person_has_put_before_the_functions_is_heard(shop: Site) -> None:
    shop.edit(
        "dump/restore.py",
        PROGRAM,
        ("SOURCE_VERSION", "WORDS = {'kept': 'changed'}\n\nSOURCE_VERSION"),
        ("        text=text,", "        text=WORDS.get(text, text),"),
    )
    shop.restore(shop.the_dump)
    assert rows(shop) == {**ROWS, "shop_note": [(5, "changed")]}


def test_a_line_that_a_person_has_renamed_already_is_not_renamed_again(shop: Site) -> None:
    shop.edit("dump/restore.py", ("        title=title,", "        name=title,"))
    said = shop.refuse(shop.the_dump)
    assert "migrate_from_1_0: the rows of shop.Customer have no field 'title'" in said


def test_without_the_line_that_installs_them_no_migrator_runs(shop: Site) -> None:
    shop.edit("dump/restore.py", ("\ninstall_migrations(globals())", "\n# none today"))
    said = shop.refuse(shop.the_dump)
    assert "migrate_from" not in said
    assert "shop.Client" in said


INSTALLS = "\ninstall_migrations(globals())\n"
UNDER_A_CONDITION = f"\nif SOURCE_VERSION < '2':\n    {INSTALLS.strip()}\n"


@pytest.mark.parametrize("name", ["dump/restore.py", "dump.py"])
def test_the_line_that_installs_them_may_stand_in_code_of_a_person(shop: Site, name: str) -> None:
    shop.edit(name, PROGRAM, (INSTALLS, UNDER_A_CONDITION))
    if name == "dump.py":
        shop.succeed("restore", shop.the_file, "-b")
    else:
        shop.restore(shop.the_dump)
    assert rows(shop) == ROWS


def test_a_function_that_a_person_wraps_after_that_line_is_migrated_too(shop: Site) -> None:
    wrap = """
before = create_shop_note


def create_shop_note(id, text):
    return before(id, text + "!")


create_shop_tag = create_shop_tag
"""
    shop.edit("dump/restore.py", PROGRAM, (INSTALLS, f"{INSTALLS}{wrap}"))
    shop.restore(shop.the_dump)
    assert rows(shop) == {**ROWS, "shop_note": [(5, "kept!")]}


def test_migrated_rows_that_are_kept_out_are_rows_of_today(shop: Site) -> None:
    shop.edit("dump/shop_sale.py", ("create_shop_sale(3, 7, 4)", "create_shop_sale(3, 70, 4)"))
    resealed(shop.the_dump, "shop_sale.py")
    done = shop.manage("run", shop.the_dump / "restore.py", "-b", "--keep-going")
    assert done.returncode == 1
    assert "1 row was rejected" in done.stderr
    assert rows(shop) == {**ROWS, "shop_sale": []}
    (rejected,) = shop.directory.glob("*rejected*")
    shop.edit(rejected.name, ("70, 400", "7, 400"))
    shop.succeed("loaddata", rejected)
    assert rows(shop) == ROWS


# The scripts that people have

REPAIR = """
import sys

__name__ = ""
execfile(sys.argv[1] + "/restore.py")


class Repair:
    def save(self, obj):
        print(type(obj).__name__, obj.pk, obj)
        if obj.pk in wanted:
            obj.save()

    def flush_deferred_objects(self):
        print("flushed")


loader, wanted = Repair(), {7, 3}
execfile(sys.argv[1] + "/shop_client.py")
execfile(sys.argv[1] + "/shop_sale.py")
"""


def test_a_repair_script_saves_each_object_of_a_row_of_an_old_dump(shop: Site) -> None:
    shop.restore(shop.the_dump)
    for table in ("shop_sale", "shop_address", "shop_customer"):
        shop.execute(f"DELETE FROM {table}")
    said = shop.succeed("run", script(shop, REPAIR), shop.the_dump)
    assert said.splitlines() == [
        "Customer 1 Customer object (1)", "Address 1 Address object (1)",
        "Customer 7 Customer object (7)", "Address 7 Address object (7)", "flushed",
        "Sale 3 Sale object (3)", "flushed",
    ]  # fmt: skip
    assert shop.rows("shop_address", "customer_id", "city") == [(7, "Rome")]
    assert shop.rows("shop_sale", "id", "customer_id", "cents") == [(3, 7, 400)]


def test_a_module_of_an_old_version_gives_objects_of_today_to_anyone(shop: Site) -> None:
    text = """
from dump import objects

def each(given):
    for one in given if hasattr(given, "__iter__") else [given]:
        if hasattr(one, "__iter__"):
            yield from each(one)
        else:
            yield one

for one in each(objects()):
    print(type(one).__module__, type(one).__name__, one.pk)
"""
    said = shop.succeed("run", script(shop, text))
    assert sorted(said.splitlines()) == [
        "shop.models Address 1", "shop.models Address 7", "shop.models Customer 1",
        "shop.models Customer 7", "shop.models Label 2", "shop.models Note 5",
        "shop.models Sale 3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "chosen"),
    [
        ("shop_label", ["shop.Label", "2"]),
        ("shop_label", ["shop.Label", "--where", "text=new"]),
        ("shop_sale", ["shop.Sale", "3"]),
        ("shop_customer", ["shop.Customer", "1", "7"]),
    ],
)
def test_repair_takes_rows_of_an_old_dump_as_migrators_make_them(
    shop: Site, table: str, chosen: list[str]
) -> None:
    shop.restore(shop.the_dump)
    shop.execute("DELETE FROM shop_sale")
    if table != "shop_sale":
        shop.execute("DELETE FROM shop_address")
        shop.execute(f"DELETE FROM {table}")
    shop.succeed("repair", shop.the_dump, *chosen, "--really")
    assert rows(shop)[table] == ROWS[table]


def test_repair_restores_what_a_migrated_row_needs(shop: Site) -> None:
    shop.restore(shop.the_dump)
    for table in ("shop_sale", "shop_address", "shop_customer"):
        shop.execute(f"DELETE FROM {table}")
    shop.succeed("repair", shop.the_dump, "shop.Sale", "3", "--really")
    assert rows(shop)["shop_customer"] == [(7, "Bach")]
    assert rows(shop)["shop_sale"] == ROWS["shop_sale"]


def test_checkdump_says_that_an_old_dump_would_be_restored(shop: Site) -> None:
    said = shop.succeed("checkdump", shop.the_dump)
    assert "migrate_from_1_0: Clients are customers, tags are labels.\n" in said
    assert "The dump is complete, fits the models, and can be restored." in said


def test_checkdump_says_what_migrators_have_left(shop: Site) -> None:
    add_to_step(shop, 'self.rename_field("shop.Label", "text", "words")')
    said = shop.refused("checkdump", shop.the_dump)
    assert "words" in said
    assert "a restore would fail" in said


# What is compared


@pytest.mark.parametrize(
    ("file", "label", "old", "new"),
    [
        ("shop_note.py", "shop.Note", "'kept'", "'lost'"),
        ("shop_tag.py", "shop.Label", "'new'", "'old'"),
    ],
)
def test_a_table_whose_values_no_migrator_touches_is_compared_as_before(
    shop: Site, file: str, label: str, old: str, new: str
) -> None:
    shop.edit(f"dump/{file}", (old, new))
    resealed(shop.the_dump, file)
    said = shop.refuse(shop.the_dump)
    assert f"After loading, the content of {label} is not that of the dump." in said


def test_a_table_that_a_migrator_has_changed_is_not_compared(shop: Site) -> None:
    shop.edit("dump/shop_sale.py", ("create_shop_sale(3, 7, 4)", "create_shop_sale(3, 7, 5)"))
    resealed(shop.the_dump, "shop_sale.py")
    shop.restore(shop.the_dump)
    assert rows(shop)["shop_sale"] == [(3, 7, 500)]
