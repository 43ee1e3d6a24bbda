"""Rows of models whose fields have changed since the dump are validated, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, line_of, refusal, values

from dumpy import reading
from dumpy.dump import new
from dumpy.errors import LoadError, RowsRejected
from dumpy.loading.loader import Loader
from dumpy.loading.validation import Validation
from dumpy.reading import DumpedTable
from zoo.models import Animal, Meal, Permit, Species, Ticket

pytestmark = pytest.mark.django_db

# The model has a field more than the dump: it has changed. It wants numbers of five characters.
OLD = rows("zoo.Permit", "id number", (1, "12345"), (2, "123"))


def loaded(text: str, validation: Validation) -> Loader:
    """Load a dump as a restore does that validates so."""
    loader = Loader(validation=validation)
    for table in reading.open(text).tables:
        load_table(table, loader)
    loader.finish()
    return loader


def load_table(table: DumpedTable, loader: Loader) -> None:
    """Load the rows of a table."""
    destination = loader.destination(table)
    assert destination is not None
    for row in table.rows():
        destination.add(row)


def test_an_invalid_row_of_a_model_that_has_changed_is_named_with_its_line(load: Load) -> None:
    text = dump_of(OLD)
    (problem,) = refusal(load, text).problems
    assert (problem.ref.label, problem.ref.key) == ("zoo.Permit", 2)
    assert problem.ref.place is not None
    assert problem.ref.place.line == line_of(text, "(2, '123')")
    assert problem.reason.startswith("number: Ensure this value has at least 5 characters")
    assert problem.is_invalid


def test_all_invalid_rows_are_named(load: Load) -> None:
    numbers = [(i, "12") for i in range(1, 6)]
    assert len(refusal(load, dump_of(rows("zoo.Permit", "id number", *numbers))).problems) == 5


@pytest.mark.parametrize("value", ["'noon'", "field_text('noon')", "stored('noon')", "[]"])
def test_all_rows_with_a_value_that_is_none_of_the_field_are_named(load: Load, value: str) -> None:
    many = [f"{number}, {value}" for number in range(1, 6)]
    text = dump_of(rows("zoo.OptionalCheckup", "id day", *many))
    assert [problem.ref.key for problem in refusal(load, text).problems] == [1, 2, 3, 4, 5]


def test_an_invalid_row_of_a_model_that_has_not_changed_is_loaded(load: Load) -> None:
    load(dump_of(rows("zoo.Permit", "id number holder", (1, "123", ""))))
    assert values(Permit, "number") == ["123"]


def test_valid_rows_of_a_model_that_has_changed_take_the_rows_lane() -> None:
    loader = loaded(dump_of(rows("zoo.Permit", "id number", (1, "12345"))), Validation.CHANGED)
    assert loader.report.tables["zoo.Permit"].lane == "rows"
    assert values(Permit, "number") == ["12345"]


def test_invalid_rows_can_be_kept_out_and_corrected(load: Load) -> None:
    with pytest.raises(RowsRejected) as caught:
        load(dump_of(OLD), keep_going=True)
    assert values(Permit, "number") == ["12345"]
    load(Path(caught.value.path).read_text(encoding="utf-8").replace("'123'", "'12321'"))
    assert values(Permit, "number") == ["12345", "12321"]


def test_a_constant_that_was_put_in_by_hand_is_validated(load: Load) -> None:
    text = dump_of(rows("zoo.Permit", "id number holder", (1, "12345", "x")))
    (problem,) = refusal(load, text.replace("number=number", "number='12'")).problems
    assert problem.reason.startswith("number: ")


def test_a_line_that_was_commented_out_makes_its_model_a_changed_one(load: Load) -> None:
    text = dump_of(rows("zoo.Permit", "id number holder fee", (1, "123", "x", 5)))
    refusal(load, text.replace("        fee=fee", "        # fee=fee"))


def test_the_default_of_a_new_field_is_taken_as_it_is(load: Load) -> None:
    load(dump_of(rows("zoo.Permit", "id number", (1, "12345"))))
    assert values(Permit, "holder") == [""]


def test_an_empty_text_blocks_no_upgrade(load: Load) -> None:
    load(dump_of(rows("zoo.Ticket", "id kind", (1, ""))))
    assert values(Ticket, "kind") == [""]


def test_a_value_that_cleaning_would_change_is_loaded_as_it_was(load: Load) -> None:
    load(dump_of(rows("zoo.Ticket", "id kind zone", (1, "a", 1))))
    load(dump_of(rows("zoo.OptionalCheckup", "id slug", (1, "x"))))
    assert values(Ticket, "kind", "zone") == [("a", 1)]


def test_references_are_left_to_the_database(load: Load) -> None:
    """They may come later, and are looked up all at once."""
    load(
        dump_of(
            rows("zoo.Animal", "id name species_id", (1, "Olli", 1)),
            rows("zoo.Species", "id latin", (1, "Lutra lutra")),
        )
    )
    assert values(Animal, "species_id") == [1]


def test_the_clean_of_a_model_may_look_at_rows_that_come_later(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clean(self: Animal) -> None:
        if self.species is not None and self.species.latin == "Canis lupus":
            raise ValidationError("No wolves.")

    monkeypatch.setattr(Animal, "clean", clean)
    text = dump_of(
        rows("zoo.Animal", "id name species_id", (1, "Olli", 1), (2, "Wolf", 2)),
        rows("zoo.Species", "id latin", (1, "Lutra lutra"), (2, "Canis lupus")),
    )
    (problem,) = refusal(load, text).problems
    assert (problem.ref.key, problem.reason) == (2, "__all__: No wolves.")


def test_a_hook_may_make_a_row_valid_first(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def clean(self: Meal) -> None:
        if not self.latin:
            raise ValidationError({"latin": "Which species?"})

    monkeypatch.setattr(Meal, "clean", clean)
    Species.objects.create(pk=1, latin="Lutra lutra")
    load(dump_of(rows("zoo.Meal", "id name species_id", (1, "fish", 1))))
    refusal(load, dump_of(rows("zoo.Meal", "id name", (2, "hay"))))
    assert values(Meal, "latin") == ["Lutra lutra"]


def test_a_child_is_judged_by_its_own_fields_only(load: Load) -> None:
    load(
        dump_of(
            rows("zoo.Creature", "id name height", (1, "x", 1)),
            rows("zoo.Parrot", "bird_ptr_id", (1,)),
            rows("zoo.Bird", "creature_ptr_id wingspan", (1, 5)),
        )
    )


@pytest.mark.parametrize("table", [OLD, rows("zoo.Permit", "id number holder", (1, "12", ""))])
def test_never_means_never(table: object) -> None:
    loaded(dump_of(table), Validation.NEVER)  # type: ignore[arg-type]
    assert values(Permit, "number")[-1] in ("123", "12")


def test_always_validates_models_that_have_not_changed_and_empty_values_too() -> None:
    with pytest.raises(LoadError) as caught:
        loaded(dump_of(rows("zoo.Permit", "id number holder", (1, "12345", ""))), Validation.ALWAYS)
    assert "holder: This field cannot be blank" in str(caught.value)


def test_special_rows_are_never_validated() -> None:
    key = "natural('contenttypes.ContentType', 'zoo', 'species')"
    row = f"90001, 'x', '', {key}"
    loaded(
        dump_of(rows("auth.Permission", "id name codename content_type_id", row)), Validation.ALWAYS
    )
    assert Permission.objects.filter(codename="").exists()


def test_an_object_that_a_migrator_has_made_is_validated() -> None:
    loader = Loader()
    loader.save(new(Permit, id=1, number="12", holder="x"), is_changed=True)
    loader.save(new(Permit, id=2, number="12", holder="x"))
    with pytest.raises(LoadError) as caught:
        loader.finish()
    assert [problem.ref.key for problem in caught.value.problems] == [1]
