"""Rows over rows: what is inserted, updated, left alone, and what the counts say."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models.functions import Lower
from django.test.utils import CaptureQueriesContext, isolate_apps
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, refusal, values

from dumpy.loading.conflicts import exchangeable_columns, spare_values
from dumpy.schema.tables import Column, table_of
from zoo.fields import Colour
from zoo.models import (
    Animal,
    Berth,
    Booking,
    Checkup,
    Chip,
    Crate,
    Diet,
    Folder,
    Nickname,
    Perch,
    Plumage,
    Species,
    Taxon,
    Ticket,
)

pytestmark = pytest.mark.django_db

THREE = dump_of(rows("zoo.Species", "id latin", (1, "a"), (2, "b"), (3, "c")))


def test_rows_go_into_an_empty_table(load: Load) -> None:
    load(THREE)
    assert values(Species, "pk", "latin") == [(1, "a"), (2, "b"), (3, "c")]


def test_the_counts_say_what_was_inserted_updated_and_unchanged(load: Load) -> None:
    """D9: Django says "Installed 3 object(s)" whatever happened."""
    Species.objects.create(pk=2, latin="other")
    Species.objects.create(pk=3, latin="c")
    assert "1 inserted, 1 updated, 1 unchanged" in load(THREE)


def test_a_second_load_changes_nothing_and_says_so(load: Load) -> None:
    """D9"""
    load(THREE)
    assert "3 unchanged" in load(THREE)


def test_unchanged_rows_are_not_written_again(load: Load) -> None:
    """D9"""
    load(THREE)
    with CaptureQueriesContext(connection) as queries:
        load(THREE)
    assert not [q["sql"] for q in queries if "UPDATE" in q["sql"] or "INSERT" in q["sql"]]


def test_rows_that_the_dump_does_not_have_stay(load: Load) -> None:
    Species.objects.create(pk=9, latin="here")
    load(THREE)
    assert values(Species, "pk") == [1, 2, 3, 9]


def test_an_update_keeps_the_columns_that_the_dump_does_not_have(load: Load) -> None:
    Booking.objects.create(chip=Chip.objects.create(label="x"), day="2024-01-01", visitor="Ada")
    Crate.objects.create(pk=1, label="old", width=3, height=4, status="kept")
    load(dump_of(rows("zoo.Crate", "id label width height", (1, "new", 3, 4))))
    assert values(Crate, "label", "status", "area") == [("new", "kept", 12)]


def test_an_update_of_json_tells_one_from_true_and_from_a_float(load: Load) -> None:
    """L1"""
    Diet.objects.create(pk=1, plan=[1, 1.0, True])
    load(dump_of(rows("zoo.Diet", "id plan", (1, [True, 1, 1.0]))))
    assert repr(Diet.objects.get().plan) == "[True, 1, 1.0]"


def test_json_with_keys_that_python_cannot_sort_is_compared_as_json(load: Load) -> None:
    dump = dump_of(rows("zoo.Diet", "id plan", "1, {1: 'a', None: 'b', 'c': 1.5}"))
    load(dump)
    assert "1 unchanged" in load(dump)
    assert Diet.objects.get().plan == {"1": "a", "null": "b", "c": 1.5}


def test_json_is_unchanged_in_another_order_of_keys_and_changed_in_another_digit(
    load: Load,
) -> None:
    Diet.objects.create(pk=1, plan={"a": {"b": 1, "c": 0.1}, "d": []})
    same, other = ({"d": [], "a": {"c": number, "b": 1}} for number in (0.1, 0.10000000000000002))
    assert "1 unchanged" in load(dump_of(rows("zoo.Diet", "id plan", (1, same))))
    assert "1 updated" in load(dump_of(rows("zoo.Diet", "id plan", (1, other))))


def test_values_that_a_field_puts_sql_around_are_inserted_updated_and_left_alone(
    load: Load,
) -> None:
    text = "{}, field_text('{}')".format
    old = [text(1, "red/dark"), text(2, "blue/pale")]
    new = [text(1, "red/dark"), text(2, "blue/deep"), text(3, "grey/light")]
    load(dump_of(rows("zoo.Plumage", "id colour", *old)))
    said = load(dump_of(rows("zoo.Plumage", "id colour", *new)))
    assert "1 inserted, 1 updated, 1 unchanged" in said
    colours = [Colour("red", "dark"), Colour("blue", "deep"), Colour("grey", "light")]
    assert values(Plumage, "colour") == colours


def test_what_is_stored_is_the_value_of_a_field_of_django(load: Load) -> None:
    load(dump_of(rows("zoo.Perch", "id bird place", "1, stored('jay'), stored(3)")))
    assert values(Perch, "bird", "place") == [("jay", 3)]


def test_two_rows_may_swap_their_unique_values(load: Load) -> None:
    load(dump_of(rows("zoo.Perch", "id bird place", (1, "jay", 1), (2, "owl", 2))))
    load(dump_of(rows("zoo.Perch", "id bird place", (1, "jay", 2), (2, "owl", 1))))
    assert values(Perch, "bird", "place") == [("jay", 2), ("owl", 1)]


def test_unique_values_may_move_in_a_ring_across_batches(load: Load) -> None:
    many = 1200
    fields = "id bird place"
    load(dump_of(rows("zoo.Perch", fields, *[(n, "bird", n) for n in range(many)])))
    moved = [(n, "bird", (n + 1) % many) for n in range(many)]
    said = load(dump_of(rows("zoo.Perch", fields, *moved)))
    assert values(Perch, "pk", "place") == [(n, place) for n, _bird, place in moved]
    assert f"{many} updated" in said


def test_a_swap_with_a_row_that_the_dump_does_not_have_is_an_error(load: Load) -> None:
    Perch.objects.create(pk=9, bird="crow", place=1)
    error = refusal(load, dump_of(rows("zoo.Perch", "id bird place", (1, "jay", 1))))
    assert [problem.ref.key for problem in error.problems] == [1]
    assert values(Perch, "pk") == [9]


def test_a_unique_constraint_under_a_condition_may_be_swapped(load: Load) -> None:
    fields = "id cage taken"
    load(dump_of(rows("zoo.Berth", fields, (1, 7, True), (2, 7, False))))
    load(dump_of(rows("zoo.Berth", fields, (1, 7, False), (2, 7, True))))
    assert values(Berth, "taken") == [False, True]


@isolate_apps("zoo")
def test_fields_are_found_in_a_unique_constraint_of_expressions() -> None:
    class Alias(models.Model):
        text = models.CharField(max_length=40)
        year = models.IntegerField(null=True)

        class Meta:
            app_label = "zoo"
            constraints = (models.UniqueConstraint(Lower("text"), "year", name="unique_alias"),)

    table = table_of(Alias)
    assert exchangeable_columns(Alias, table.columns) == [table.column("year")]


def test_rows_with_composite_keys_are_inserted_and_updated(load: Load) -> None:
    chip = "UUID('00000000-0000-0000-0000-000000000007')"
    days = [f"{chip}, date(2024, 1, {day}), " for day in (1, 2)]
    chips = rows("zoo.Chip", "id label", f"{chip}, 'seven'")
    fields = "chip_id day visitor"
    load(dump_of(chips, rows("zoo.Booking", fields, f"{days[0]}'Ada'", f"{days[1]}'Ben'")))
    said = load(dump_of(rows("zoo.Booking", fields, f"{days[0]}'Ada'", f"{days[1]}'Eve'")))
    assert list(Booking.objects.order_by("day").values_list("visitor", flat=True)) == ["Ada", "Eve"]
    assert "1 updated, 1 unchanged" in said


@pytest.mark.parametrize(
    ("model", "name", "key"),
    [
        ("Locker", "number", -5),
        ("Locker", "number", 0),
        ("Star", "catalogue_number", 2**63 - 1),
        ("Counter", "id", 0),
        ("Counter", "id", -5),
    ],
)
def test_any_number_may_be_a_primary_key(load: Load, model: str, name: str, key: int) -> None:
    load(dump_of(rows(f"zoo.{model}", f"{name} label", (key, "x"))))
    assert values(apps.get_model("zoo", model), "pk") == [key]


@pytest.mark.parametrize("key", [4711, 2**31])
def test_a_new_row_gets_a_key_after_the_highest_of_the_dump(load: Load, key: int) -> None:
    load(dump_of(rows("zoo.Taxon", "id name parent_id", (key, "life", None))))
    assert Taxon.objects.create(name="next").pk > key


def test_loading_takes_as_many_queries_for_900_rows_as_for_10(load: Load) -> None:
    """D6: Django saves row by row."""
    counts = []
    for number in (10, 900):
        Animal.objects.all().delete()
        many = [(pk, "x") for pk in range(1, number + 1)]
        with CaptureQueriesContext(connection) as queries:
            load(dump_of(rows("zoo.Animal", "id name", *many)))
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.sqlite
@pytest.mark.postgresql
def test_an_exchange_of_unique_values_deletes_no_row_that_the_database_would_delete_too(
    load: Load,
) -> None:
    """W6: a table with ON DELETE CASCADE that Django does not know."""
    fields = "id bird place"
    load(dump_of(rows("zoo.Perch", fields, (1, "jay", 1), (2, "owl", 2))))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE feather (perch BIGINT REFERENCES zoo_perch (id) ON DELETE CASCADE)"
        )
        cursor.execute("INSERT INTO feather (perch) VALUES (1), (2)")
        load(dump_of(rows("zoo.Perch", fields, (1, "jay", 2), (2, "owl", 1))))
        cursor.execute("SELECT perch FROM feather ORDER BY perch")
        assert cursor.fetchall() == [(1,), (2,)]
        cursor.execute("DROP TABLE feather")
    assert values(Perch, "bird", "place") == [("jay", 2), ("owl", 1)]


def test_texts_that_are_unique_whatever_their_case_may_be_exchanged(load: Load) -> None:
    load(dump_of(rows("zoo.Nickname", "id text", (1, "a"), (2, "b"))))
    load(dump_of(rows("zoo.Nickname", "id text", (1, "B"), (2, "A"))))
    assert values(Nickname, "text") == ["B", "A"]


FILLED = [*table_of(Checkup).columns[1:], table_of(Ticket).column("kind")]


@pytest.mark.parametrize(
    "column",
    [column for column in FILLED if column.types and column.types != {bool}],
    ids=lambda column: column.name,
)
def test_a_field_of_any_type_holds_the_values_that_others_are_exchanged_by(column: Column) -> None:
    model = column.field.model
    spare = spare_values(column, 3, "default")
    for number, value in enumerate(spare, 1):
        model.objects.create(**{"pk": number, column.name: value})
    stored = values(model, column.name)
    assert stored == [column.target.to_python(value) for value in spare]
    assert len({repr(value) for value in stored}) == 3


def test_one_to_ones_may_be_exchanged(load: Load) -> None:
    fields = "id name code twin_id"
    load(dump_of(rows("zoo.Folder", fields, (1, "a", "x", 1), (2, "b", "y", 2))))
    load(dump_of(rows("zoo.Folder", fields, (1, "a", "y", 2), (2, "b", "x", 1))))
    assert values(Folder, "code", "twin") == [("y", 2), ("x", 1)]
