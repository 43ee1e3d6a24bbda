"""Values that are in a database, and that no field can read: the dump says which, and fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models.expressions import RawSQL
from running import called, dumped, loaded

from dumpy.checking.double_dump import stored_rows
from dumpy.errors import UnreadableValue
from dumpy.schema.tables import table_of
from dumpy.writing.rows import pages_of_query, shape_of
from zoo.models import OptionalCheckup

pytestmark = pytest.mark.django_db(transaction=True)

UNREADABLE = {
    "boolean": 7,
    "floating": "abc",
    "price": "abc",
    "uuid": "abc",
    "day": "next week",
    "moment": "soon",
    "hour": "noon",
    "duration": "abc",
}
# Values that a field would read as another one, or give back as they are.
MISTAKEN = [
    ("integer", 1.5),
    ("integer", b"1"),
    ("integer", 1e19),
    ("boolean", ""),
    ("floating", b"1"),
    ("char", b"x"),
    ("binary", "text"),
    ("binary", 5),
    ("day", 20240131),
    ("day", "2024-01-31 00:00:00"),
    ("moment", 20240131),
    ("moment", "2024-01-31 09:30:00+02:00"),
    ("hour", 930),
    ("duration", 1.5),
    ("uuid", 5),
]


def checkups(column: str, value: object) -> None:
    """Make three checkups, the second of which has a value that no Django has written."""
    for pk in (1, 2, 3):
        OptionalCheckup.objects.create(pk=pk)
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET sql_mode = ''")
        cursor.execute(f"UPDATE zoo_optionalcheckup SET {column} = %s WHERE id = 2", [value])
    connection.close()


def refused(*command: str) -> str:
    """Return what a command says that fails."""
    with pytest.raises(CommandError) as caught:
        call_command(*command)
    return str(caught.value)


@pytest.mark.sqlite
@pytest.mark.parametrize("column", UNREADABLE)
def test_a_dump_names_a_value_that_its_field_cannot_read(column: str, tmp_path: Path) -> None:
    checkups(column, UNREADABLE[column])
    expected = f"zoo.OptionalCheckup(pk=2): the value of '{column}' cannot be read: "
    assert expected in refused("dump2py", str(tmp_path / "dump"), "zoo.OptionalCheckup")
    assert not (tmp_path / "dump").exists()
    assert expected in refused("dumpdata", "zoo.OptionalCheckup", "--format=py")
    assert expected in refused("ddt")


@pytest.mark.mysql
@pytest.mark.parametrize(("column", "value"), [("boolean", 7), ("day", "0000-00-00")])
def test_what_mysql_takes_for_a_value_is_named(column: str, value: object, tmp_path: Path) -> None:
    checkups(column, value)
    expected = f"zoo.OptionalCheckup(pk=2): the value of '{column}' cannot be read: "
    assert expected in refused("dump2py", str(tmp_path / "dump"), "zoo.OptionalCheckup")


@pytest.mark.postgresql
@pytest.mark.parametrize("value", ["1 mon", "2 years -1 mons 3 days 04:05:06"])
def test_an_interval_of_months_is_named_and_not_taken_for_days(value: str) -> None:
    checkups("duration", value)
    said = refused("dumpdata", "zoo.OptionalCheckup", "--format=py")
    assert "zoo.OptionalCheckup(pk=2): the value of 'duration' cannot be read: “" in said
    assert "Correct it in the database, or leave the model out with --exclude." in said


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("durations", "{1 day,1 mon}", "an interval has months"),
        ("durations", "{-1 year}", "an interval has months"),
        ("durations", "[0:1]={1 day,2 days}", "the subscripts of an array do not begin with 1"),
        ("grid", "[1:1][2:3]={{1,2}}", "the subscripts of an array do not begin with 1"),
        ("spans", '[2:2]={"[1,3)"}', "the subscripts of an array do not begin with 1"),
    ],
)
def test_an_array_that_the_driver_would_read_as_another_one_is_named(
    column: str, value: str, reason: str
) -> None:
    from pgzoo.models import Catalogue

    for pk in (1, 2):
        Catalogue.objects.create(pk=pk, spans=[[1, 3]], tags=["[mon]", "year"])
    Catalogue.objects.filter(pk=2).update(**{column: RawSQL("%s", [value])})
    said = refused("dumpdata", "pgzoo.Catalogue", "--format=py")
    assert f"pgzoo.Catalogue(pk=2): the value of '{column}' cannot be read: {reason}" in said
    Catalogue.objects.filter(pk=2).delete()
    assert "create_pgzoo_catalogue(1, ['[mon]', 'year']" in dumped("pgzoo.Catalogue")


@pytest.mark.sqlite
def test_a_dump_says_that_it_lacks_links_of_rows_that_do_not_exist(tmp_path: Path) -> None:
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO zoo_creature_chips (creature_id, chip_id) VALUES (77, 78)")
    expected = (
        "rows of 'zoo_creature_chips' whose 'creature_id' refers to no row are not in the dump: 1."
    )
    assert expected in called("dumpdata", "zoo.Creature", format="py").err
    assert expected in called("dump2py", str(tmp_path / "dump"), "zoo.Creature").err
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM zoo_creature_chips")


@pytest.mark.postgresql
def test_a_value_that_the_driver_refuses_is_named_by_its_model() -> None:
    checkups("hour", "24:00:00")
    said = refused("dumpdata", "zoo.OptionalCheckup", "--format=py")
    assert "zoo.OptionalCheckup: a value cannot be read: can't parse time '24:00:00'" in said


@pytest.mark.postgresql
@pytest.mark.parametrize("style", ["postgres", "sql_standard", "iso_8601"])
def test_an_interval_is_read_in_every_style_of_the_server(style: str, tmp_path: Path) -> None:
    checkups("duration", "-1 day -02:03:04.000005")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('intervalstyle', %s, false)", [style])
    text = dumped("zoo.OptionalCheckup")
    assert "timedelta(days=-2, seconds=79015, microseconds=999995)" in text
    path = tmp_path / "dump.py"
    path.write_text(text, encoding="utf-8")
    assert "Restored." in called("restore", str(path), interactive=False).out
    connection.close()


@pytest.mark.postgresql
@pytest.mark.parametrize("value", ["infinity", "10000-01-01", "0044-03-15 BC"])
@pytest.mark.parametrize("column", ["day", "moment"])
def test_a_date_of_postgresql_that_python_does_not_have_is_named(column: str, value: str) -> None:
    checkups(column, value)
    expected = f"zoo.OptionalCheckup(pk=2): the value of '{column}' cannot be read: "
    assert expected in refused("dumpdata", "zoo.OptionalCheckup", "--format=py")


@pytest.mark.sqlite
@pytest.mark.mysql
def test_a_table_with_such_a_value_can_be_left_out(tmp_path: Path) -> None:
    checkups("boolean", 7)
    said = refused("dump2py", str(tmp_path / "dump"), "zoo.OptionalCheckup", "--tolerate", "-v0")
    assert said.endswith("dump is complete except for zoo.OptionalCheckup.")
    assert (tmp_path / "dump").is_dir()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("command", "args"), [("dumpdata", ["--format=py"]), ("dump2py", ["dump"]), ("ddt", [])]
)
def test_with_traceback_the_error_of_a_dump_is_raised_as_it_is(
    command: str, args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    checkups("integer", 1.5)
    with pytest.raises(UnreadableValue, match=r"^zoo.OptionalCheckup\(pk=2\): the value of"):
        call_command(command, *args, traceback=True)


@pytest.mark.sqlite
@pytest.mark.parametrize(("column", "value"), MISTAKEN)
def test_a_dump_does_not_write_another_value_than_the_one_that_is_stored(
    column: str, value: object
) -> None:
    checkups(column, value)
    expected = f"zoo.OptionalCheckup(pk=2): the value of '{column}' cannot be read: "
    assert expected in refused("dumpdata", "zoo.OptionalCheckup", "--format=py")


@pytest.mark.sqlite
@pytest.mark.parametrize("column", ["boolean", "day", "moment", "hour"])
def test_the_content_of_a_database_is_what_is_stored(column: str) -> None:
    """L9: what both dumps lose must not be lost on the double dump test as well."""
    checkups(column, UNREADABLE[column])
    rows = stored_rows(table_of(OptionalCheckup), "default")
    assert [row.cells[column] for row in rows] == ["None", repr(UNREADABLE[column]), "None"]


@pytest.mark.sqlite
@pytest.mark.parametrize(("stored", "written"), [(-2e-15, "0.00"), (9.999, "10.00"), (5, "5.00")])
def test_a_decimal_is_dumped_as_its_field_reads_it_and_a_zero_without_a_sign(
    stored: float, written: str
) -> None:
    checkups("price", stored)
    assert f"Decimal('{written}')" in dumped("zoo.OptionalCheckup")


def test_pages_have_few_rows_where_values_are_long() -> None:
    for pk in range(1, 41):
        OptionalCheckup.objects.create(pk=pk, text="x" * 100_000)
    shape = shape_of(table_of(OptionalCheckup))
    sizes = [
        sum(len(text or "") for text in page.columns[shape.names.index("text")])
        for page in pages_of_query(shape, OptionalCheckup.objects.all(), "default")
    ]
    assert sum(sizes) == 4_000_000
    assert max(sizes) <= 3_000_000


@pytest.mark.sqlite
def test_a_number_with_more_places_than_its_field_is_said_once_and_is_stable(
    tmp_path: Path,
) -> None:
    for price in (1.2345678, -1.78e-15, 2.5, 9.99):
        OptionalCheckup.objects.create()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE zoo_optionalcheckup SET price = %s WHERE price IS NULL", [price])
    first = called("dumpdata", "zoo.OptionalCheckup", format="py")
    assert first.err.count("'price' is 1.2345678 in the database. The field reads it as 1.23,") == 1
    assert "Decimal('-" not in first.out
    path = tmp_path / "dump.py"
    path.write_text(first.out, encoding="utf-8")
    OptionalCheckup.objects.all().delete()
    loaded(path)
    second = called("dumpdata", "zoo.OptionalCheckup", format="py")
    assert (second.out, second.err) == (first.out, "")
