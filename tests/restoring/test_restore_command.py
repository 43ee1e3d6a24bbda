"""`manage.py restore FILE`: the database is that of a single file, or as it was."""

from __future__ import annotations

import bz2
import lzma
import re
import shutil
from io import StringIO
from zipfile import ZipFile

import pytest
from django.core.management.base import OutputWrapper
from sites import Site

from dumpy import console
from dumpy.restoring.main import Output

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

PRICES = [(1, "one", 11), (7, "two", 22)]


def prices(site: Site) -> list[tuple[object, ...]]:
    """Return the rows of the products."""
    return site.execute("SELECT id, title, price FROM shop_product ORDER BY id")


@pytest.mark.sql
def test_all_rows_are_replaced(first: Site) -> None:
    said = first.restore_file()
    assert said.endswith("Restored.\n")
    assert prices(first) == PRICES
    assert first.execute("SELECT id, product_id FROM shop_sale") == [(5, 7)]


@pytest.mark.parametrize("ending", ["bz2", "xz", "zip"])
def test_the_file_may_be_compressed(first: Site, ending: str) -> None:
    path, data = first.directory / f"dump.py.{ending}", first.the_file.read_bytes()
    if ending == "zip":
        with ZipFile(path, "w") as archive:
            archive.writestr("dump.py", data)
    else:
        path.write_bytes({"bz2": bz2, "xz": lzma}[ending].compress(data))
    first.succeed("restore", path, "-b")
    assert prices(first) == PRICES


@pytest.mark.parametrize("typed", ["", "n\n"])
def test_it_asks_first_and_means_no(first: Site, typed: str) -> None:
    before = first.contents()
    done = first.manage("restore", first.the_file, typed=typed)
    assert done.returncode == 1
    assert "Replace the contents of the database" in done.stdout
    assert "Not restored." in done.stderr
    assert first.contents() == before


def test_it_goes_on_after_a_yes(first: Site) -> None:
    first.succeed("restore", first.the_file, typed="y\n")
    assert prices(first) == PRICES


@pytest.mark.sql
def test_a_dry_run_changes_nothing(first: Site) -> None:
    before = first.contents()
    assert "Nothing was changed." in first.restore_file("--dry-run")
    assert first.contents() == before


@pytest.mark.sql
def test_the_next_keys_are_free(first: Site) -> None:
    first.restore_file()
    first.execute("INSERT INTO shop_sale (product_id) VALUES (1)")
    assert first.execute("SELECT id FROM shop_sale WHERE product_id = 1") == [(6,)]


def test_a_file_that_was_edited_to_be_a_program_is_run(first: Site) -> None:
    first.edit(
        "dump.py",
        ("# dumpy: format 1", "# dumpy: program 1"),
        ("        title=title", "        title=title.upper()"),
    )
    first.restore_file()
    assert prices(first) == [(1, "ONE", 11), (7, "TWO", 22)]


def test_a_row_of_a_program_may_be_code(first: Site) -> None:
    first.edit(
        "dump.py",
        ("# dumpy: format 1", "# dumpy: program 1"),
        ("create_shop_sale(5, 7, 9)", "create_shop_sale(5, 3 + 4, 9)"),
    )
    first.restore_file()
    assert first.execute("SELECT id, product_id FROM shop_sale") == [(5, 7)]


def test_a_bad_row_is_named(first: Site) -> None:
    first.edit("dump.py", ("create_shop_sale(5, 7, 9)", "create_shop_sale(5, 70, 9)"))
    said = first.refuse_file()
    assert "shop.Sale(pk=5): product_id=70 refers to a row of shop.Product" in said
    assert "The database is as it was." in said


def test_a_truncated_file_is_refused(first: Site) -> None:
    text = first.the_file.read_text()
    first.the_file.write_text(text[: len(text) // 2])
    first.refuse_file()


def test_a_program_that_is_no_dump_is_refused(first: Site) -> None:
    first.the_file.write_text("def objects():\n    return []\n")
    said = first.refuse_file()
    assert "it is a program, not a dump. To add its objects to a database: manage.py loadd" in said


@pytest.mark.parametrize("path", ["dump", "dump/restore.py"])
@pytest.mark.parametrize("first_line", ["# dumpy: format 1", "# dumpy: program 1"])
def test_a_directory_is_restored_as_with_run(first: Site, path: str, first_line: str) -> None:
    first.edit("dump/restore.py", ("# dumpy: format 1", first_line))
    assert first.succeed("restore", path, "-b").endswith("Restored.\n")
    assert prices(first) == PRICES


def test_a_file_of_a_directory_is_refused_with_what_to_type(first: Site) -> None:
    said = first.fail("restore", "dump/shop_product.py", "-b")
    assert "belongs to a directory dump. To restore it: manage.py restore dump" in said


@pytest.mark.parametrize("name", ["restore.py", "shop_product.py"])
def test_a_file_that_was_copied_out_of_a_directory_is_refused(first: Site, name: str) -> None:
    shutil.copy(first.directory / "dump" / name, first.the_file)
    said = first.refuse_file()
    assert "it belongs to a directory dump. To restore it with the other files: manage.py r" in said


def test_before_it_asks_it_shows_the_rows_of_both_sides(first: Site) -> None:
    first.restore_file()
    first.execute("DELETE FROM shop_sale")
    said = first.manage("restore", first.the_file, typed="n\n").stdout
    assert re.search(r"^shop.Sale +0 +1$", said, re.MULTILINE)
    assert re.search(r"^\d+ models with the same number of rows +(\d+) +\1$", said, re.MULTILINE)
    (here, there) = re.findall(r"^total +(\d+) +(\d+)$", said, re.MULTILINE)[0]
    assert int(here) + 1 == int(there)
    day = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert re.search(rf"of a project without a version; its files are from {day}\.$", said, re.M)


@pytest.mark.parametrize(
    ("command", "way"),
    [
        (("dumpdata", "--format=py", "--output", "part.py"), "To keep them: manage.py loaddata "),
        (("dump2py", "part.py"), "To keep them: write it with dumpdata --format=py, and load it"),
    ],
)
def test_before_it_asks_it_says_that_the_dump_is_a_subset_and_so_does_a_check(
    first: Site, command: tuple[str, ...], way: str
) -> None:
    first.restore_file()
    first.succeed(*command, "--where", "shop.Product:pk__isnull=false")
    before = first.contents()
    said = first.manage("restore", "part.py", typed="n\n").stdout
    assert "a subset of a database: a restore deletes all other rows of this one." in said
    assert way in said
    assert first.contents() == before
    checked = first.succeed("checkdump", "part.py")
    assert "a subset of a database: a restore deletes all other rows of this one." in checked
    assert way in checked
    assert "The dump is undamaged, fits the models, and can be restored." in checked


@pytest.mark.sql
def test_a_subset_in_a_directory_is_restored(first: Site) -> None:
    first.restore_file()
    first.succeed("dump2py", "part", "--only", "shop.Product:7")
    assert first.succeed("restore", "part", "-b").endswith("Restored.\n")
    assert prices(first) == PRICES  # they are similar to each other
    assert first.execute("SELECT id FROM shop_sale") == []


def test_a_dry_run_shows_both_sides_and_asks_nothing(first: Site) -> None:
    said = first.succeed("restore", first.the_file, "--dry-run", typed="")
    assert "rows here   in the dump" in said
    assert "Replace the contents" not in said


def test_a_restore_may_be_quiet(first: Site) -> None:
    assert first.succeed("restore", first.the_file, "--no-input", "-v0") == ""
    assert (
        "Replace the contents" in first.manage("restore", first.the_file, "-v0", typed="n\n").stdout
    )


def test_loaddata_refuses_the_script_of_a_directory_with_what_to_type(first: Site) -> None:
    assert "manage.py restore dump" in first.fail("loaddata", "dump/restore.py")


def test_the_script_of_a_directory_stands_for_it_when_it_is_checked(first: Site) -> None:
    said = first.succeed("checkdump", first.the_dump / "restore.py")
    assert said == first.succeed("checkdump", first.the_dump)


def test_a_file_that_is_not_there_is_named(first: Site) -> None:
    first.remove(["dump.py"])
    assert "dump.py: it cannot be read: " in first.refuse_file()


def test_on_a_terminal_a_line_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(console, "_SECONDS", -1)
    said = Output(OutputWrapper(stream), 1)
    said.expect(lambda: 200)
    said.rows("shop.Sale", 0)
    said.rows("shop.Sale", 50)
    said.line("Restored.")
    last, line = stream.getvalue().split("\r\x1b[K")[-2:]
    assert re.fullmatch(r"shop.Sale: 50 of 200 rows, [\d,]+/s, \d+ s left", last)
    assert line == "Restored.\n"


def test_elsewhere_each_part_is_said(first: Site) -> None:
    assert "\nloading shop_product.py\nloading" in first.succeed("restore", "dump", "-b")
