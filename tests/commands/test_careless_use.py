"""What happens to those who are in a hurry: each mistake gets a sentence that helps."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.management.base import CommandError
from django.db import connections
from running import dumped, loaded

from dumpy.errors import Place
from dumpy.loading.validation import no_table
from zoo import models as zoo
from zoo.fill import fill

pytestmark = pytest.mark.django_db(databases=["default", "other"])

HEAD = "from zoo.models import *\n\n\ndef objects():\n    "


@pytest.fixture
def species(tmp_path: Path) -> Path:
    """Return the path of a dump of one species."""
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    path = tmp_path / "species.py"
    path.write_text(dumped("zoo.Species"), encoding="utf-8")
    return path


def refusal(path: Path, text: str | None = None, **options: object) -> str:
    """Return the message with which a text, or what a file holds, is refused."""
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        loaded(path, **options)
    return str(caught.value)


def test_a_second_load_updates_nothing_not_even_json(tmp_path: Path) -> None:
    fill()
    path = tmp_path / "zoo.py"
    path.write_text(dumped("zoo", use_base_manager=True), encoding="utf-8")
    loaded(path)
    said = loaded(path, verbosity=2).out
    assert [line for line in said.splitlines() if "updated" in line] == []


@pytest.mark.sqlite
def test_a_number_that_sqlite_could_not_read_again_is_refused(tmp_path: Path) -> None:
    zoo.Tariff.objects.create(pk=Decimal("1.50"))
    text = dumped("zoo.Tariff").replace("Decimal('1.500')", "Decimal('1E+40')")
    assert "digits before the point" in refusal(tmp_path / "tariff.py", text)


def test_unsaved_related_objects_are_saved_in_another_database(tmp_path: Path) -> None:
    path = tmp_path / "animals.py"
    path.write_text(f"{HEAD}yield Animal(name='a', species=Species(latin='Ursus'))\n", "utf-8")
    loaded(path, database="other")
    assert zoo.Animal.objects.using("other").get().species.latin == "Ursus"
    assert not zoo.Species.objects.exists()


def test_an_unsaved_target_of_a_generic_key_is_saved_first(tmp_path: Path) -> None:
    path = tmp_path / "notes.py"
    path.write_text(f"{HEAD}yield Note(target=Species(latin='Ursus'), text='x')\n", "utf-8")
    loaded(path)
    assert zoo.Note.objects.get().target.latin == "Ursus"


def test_a_refused_related_object_is_named_as_what_it_is(tmp_path: Path) -> None:
    text = f"{HEAD}yield Animal(name='a', species=Species(latin=''))\n"
    said = refusal(tmp_path / "animals.py", text)
    assert "its species, an unsaved zoo.Species, is refused: latin: This field" in said


def test_rows_that_refer_into_a_circle_of_natural_keys_are_loaded(tmp_path: Path) -> None:
    nation = zoo.Nation.objects.create(name="Estonia")
    nation.mascot = zoo.Mascot.objects.create(name="Rasmus", nation=nation)
    nation.save()
    keys = {"use_natural_foreign_keys": True, "use_natural_primary_keys": True}
    path = tmp_path / "nations.py"
    path.write_text(dumped("zoo.Nation", "zoo.Mascot", **keys), encoding="utf-8")
    zoo.Nation.objects.all().delete()
    loaded(path)
    assert zoo.Nation.objects.get().mascot.name == "Rasmus"


def test_a_missing_table_is_named_with_what_makes_it(species: Path) -> None:
    text = species.read_text(encoding="utf-8").replace("zoo.Species", "zoo.Dodo")
    said = refusal(species, text.replace("latin=latin", "name=latin"))
    assert "the table 'zoo_dodo' of zoo.Dodo does not exist in the database 'default'" in said
    assert "No migration creates it, because the model is unmanaged: create it first" in said
    hint = no_table(zoo.Species, Place("dump.py"), "other", True).hint
    assert hint == "Create it first: manage.py migrate --database other"


def test_the_missing_table_of_an_object_is_named_with_its_line(tmp_path: Path) -> None:
    program = f"{HEAD}yield Species(pk=1, latin='Lutra lutra')\n    yield Dodo(name='Raphus')\n"
    said = refusal(tmp_path / "dodo.py", program)
    assert "dodo.py:6: the table 'zoo_dodo' of zoo.Dodo does not exist" in said
    assert not zoo.Species.objects.exists()


def test_an_empty_database_is_no_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    introspection = connections["default"].introspection
    monkeypatch.setattr(introspection, "get_table_list", lambda *args: [])
    with pytest.raises(CommandError, match="has none of the tables to dump"):
        dumped("zoo")


def test_json_under_the_name_of_a_program_is_called_json(tmp_path: Path) -> None:
    said = refusal(tmp_path / "snapshot.py", '[{"model": "zoo.species"}]')
    assert "it is JSON or XML, not Python. Name it as its format, or make a dump" in said


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    assert "it is empty" in refusal(tmp_path / "nothing.py", "")


def test_utf_16_is_recognised(species: Path) -> None:
    species.write_bytes(species.read_text(encoding="utf-8").encode("utf-16"))
    assert "it is UTF-16. Save it as UTF-8." in refusal(species)


def test_a_misspelled_create_function_is_named_with_the_right_one(species: Path) -> None:
    text = species.read_text(encoding="utf-8")
    said = refusal(species, text.replace("yield create_zoo_species(", "yield create_zoo_speces("))
    assert "there is no function create_zoo_speces. Did you mean create_zoo_species?" in said


def test_a_typo_is_named_and_makes_no_program(species: Path) -> None:
    text = species.read_text(encoding="utf-8").replace("latin=latin", "latin=latn")
    said = refusal(species, text)
    line = text[: text.index("latin=latn")].count("\n") + 1
    assert f"{species}:{line}: the name latn has another meaning here." in said


def test_a_content_type_that_is_made_for_no_model_is_said(tmp_path: Path) -> None:
    note = zoo.Note.objects.create(target=Group.objects.create(name="g"), text="x")
    text = dumped("zoo.Note").replace("'auth', 'group'", "'auth', 'grp'")
    note.delete()
    path = tmp_path / "note.py"
    path.write_text(text, encoding="utf-8")
    assert "There is no model auth.grp: a content type was made for it." in loaded(path).err
