"""A dump can be imported when a model of it is gone."""

from __future__ import annotations

import pytest
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, message, values

from dumpy.schema.instances import MissingModel, new, resolve_model
from zoo.models import Species

pytestmark = pytest.mark.django_db

TEXT = dump_of(rows("zoo.Moa", "id", (1,)), rows("zoo.Species", "id latin", (1, "lutra")))
PROGRAM = TEXT.replace("# dumpy: format 1", "# dumpy: program 1").replace(
    "latin=latin", "latin=latin.upper()"
)


@pytest.mark.parametrize("label", ["zoo.Moa", "nowhere.Model"])
def test_a_model_that_does_not_exist_is_resolved_to_something_with_its_label(label: str) -> None:
    missing = resolve_model(label)
    assert isinstance(missing, MissingModel)
    assert str(missing) == missing.label == label
    assert {missing: 1}[MissingModel(label)] == 1


def test_no_row_can_be_made_of_it() -> None:
    with pytest.raises(LookupError, match=r"there is no model 'zoo\.Moa'\. If it was removed"):
        new(resolve_model("zoo.Moa"), id=1)


def test_a_model_that_exists_is_itself() -> None:
    assert resolve_model("zoo.Species") is Species


def test_a_program_that_asks_for_its_rows_is_told_so_with_the_line(load: Load) -> None:
    said = message(load, PROGRAM)
    assert "there is no model 'zoo.Moa'" in said
    assert "fixture.py:" in said


def test_a_program_that_does_not_is_run(load: Load) -> None:
    load(PROGRAM.replace("    yield zoo_moa_objects()", "    # yield zoo_moa_objects()"))
    assert values(Species, "latin") == ["LUTRA"]


def test_a_model_that_does_not_exist_is_said_with_the_line_of_its_name(load: Load) -> None:
    lines = TEXT.splitlines()
    named = next(n for n, line in enumerate(lines, 1) if "resolve_model('zoo.Moa')" in line)
    assert f"fixture.py:{named}: there is no model 'zoo.Moa'" in message(load, TEXT)
