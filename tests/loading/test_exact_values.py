"""A field that would keep less than a value says refuses it; no load changes a value."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest
from django.db import connection
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, message, values
from running import called

from zoo.models import OptionalCheckup

pytestmark = pytest.mark.django_db


def checkup(name: str, text: str) -> str:
    """Return a dump of one checkup with all fields: a value as source, and otherwise None."""
    names = [field.attname for field in OptionalCheckup._meta.concrete_fields]
    sources = {"id": "1", name: text}
    row = ", ".join(sources.get(one, "None") for one in names)
    return dump_of(rows("zoo.OptionalCheckup", " ".join(names), row))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("integer", "5.5", "integer: 5.5 would become 5."),
        ("floating", "12345678901234567890", "would become 1.2345678901234567e+19."),
        ("day", "datetime(2024, 1, 31, 9, 30)", "would become datetime.date(2024, 1, 31)."),
        ("hour", "datetime(2024, 1, 31, 9, 30)", "would become datetime.time(9, 30)."),
        ("char", "b'abc'", "would become \"b'abc'\"."),
        ("char", "{'a': 1}", "would become \"{'a': 1}\"."),
        ("char", "True", "would become 'True'."),
        ("price", "Decimal('1.555')", "price: 1.555 has more than 2 decimal places."),
        ("price", "1.555", "has more than 2 decimal places."),
    ],
)
def test_a_value_that_would_change_is_refused(load: Load, name: str, text: str, said: str) -> None:
    assert said in message(load, checkup(name, text))
    assert not OptionalCheckup.objects.exists()


def test_a_refused_value_is_followed_by_what_changes_it(load: Load) -> None:
    said = message(load, checkup("integer", "5.5"))
    step = "self.change_values('zoo.OptionalCheckup', 'integer', …)"
    assert said.endswith(f"Correct the values, or let a migrator change them: {step}")


@pytest.mark.parametrize(
    ("name", "text", "stored"),
    [
        ("integer", "5.0", 5),
        ("floating", "5", 5.0),
        ("day", "'2024-01-31'", date(2024, 1, 31)),
        ("hour", "'09:30'", time(9, 30)),
        ("price", "Decimal('1.5000')", Decimal("1.5")),
        ("price", "1.1", Decimal("1.1")),
    ],
)
def test_a_value_that_a_field_keeps_in_another_type_is_loaded(
    load: Load, name: str, text: str, stored: object
) -> None:
    load(checkup(name, text))
    assert values(OptionalCheckup, name) == [stored]


@pytest.mark.postgresql
@pytest.mark.mysql
def test_blanks_that_the_database_would_cut_off_are_refused(load: Load) -> None:
    limit = OptionalCheckup._meta.get_field("char").max_length
    load(checkup("char", repr("é".ljust(limit))))
    for text in ("é".ljust(limit + 1), "é" * limit + " "):
        said = message(load, checkup("char", repr(text)))
        assert f"char: a text has more than {limit} characters. The database would cut off" in said
    assert values(OptionalCheckup, "char") == ["é".ljust(limit)]


@pytest.mark.sqlite
def test_blanks_stay_where_the_database_does_not_cut_them_off(load: Load) -> None:
    load(checkup("char", repr(" " * 999)))
    assert values(OptionalCheckup, "char") == [" " * 999]


@pytest.mark.mysql
@pytest.mark.parametrize("first", [None, "1"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("char", repr("a" * 999)), ("integer", str(10**12)), ("price", "Decimal('1e12')")],
)
def test_without_strict_mode_a_value_that_does_not_fit_is_refused(
    load: Load, monkeypatch: pytest.MonkeyPatch, name: str, text: str, first: str | None
) -> None:
    if first:  # The row is updated.
        load(checkup(name, repr(first) if name == "char" else first))
    monkeypatch.setattr(connection, "sql_mode", set())
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@sql_mode")
        mode = cursor.fetchone()
        cursor.execute("SET sql_mode = ''")
        try:
            said = message(load, checkup(name, text))
        finally:
            cursor.execute("SET sql_mode = %s", mode)
    assert f"'{name}'" in said
    assert values(OptionalCheckup, name) == (
        [] if first is None else ["1" if name == "char" else 1]
    )


@pytest.mark.sqlite
def test_nan_is_refused_where_sqlite_would_store_null(load: Load) -> None:
    assert "SQLite stores NULL for nan." in message(load, checkup("floating", "nan"))


@pytest.mark.sqlite
def test_a_number_with_more_digits_than_sqlite_stores_is_refused(load: Load) -> None:
    load(checkup("fine_decimal", "Decimal('-12345678901.23450000')"))
    said = message(load, checkup("fine_decimal", "Decimal('12345678901.23456')"))
    assert "SQLite stores 15 digits, and 12345678901.23456 has more." in said


@pytest.mark.sqlite
def test_an_integer_that_a_decimal_field_reads_as_another_number_is_said() -> None:
    OptionalCheckup.objects.create(pk=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE zoo_optionalcheckup SET fine_decimal = 9223372036854775807")
    # Since Django 6.1, the field reads all digits.
    read = OptionalCheckup.objects.get().fine_decimal
    said = called("dumpdata", "zoo.OptionalCheckup", format="py")
    assert f"Decimal('{read}')" in said.out
    is_said = "'fine_decimal' is 9223372036854775807 in the database." in said.err
    assert is_said == (read != 9223372036854775807)
