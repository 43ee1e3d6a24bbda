"""`diffdump` names each row and field in which two dumps differ."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from products import BEFORE, dump
from running import called

import dumpy
from dumpy.testing import assert_same_data
from music.models import Album, Artist, Genre

pytestmark = pytest.mark.django_db


def compared(*args: object, status: int = 1) -> str:
    """Return what is said of two dumps that differ."""
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("diffdump", *map(str, args), stdout=out)
    assert end.value.code == status
    return out.getvalue()


def refused(*args: object) -> str:
    """Return the sentence with which a comparison is refused."""
    with pytest.raises(CommandError) as caught:
        call_command("diffdump", *map(str, args), stdout=StringIO())
    assert caught.value.returncode == 2
    return str(caught.value)


def test_rows_and_fields_that_differ_are_named(two: tuple[Path, Path]) -> None:
    assert compared(*two).splitlines() == [
        "shop.Product(pk=1): price 1.00 → 7.00",
        "shop.Product(pk=2): removed",
        "shop.Product(pk=4): added",
        "shop.Product                             1 removed, 1 added, 1 changed",
    ]


def test_a_summary_has_the_numbers_only(two: tuple[Path, Path]) -> None:
    said = compared(*two, "--summary")
    assert said.split() == ["shop.Product", "1", "removed,", "1", "added,", "1", "changed"]


def test_the_same_dump_does_not_differ(two: tuple[Path, Path]) -> None:
    assert called("diffdump", str(two[0]), str(two[0])).out == ""


def test_at_verbosity_0_the_numbers_are_not_said(two: tuple[Path, Path]) -> None:
    assert compared(*two, "--summary", "--verbosity=0") == ""


def test_json_is_one_object(two: tuple[Path, Path]) -> None:
    found = json.loads(compared(*two, "--json"))
    assert found["rows"][0] == {
        "model": "shop.Product",
        "pk": "1",
        "kind": "changed",
        "changes": {"price": ["Decimal('1.00')", "Decimal('7.00')"]},
    }
    assert [row["kind"] for row in found["rows"]] == ["changed", "removed", "added"]
    numbers = {"removed": 1, "added": 1, "changed": 1, "reordered": 0, "fields": []}
    assert found["models"] == {"shop.Product": numbers}


def test_json_of_the_same_dump_is_an_object_as_well(two: tuple[Path, Path]) -> None:
    said = called("diffdump", str(two[0]), str(two[0]), "--json").out
    assert json.loads(said) == {"rows": [], "models": {}, "not_compared": {}}


def test_rows_in_another_order_are_the_same(two: tuple[Path, Path], tmp_path: Path) -> None:
    assert called("diffdump", str(two[0]), str(dump(tmp_path / "c.py", *BEFORE[::-1]))).out == ""


def test_keys_of_several_types_are_compared(tmp_path: Path) -> None:
    one = dump(tmp_path / "a.py", (1, "Saw", Decimal("1.00")), ("x", "Axe", Decimal("2.00")))
    other = dump(tmp_path / "b.py", (1, "Saw", Decimal("1.00")), ("x", "Axe", Decimal("3.00")))
    assert compared(one, other).splitlines()[0] == "shop.Product(pk='x'): price 2.00 → 3.00"


def test_a_value_of_another_type_differs(tmp_path: Path) -> None:
    one = dump(tmp_path / "a.py", (1, True), fields="id size")
    other = dump(tmp_path / "b.py", (1, 1), fields="id size")
    assert "size True → 1" in compared(one, other)


def test_a_field_that_one_dump_lacks_is_named_and_not_compared(tmp_path: Path) -> None:
    one = dump(tmp_path / "a.py", (1, "Saw"), fields="id name")
    other = dump(tmp_path / "b.py", (1, "Saw", 3), fields="id name size")
    said = compared(one, other)
    assert said.split(maxsplit=1) == ["shop.Product", "fields of one dump only: size\n"]


def test_a_model_that_one_dump_lacks_is_named(tmp_path: Path) -> None:
    one = dump(tmp_path / "a.py", (1, "Saw"), fields="id name")
    other = dump(tmp_path / "b.py", (1, "Saw"), fields="id name", label="shop.Tool")
    assert compared(one, other).splitlines()[:2] == [
        "shop.Product(pk=1): removed",
        "shop.Tool(pk=1): added",
    ]


@pytest.mark.sql
def test_a_database_is_compared_with_a_dump_of_some_of_its_models(tmp_path: Path) -> None:
    Genre.objects.create(pk=1, name="Rock")
    Artist.objects.create(pk=1, name="AC/DC")
    called("dumpdata", "music.Genre", format="py", output=str(tmp_path / "dump.py"), verbosity=0)
    only_there = "Not compared, as only the database has rows: music.Artist (1 row).\n"
    assert called("diffdump", str(tmp_path / "dump.py"), "database:default").out == only_there
    said = called("diffdump", str(tmp_path / "dump.py"), "database:default", "--json").out
    assert json.loads(said)["not_compared"] == {"music.Artist": 1}
    Genre.objects.filter(pk=1).update(name="Jazz")
    said = compared(tmp_path / "dump.py", "database:default")
    assert said.startswith("music.Genre(pk=1): name 'Rock' → 'Jazz'\n")


def test_a_table_that_is_empty_in_a_directory_is_compared_with_a_database(tmp_path: Path) -> None:
    called("dump2py", str(tmp_path / "dump"), "music", verbosity=0)
    Genre.objects.create(pk=1, name="Rock")
    said = compared(tmp_path / "dump", "database:default")
    assert said.startswith("music.Genre(pk=1): added\n")


def test_rows_with_json_keys_in_another_order_are_only_counted(tmp_path: Path) -> None:
    first = [(1, {"z": 1, "a": [2]}), (2, {"z": 1, "a": 2}), (3, {"z": 1, "a": True})]
    second = [(1, {"a": [2], "z": 1}), (2, {"a": 1, "z": 2}), (3, {"a": 1, "z": True})]
    one = dump(tmp_path / "a.py", *first, fields="id data")
    other = dump(tmp_path / "b.py", *second, fields="id data")
    *rows, total = compared(one, other).splitlines()
    assert rows == [
        "shop.Product(pk=2): data {'z': 1, 'a': 2} → {'a': 1, 'z': 2}",
        "shop.Product(pk=3): data {'z': 1, 'a': True} → {'a': 1, 'z': True}",
    ]
    assert "3 changed, 1 of them in the order of JSON keys only" in total


def test_dumps_that_differ_in_the_order_of_json_keys_only_have_the_same_data(
    tmp_path: Path,
) -> None:
    one = dump(tmp_path / "a.py", (1, {"z": 1, "a": 2}), fields="id data")
    other = dump(tmp_path / "b.py", (1, {"a": 2, "z": 1}), fields="id data")
    (line,) = called("diffdump", str(one), str(other)).out.splitlines()
    assert "1 changed, 1 of them in the order of JSON keys only" in line
    (row,) = json.loads(called("diffdump", str(one), str(other), "--json").out)["rows"]
    assert [*row["changes"]] == ["data"]
    compared_in_python = dumpy.diff(one, other)
    assert compared_in_python.is_same
    assert str(compared_in_python) == line
    with pytest.raises(AssertionError):
        assert_same_data(one, other)


def test_another_value_beside_json_in_another_order_is_a_difference(tmp_path: Path) -> None:
    one = dump(tmp_path / "a.py", (1, {"z": 1, "a": 2}, 1), fields="id data size")
    other = dump(tmp_path / "b.py", (1, {"a": 2, "z": 1}, 2), fields="id data size")
    line, _total = compared(one, other).splitlines()
    assert line.endswith("(another order of keys), size 1 → 2")


def test_a_terminal_that_is_not_utf_8_gets_ascii(two: tuple[Path, Path], tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="latin-1") as out, pytest.raises(SystemExit):
        call_command("diffdump", *map(str, two), stdout=out)
    assert (tmp_path / "out").read_bytes().startswith(b"shop.Product(pk=1): price 1.00 -> 7.00\n")


def test_a_directory_is_compared_with_a_file(tmp_path: Path) -> None:
    artist = Artist.objects.create(pk=1, name="AC/DC")
    Album.objects.bulk_create(Album(pk=pk, title=f"{pk}", artist=artist) for pk in range(1, 30))
    directory, file = tmp_path / "dump", tmp_path / "dump.py"
    called("dump2py", str(directory), "music", max_row_count=7, verbosity=0)
    called("dumpdata", "music", format="py", output=str(file), verbosity=0, use_base_manager=True)
    assert called("diffdump", str(directory), str(file)).out == ""
    edited = file.read_text(encoding="utf-8").replace("(20, '20', 1)", "(20, '20.', 1)")
    file.write_text(edited, encoding="utf-8")
    assert compared(directory, file).startswith("music.Album(pk=20): title '20' → '20.'\n")


def test_values_can_be_printed_line_by_line_for_git(two: tuple[Path, Path]) -> None:
    assert called("diffdump", "--textconv", str(two[0])).out.splitlines()[:3] == [
        "shop.Product(pk=1) id 1",
        "shop.Product(pk=1) name 'Saw'",
        "shop.Product(pk=1) price Decimal('1.00')",
    ]


def test_a_dump_with_conflict_markers_is_printed_as_it_is_for_git(two: tuple[Path, Path]) -> None:
    row = "    yield create_shop_product(2, "
    text = two[0].read_text().replace(row, f"<<<<<<< ours\n=======\n>>>>>>> theirs\n{row}")
    two[0].write_text(text)
    assert called("diffdump", "--textconv", str(two[0])).out.rstrip("\n") == text.rstrip("\n")


def test_what_cannot_be_compared_is_refused_with_status_2(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text("# dumpy: program 1\n", encoding="utf-8")
    assert "program" in refused(two[0], tmp_path / "program.py")
    assert "There is no database 'other.'" in refused(two[0], "database:other.")
    assert refused(two[0], "default").endswith("For the database: database:default")
    assert "nowhere.py" in refused(two[0], tmp_path / "nowhere.py")
    assert "Name two dumps" in refused(two[0])
