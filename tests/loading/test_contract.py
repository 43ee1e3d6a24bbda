"""What code that uses Django's serializers may rely on holds for py as it does for json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.management import call_command
from django.core.management.commands import loaddata as django_loaddata
from django.core.serializers.base import DeserializationError, DeserializedObject
from dumps import module as dump_of
from dumps import rows

from dumpy.errors import LoadError
from zoo.models import Animal, Bird, Chick, Chip, Mascot, Nation, Species

pytestmark = pytest.mark.django_db(databases=["default", "other"])

SPECIES = dump_of(rows("zoo.Species", "id latin", (1, "Lutra")))
ANIMALS = dump_of(
    rows("zoo.Animal", "id name species_id prey", (1, "x", None, []), (2, "y", None, [1]))
)
BOTH = pytest.mark.parametrize("forward", [False, True], ids=["at once", "forward references"])


def read(text: str, forward: bool, **options: Any) -> list[DeserializedObject]:
    """Return the objects of a dump, not saved yet."""
    return list(serializers.deserialize("py", text, handle_forward_references=forward, **options))


def finish(objects: list[DeserializedObject]) -> None:
    """Save what was deferred, as Django's loaddata does."""
    for one in objects:
        if one.deferred_fields:
            one.save_deferred_fields()


@BOTH
def test_objects_of_a_proxy_come_back_as_objects_of_the_proxy(forward: bool) -> None:
    Bird.objects.create(name="wren", wingspan=17)
    text = serializers.serialize("py", Chick.objects.all())
    assert [type(one.object) for one in read(text, forward)] == [Chick]


def test_a_dump_of_a_proxy_loads_into_its_table() -> None:
    Bird.objects.create(name="wren", wingspan=17)
    text = serializers.serialize("py", Chick.objects.all())
    Bird.objects.update(wingspan=3)
    objects = read(text, True)
    for one in objects:
        one.save()
    finish(objects)
    assert Bird.objects.get().wingspan == 17


@BOTH
def test_an_object_is_saved_into_the_database_that_save_names(forward: bool) -> None:
    (one,) = objects = read(SPECIES, forward)
    one.save(using="other")
    finish(objects)
    assert not Species.objects.exists()
    assert Species.objects.using("other").get().latin == "Lutra"


@BOTH
def test_links_are_left_out_when_save_is_told_so(forward: bool) -> None:
    objects = read(ANIMALS, forward)
    for one in objects:
        one.save(save_m2m=False)
    finish(objects)
    assert not Animal.objects.get(pk=2).prey.exists()


@BOTH
def test_links_that_code_has_set_are_those_that_are_saved(forward: bool) -> None:
    _first, second = objects = read(ANIMALS, forward)
    second.m2m_data = {"prey": [Animal(pk=2)]}
    for one in objects:
        one.save()
    finish(objects)
    assert list(Animal.objects.get(pk=2).prey.values_list("pk", flat=True)) == [2]


@BOTH
def test_a_forced_insert_does_not_overwrite_a_row(forward: bool) -> None:
    Species.objects.create(pk=1, latin="mine")
    (one,) = read(SPECIES, forward)
    with pytest.raises(LoadError, match=r"zoo\.Species\(pk=1\): a row with this primary key"):
        one.save(force_insert=True)
    assert Species.objects.get().latin == "mine"


@BOTH
def test_a_saved_object_can_be_saved_again(forward: bool) -> None:
    Chip.objects.create(label="old")
    objects = read(serializers.serialize("py", Chip.objects.all()), forward)
    chip = objects[0].object
    objects[0].save()
    finish(objects)
    chip.label = "new"
    chip.save()
    assert Chip.objects.get().label == "new"


def test_a_natural_key_is_resolved_when_its_row_is_read() -> None:
    nation = Nation.objects.create(name="Peru")
    Mascot.objects.create(name="Paco", nation=nation)
    text = serializers.serialize("py", Mascot.objects.all(), use_natural_foreign_keys=True)
    (one,) = read(text, False)
    assert one.object.nation_id == nation.pk


def test_a_natural_key_that_leads_nowhere_is_refused_when_its_row_is_read() -> None:
    nation = Nation.objects.create(name="Peru")
    Mascot.objects.create(name="Paco", nation=nation)
    text = serializers.serialize("py", Mascot.objects.all(), use_natural_foreign_keys=True)
    Nation.objects.all().delete()
    with pytest.raises(
        DeserializationError, match=r"zoo\.Nation \('Peru',\), which does not exist"
    ):
        read(text, False)


def test_djangos_own_loaddata_ignores_what_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "species.py"
    path.write_text(dump_of(rows("zoo.Species", "id latin gone", (1, "Lutra", 5))))
    call_command(django_loaddata.Command(), str(path), ignore=True, verbosity=0)
    assert Species.objects.get().latin == "Lutra"


def test_objects_without_a_required_field_can_be_read() -> None:
    Mascot.objects.create(name="Paco", nation=Nation.objects.create(name="Peru"))
    text = serializers.serialize("py", Mascot.objects.all(), fields=["name"])
    assert [(one.object.name, one.object.nation_id) for one in read(text, False)] == [
        ("Paco", None)
    ]


@BOTH
def test_objects_without_a_key_are_new_ones(forward: bool) -> None:
    old = Species.objects.create(latin="Vulpes")
    given = [Species(latin="Lutra"), old, Species(latin="Meles")]
    text = serializers.serialize("py", given)
    objects = read(text, forward)
    for one in objects:
        one.save()
    finish(objects)
    assert sorted(Species.objects.values_list("latin", flat=True)) == ["Lutra", "Meles", "Vulpes"]
    assert Species.objects.get(latin="Vulpes").pk == old.pk
