"""Rows that do not fit the models: which file, which line, which row, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError
from django.db import connection
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, line_of, message, refusal, values
from running import loaded

from zoo.models import Animal, Crate, OptionalCheckup, Perch, Species, Ticket, Weighing

pytestmark = pytest.mark.django_db


def test_a_field_that_does_not_exist_is_named_with_its_line_in_the_create_function(
    load: Load,
) -> None:
    text = dump_of(rows("zoo.Animal", "id name fur", (1, "x", "brown")))
    said = message(load, text)
    assert f"fixture.py:{line_of(text, 'fur=fur')}" in said
    assert "zoo.Animal has no field 'fur'" in said
    assert "Comment the line out" in said


@pytest.mark.parametrize(
    ("name", "written"), [("null", "None"), ("true", "True"), ("false", "False")]
)
def test_a_name_of_json_is_answered_with_that_of_python(
    load: Load, name: str, written: str
) -> None:
    text = dump_of(rows("zoo.Animal", "id name", (1, "x"))).replace("'x'", name)
    line = line_of(text, "yield create_zoo_animal(")
    said = f"fixture.py:{line}: the name {name} is not a value of a row. Write {written}."
    assert message(load, text).endswith(said)


def test_commenting_that_line_out_is_enough(load: Load) -> None:
    text = dump_of(rows("zoo.Animal", "id name fur", (1, "x", "brown")))
    load(text.replace("        fur=fur,", "        # fur=fur,"))
    assert values(Animal, "name") == ["x"]


def test_changing_the_name_left_of_the_equals_sign_is_enough(load: Load) -> None:
    text = dump_of(rows("zoo.Animal", "id title", (1, "x")))
    load(text.replace("title=title", "name=title"))
    assert values(Animal, "name") == ["x"]


def test_with_ignorenonexistent_the_field_that_is_left_out_is_said(load: Load) -> None:
    """D7: Django drops the data silently."""
    text = dump_of(rows("zoo.Animal", "id name fur", (1, "x", "brown")))
    said = load(text, ignore=True)
    assert "zoo.Animal has no field 'fur'" in said
    assert values(Animal, "name") == ["x"]


def test_with_ignorenonexistent_the_model_that_is_left_out_is_said(load: Load) -> None:
    """D7"""
    text = dump_of(rows("zoo.Moa", "id", (1,)), rows("zoo.Animal", "id name", (1, "x")))
    assert "there is no model 'zoo.Moa'" in load(text, ignore=True)
    assert values(Animal, "name") == ["x"]


def test_a_model_that_does_not_exist_is_named_with_its_line(load: Load) -> None:
    text = dump_of(rows("zoo.Moa", "id", (1,)))
    said = message(load, text)
    assert "fixture.py:" in said
    assert "there is no model 'zoo.Moa'" in said


def test_a_missing_field_takes_its_default(load: Load) -> None:
    load(dump_of(rows("zoo.Ticket", "id", (1,))))
    assert values(Ticket, "kind", "zone", "optional_zone") == [("a", 1, None)]


def test_a_missing_field_takes_its_default_in_the_database(load: Load) -> None:
    load(dump_of(rows("zoo.Crate", "id label width height", (1, "x", 2, 3))))
    crate = Crate.objects.get()
    assert (crate.status, crate.optional_grade, crate.area) == ("new", 7, 6)
    assert crate.packed_at is not None


def test_a_missing_nullable_field_is_null(load: Load) -> None:
    load(dump_of(rows("zoo.OptionalCheckup", "id", (1,))))
    assert values(OptionalCheckup, "integer", "json", "moment") == [(None, None, None)]


def test_a_rename_to_a_field_without_a_default_is_one_message_with_the_one_edit(
    load: Load,
) -> None:
    text = dump_of(rows("zoo.Perch", "id bird seat", (1, "jay", 1)))
    said = message(load, text)
    assert "zoo.Perch has no field 'seat'" in said
    assert "Its new name may be 'place', which has no value and no default: place=seat," in said
    assert "there is no value" not in said
    assert said.count("fixture.py:") == 1


def test_a_new_foreign_key_is_not_taken_for_the_new_name_of_a_text(load: Load) -> None:
    said = message(load, dump_of(rows("zoo.Otter", "id name fur", (1, "x", "brown"))))
    assert "new name may be" not in said
    assert "there is no value for zoo.Otter.pond" in said


def test_with_several_candidates_a_rename_is_said_of_each(load: Load) -> None:
    text = dump_of(rows("zoo.Perch", "id bird seat row", (1, "jay", 1, 2)))
    said = message(load, text)
    assert "If it was called 'row' or 'seat', change that name. Otherwise add a line" in said
    assert said.count("fixture.py:") == 3


def test_a_missing_field_without_a_default_is_named_with_the_line_to_change(load: Load) -> None:
    text = dump_of(rows("zoo.Perch", "id bird", (1, "jay")))
    said = message(load, text)
    assert f"fixture.py:{line_of(text, 'def create_zoo_perch')}" in said
    assert "there is no value for zoo.Perch.place" in said
    assert "place=" in said


def test_a_field_may_be_added_with_a_constant(load: Load) -> None:
    text = dump_of(rows("zoo.Perch", "id bird", (1, "jay")))
    load(text.replace("        bird=bird,\n", "        bird=bird,\n        place=17,\n"))
    assert values(Perch, "place") == [17]


@pytest.mark.parametrize(
    ("label", "fields", "good", "bad"),
    [
        ("zoo.Perch", "id bird place", "1, 'jay', 1", "2, 'owl', 'high'"),
        ("zoo.Perch", "id bird place", "1, 'jay', 1", "2, 'owl', [3]"),
        ("zoo.OptionalCheckup", "id moment", "1, None", "2, 'noon'"),
        ("zoo.OptionalCheckup", "id moment", "1, None", "2, 5"),
        ("zoo.OptionalCheckup", "id day", "1, None", "2, True"),
        ("zoo.OptionalCheckup", "id uuid", "1, None", "2, 'not a uuid'"),
        ("zoo.OptionalCheckup", "id price", "1, None", "2, 'cheap'"),
        ("zoo.OptionalCheckup", "id boolean", "1, None", "2, 'maybe'"),
        ("zoo.Journal", "id created", "1, utc(2024, 1, 31)", "2, None"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_line_and_row(
    load: Load, label: str, fields: str, good: str, bad: str
) -> None:
    """D8"""
    text = dump_of(rows(label, fields, good, bad))
    (problem,) = refusal(load, text).problems
    assert (problem.ref.label, problem.ref.key) == (label, 2)
    assert problem.ref.place is not None
    assert problem.ref.place.line == line_of(text, f"({bad})")
    assert problem.ref.place.file.endswith("fixture.py")


def test_all_bad_rows_are_named_not_only_the_first(load: Load) -> None:
    """D8"""
    many = [(pk, "x" if pk % 100 == 0 else pk) for pk in range(1, 3001)]
    error = refusal(load, dump_of(rows("zoo.Weighing", "id kilos", *many)))
    assert [problem.ref.key for problem in error.problems] == list(range(100, 3001, 100))


def test_rows_that_the_database_refuses_are_all_named_in_the_order_of_the_file(load: Load) -> None:
    """D8"""
    many = [(pk, pk) for pk in range(100)]
    text = dump_of(rows("zoo.Weighing", "id kilos", (200, -2), *many, (100, -1)))
    error = refusal(load, text)
    assert [problem.ref.key for problem in error.problems] == [200, 100]
    assert not Weighing.objects.exists()


def test_a_row_with_a_number_of_values_too_many_names_its_line(load: Load) -> None:
    text = dump_of(rows("zoo.Weighing", "id kilos", (1, 2), (3, 4, 5)))
    said = message(load, text)
    assert f"fixture.py:{line_of(text, '(3, 4, 5)')}" in said
    assert "the row has 3 values, its create function takes 2" in said


@pytest.mark.postgresql
@pytest.mark.mysql
def test_a_text_that_is_too_long_for_the_engine_is_named_with_its_line(load: Load) -> None:
    text = dump_of(rows("zoo.Animal", "id name", (1, "short"), (2, "x" * 41)))
    (problem,) = refusal(load, text).problems
    assert problem.ref.key == 2
    assert problem.ref.place is not None
    assert problem.ref.place.line == line_of(text, "x" * 41)


@pytest.mark.mysql
@pytest.mark.django_db(transaction=True)
def test_a_text_that_the_character_set_of_its_column_cannot_store_says_how_to_change_it(
    load: Load,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE zoo_animal CONVERT TO CHARACTER SET utf8mb3")
        try:
            (problem,) = refusal(load, dump_of(rows("zoo.Animal", "id name", (2, "😀")))).problems
            assert problem.ref.key == 2
            command = problem.hint[problem.hint.index("ALTER TABLE") :]
            assert command == "ALTER TABLE `zoo_animal` CONVERT TO CHARACTER SET utf8mb4"
        finally:
            cursor.execute("ALTER TABLE zoo_animal CONVERT TO CHARACTER SET utf8mb4")
    load(dump_of(rows("zoo.Animal", "id name", (2, "😀"))))
    assert values(Animal, "name") == ["😀"]


@pytest.mark.postgresql
def test_a_nul_on_its_way_to_postgresql_is_named_with_its_line(load: Load) -> None:
    text = dump_of(rows("zoo.Animal", "id name", (1, "fine"), (2, "a\0b")))
    (problem,) = refusal(load, text).problems
    assert problem.ref.key == 2


def test_a_failing_row_of_a_program_names_its_line(load: Load) -> None:
    text = dump_of(rows("zoo.Animal", "id name", (1, "x"), (2, "y")))
    text = text.replace("# dumpy: format 1", "# dumpy: program 1")
    text = text.replace("    return new(", "    assert id != 2, 'no twos'\n    return new(")
    said = message(load, text)
    assert f"fixture.py:{line_of(text, chr(39) + 'y' + chr(39))}" in said
    assert "no twos" in said
    assert not Animal.objects.exists()


def test_an_exception_inside_objects_names_its_line(load: Load) -> None:
    text = (
        "from zoo.models import Animal\n\n\ndef objects():\n    yield Animal(name='x')\n    1 / 0\n"
    )
    said = message(load, text)
    assert "fixture.py:6" in said
    assert "ZeroDivisionError" in said
    assert not Animal.objects.exists()


def test_no_migrator_is_proposed_for_a_hand_written_object(load: Load) -> None:
    text = "from zoo.models import Animal\n\n\ndef objects():\n    yield Animal(name='')\n"
    said = message(load, text)
    assert "This field cannot be blank" in said
    assert "change_values" not in said


@pytest.mark.parametrize("given", ["'text'", "b'bytes'", "5", "object()", "Animal", "{'a': 1}"])
def test_what_is_no_object_is_refused_with_its_line(load: Load, given: str) -> None:
    """L13: a str would be iterated for ever."""
    text = f"from zoo.models import Animal\n\n\ndef objects():\n    yield {given}\n"
    said = message(load, text)
    assert "fixture.py:5" in said
    assert "which is not an object" in said


def test_a_row_with_a_composite_key_is_named_with_its_line(load: Load) -> None:
    chip = "UUID('00000000-0000-0000-0000-000000000007')"
    text = dump_of(rows("zoo.Booking", "chip_id day visitor", f"{chip}, date(2024, 1, 2), 'Ada'"))
    (problem,) = refusal(load, text).problems
    assert problem.ref.place is not None
    assert problem.ref.place.line == line_of(text, "'Ada'")


@pytest.mark.parametrize("between", [(), ((5, "c"),)], ids=["side by side", "apart"])
def test_a_key_that_comes_twice_in_a_file_is_an_error_that_names_both_lines(
    load: Load, between: tuple[tuple[int, str], ...]
) -> None:
    """W14: a merge makes such files."""
    text = dump_of(rows("zoo.Species", "id latin", (1, "a"), *between, (1, "b")))
    (problem,) = refusal(load, text).problems
    assert problem.ref.place is not None
    assert problem.ref.place.line == line_of(text, "(1, 'b')")
    first = line_of(text, "(1, 'a')")
    assert f"{problem.ref.place.file}:{first} has a row" in problem.reason
    assert not values(Species, "pk")


def test_a_second_fixture_may_correct_the_first(tmp_path: Path) -> None:
    for name in "ab":
        text = dump_of(rows("zoo.Species", "id latin", (1, name)))
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    loaded(tmp_path / "a.py", tmp_path / "b.py")
    assert values(Species, "latin") == ["b"]


def test_an_exponent_that_no_integer_has_is_refused(load: Load) -> None:
    text = dump_of(rows("zoo.Weighing", "id kilos", "1, Decimal('1E+131072')"))
    assert "the number is too large for" in message(load, text)


@pytest.mark.postgresql
def test_a_constraint_that_is_checked_in_the_end_is_named(load: Load) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE zoo_weighing ADD UNIQUE (kilos) INITIALLY DEFERRED")
    with pytest.raises(CommandError, match=r"Key \(kilos\)=\(2\) already exists.\nNothing was wr"):
        load(dump_of(rows("zoo.Weighing", "id kilos", (1, 2), (2, 2))))
