"""``serializers.deserialize("py", …)``: objects that are saved, changed or only looked at."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.serializers import deserialize
from django.core.serializers.base import DeserializationError, DeserializedObject
from dumps import module as dump_of
from dumps import rows
from loading_tools import values

from zoo.models import Animal, Mascot, Species, Taxon

pytestmark = pytest.mark.django_db

TEXT = dump_of(
    rows("zoo.Species", "id latin", (1, "Lütra"), (2, "Panthera")),
    rows("zoo.Animal", "id name species_id prey", (1, "x", 1, []), (2, "y", None, [1, 2])),
)


def objects(given: Any = TEXT, **options: Any) -> list[DeserializedObject]:
    """Return all objects of a dump."""
    return list(deserialize("py", given, **options))


def save(given: Any) -> None:
    """Save all objects of a dump, one after the other."""
    for each in deserialize("py", given):
        each.save()


@pytest.mark.parametrize(
    "given",
    [
        TEXT,
        TEXT.encode(),
        bytearray(TEXT.encode()),
        io.StringIO(TEXT),
        io.BytesIO(TEXT.encode()),
    ],
    ids=["str", "bytes", "bytearray", "text stream", "binary stream"],
)
def test_text_bytes_and_streams_are_read_alike(given: Any) -> None:
    assert [each.object for each in objects(given)] == [
        Species(pk=1),
        Species(pk=2),
        Animal(pk=1),
        Animal(pk=2),
    ]


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_open_files_are_read(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "snapshot.py"
    path.write_text(TEXT, encoding="utf-8", newline="\n")
    with open(path, mode, encoding=None if "b" in mode else "utf-8") as file:
        assert len(objects(file)) == 4


def test_a_row_of_a_program_that_is_code_gives_its_object_too(
    tmp_path: Path, settings: Any
) -> None:
    settings.FIXTURE_DIRS = [str(tmp_path)]
    path = tmp_path / "snapshot.py"
    text = TEXT.replace("(2, 'Panthera')", "(1 + 1, 'Panthera')")
    path.write_text(text.replace("# dumpy: format 1", "# dumpy: program 1"), encoding="utf-8")
    with path.open("rb") as file:
        assert [each.object.pk for each in objects(file)] == [1, 2, 1, 2]


def test_nothing_is_saved_before_save_is_called() -> None:
    objects()
    assert not Species.objects.exists()


def test_save_saves_the_object_and_its_links() -> None:
    save(TEXT)
    assert values(Species, "latin") == ["Lütra", "Panthera"]
    assert sorted(Animal.objects.get(pk=2).prey.values_list("pk", flat=True)) == [1, 2]


def test_object_is_an_unsaved_instance_with_the_values_of_the_row() -> None:
    species = objects()[0].object
    assert (species.pk, species.latin, species._state.adding) == (1, "Lütra", True)


def test_fields_and_models_that_do_not_exist_are_left_out_if_so_wished() -> None:
    text = dump_of(
        rows("zoo.Species", "id latin colour", (1, "Lütra", "brown")), rows("zoo.Moa", "id", (1,))
    )
    (found,) = objects(text, ignorenonexistent=True)
    assert found.object.latin == "Lütra"
    with pytest.raises(DeserializationError, match="no field 'colour'"):
        objects(text)


def test_what_was_changed_on_the_object_is_saved() -> None:
    first = objects()[0]
    first.object.latin = "changed"
    first.object.pk = 17
    first.save()
    assert values(Species, "pk", "latin") == [(17, "changed")]


def test_links_are_in_m2m_data_and_may_be_changed_there() -> None:
    save(dump_of(rows("zoo.Animal", "id name", (1, "x"), (2, "y"))))
    first = objects(dump_of(rows("zoo.Animal", "id name prey", (1, "x", [1, 2]))))[0]
    assert first.m2m_data == {"prey": [1, 2]}
    first.m2m_data = {"prey": [2]}
    first.save()
    assert values(Animal.prey.through, "to_animal") == [2]


def test_links_are_left_out_if_so_wished() -> None:
    animal = objects(dump_of(rows("zoo.Animal", "id name prey", (1, "x", [1]))))[0]
    animal.save(save_m2m=False)
    assert not Animal.prey.through.objects.exists()


def test_an_object_may_be_saved_into_another_database() -> None:
    species = objects()[0]
    species.save(using="default")
    assert Species.objects.using("default").exists()


def test_a_natural_reference_may_lead_to_an_object_that_was_saved_before_it_is_read() -> None:
    nation = rows("zoo.Nation", "id name", (5, "Estonia"))
    mascot = rows("zoo.Mascot", "id name nation_id", "1, 'x', natural('zoo.Nation', 'Estonia')")
    save(dump_of(nation, mascot))
    assert values(Mascot, "nation") == [5]


@pytest.mark.parametrize("text", ["", "\n", "{}", "[]", "nonsense", "def objects(): return []"])
def test_what_is_no_dump_is_refused(text: str) -> None:
    with pytest.raises(DeserializationError):
        objects(text)


def test_a_program_given_as_text_is_not_run() -> None:
    with pytest.raises(DeserializationError, match="Only files are run"):
        objects("raise SystemExit\n\n\ndef objects():\n    return []\n")


def test_a_truncated_dump_yields_nothing() -> None:
    with pytest.raises(DeserializationError, match="truncated"):
        next(deserialize("py", TEXT[: TEXT.index("Panthera")]))


def test_a_value_that_does_not_fit_is_refused_with_its_line() -> None:
    text = dump_of(rows("zoo.Taxon", "id name parent_id", "1, 'x', 'no number'"))
    with pytest.raises(DeserializationError, match=r"<string>:\d+"):
        save(text)
    assert not Taxon.objects.exists()


def test_the_module_can_be_imported_and_gives_instances(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "a_snapshot_to_import.py").write_text(TEXT, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    from a_snapshot_to_import import objects as imported  # type: ignore[import-not-found]

    instances = [instance for section in imported() for instance in section]
    assert [type(each) for each in instances] == [Species, Species, Animal, Animal]
    assert [each.pk for each in instances] == [1, 2, 1, 2]
    assert instances[2].species_id == 1
    instances[0].save()
    assert values(Species, "latin") == ["Lütra"]
