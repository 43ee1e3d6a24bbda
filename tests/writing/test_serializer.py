"""``serializers.serialize("py", …)``: what it takes, and what it leaves to the caller."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.serializers import deserialize, get_serializer
from django.db import connection
from django.db.models import JSONField, Model, Value
from django.test.utils import CaptureQueriesContext
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from writing_tools import dumped, row, rows_in

from dumpy.serializer import Serializer
from zoo.models import Animal, Bird, Chick, Creature, Diet, Mascot, Nation, Note, Species, Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture
def species() -> list[Species]:
    """Three species, saved."""
    return [Species.objects.create(pk=pk, latin=f"species {pk}") for pk in (1, 2, 3)]


def keys(text: str) -> list[Any]:
    """Return the primary keys of the objects in a dump, in its order."""
    return [each.object.pk for each in deserialize("py", text)]


FORMS: dict[str, Callable[[], Iterable[Model]]] = {
    "a list": lambda: list(Species.objects.order_by("pk")),
    "a tuple": lambda: tuple(Species.objects.order_by("pk")),
    "a queryset": lambda: Species.objects.order_by("pk"),
    "an iterator": lambda: Species.objects.order_by("pk").iterator(),
    "a generator": lambda: (each for each in Species.objects.order_by("pk")),
    "a manager's all()": lambda: Species._default_manager.all().order_by("pk"),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_iterable_of_objects_gives_the_same_text(species: list[Species], form: str) -> None:
    assert dumped(FORMS[form]()) == dumped(species)


def test_objects_are_written_in_the_order_in_which_they_are_given(species: list[Species]) -> None:
    assert keys(dumped(reversed(species))) == [3, 2, 1]


def test_a_queryset_keeps_its_order_and_its_filter(species: list[Species]) -> None:
    assert keys(dumped(Species.objects.filter(pk__gt=1).order_by("-pk"))) == [3, 2]


def test_objects_of_several_models_may_be_mixed(species: list[Species]) -> None:
    first, second, third = species
    animal = Animal(pk=9, name="x")
    text = dumped([first, animal, second, animal, third])
    assert [str(type(each.object).__name__) for each in deserialize("py", text)] == [
        "Species", "Animal", "Species", "Animal", "Species",
    ]  # fmt: skip
    assert text.count("def create_zoo_species(") == 1


def test_no_objects_are_a_whole_dump_too() -> None:
    text = dumped([])
    assert keys(text) == []
    assert text.endswith("# dumpy: end\n")


def test_unsaved_objects_are_written(species: list[Species]) -> None:
    assert row(dumped([Species(latin="new")])) == "'new'"


def test_a_json_null_is_none_of_an_unsaved_object_and_itself_of_a_saved_one() -> None:
    saved = Diet.objects.create(pk=2, plan=2, optional_plan=Value(None, JSONField()))
    saved.refresh_from_db()
    written = rows_in(dumped([Diet(pk=1, plan=1), saved], fields=["plan", "optional_plan"]))
    assert written == ["1, 1, None", "2, 2, json_null"]


def test_fields_leaves_the_others_out_but_never_the_key(species: list[Species]) -> None:
    text = dumped([Animal(pk=1, name="x")], fields=["species"])
    assert "def create_zoo_animal(id, species_id):" in text
    assert row(text) == "1, None"


@pytest.mark.parametrize("name", ["species", "species_id"])
def test_fields_may_name_a_foreign_key_either_way(name: str) -> None:
    assert "species_id=species_id" in dumped([Animal(pk=1, name="x")], fields=[name])


def test_fields_may_name_a_many_to_many() -> None:
    animal = Animal.objects.create(pk=1, name="x")
    animal.prey.add(animal)
    assert row(dumped([animal], fields=["prey"])) == "1, [1]"


@pytest.mark.parametrize("fields", [(), [], set()])
def test_an_empty_choice_of_fields_leaves_the_key(fields: Any) -> None:
    assert row(dumped([Species(pk=1, latin="x")], fields=fields)) == "1"


@pytest.fixture
def rasmus() -> Mascot:
    """A mascot that has a nation and allies."""
    nation = Nation.objects.create(pk=1, name="Estonia")
    mascot = Mascot.objects.create(pk=5, name="Rasmus", nation=nation)
    mascot.allies.add(Nation.objects.create(pk=3, name="Åland"), nation)
    return mascot


def test_references_are_primary_keys_unless_asked(rasmus: Mascot) -> None:
    assert row(dumped([rasmus])) == "5, 'Rasmus', 1, [1, 3]"


def test_references_are_natural_keys_if_asked(rasmus: Mascot) -> None:
    estonia, aland = "natural('zoo.Nation', 'Estonia')", "natural('zoo.Nation', 'Åland')"
    text = dumped([rasmus], use_natural_foreign_keys=True)
    assert row(text) == f"5, 'Rasmus', {estonia}, [{estonia}, {aland}]"


def test_primary_keys_are_left_out_of_natural_primary_keys(rasmus: Mascot) -> None:
    assert row(dumped([rasmus], use_natural_primary_keys=True)) == "'Rasmus', 1, [1, 3]"


def test_models_without_natural_keys_keep_their_primary_keys(species: list[Species]) -> None:
    text = dumped(species, use_natural_primary_keys=True, use_natural_foreign_keys=True)
    assert keys(text) == [1, 2, 3]


def test_natural_keys_come_back(rasmus: Mascot) -> None:
    text = dumped(
        [rasmus.nation, rasmus], use_natural_primary_keys=True, use_natural_foreign_keys=True
    )
    Mascot.objects.all().delete()
    for each in deserialize("py", text):
        each.save()
    mascot = Mascot.objects.get()
    assert (mascot.nation_id, sorted(each.pk for each in mascot.allies.all())) == (1, [1, 3])


def test_a_content_type_is_always_a_natural_key() -> None:
    note = Note(pk=1, content_type=ContentType.objects.get_for_model(Animal), object_id=2)
    assert row(dumped([note])).startswith("1, natural('contenttypes.ContentType', 'zoo', 'animal')")


@pytest.mark.parametrize("indent", [None, 0, 2, 8])
def test_indent_changes_nothing(species: list[Species], indent: int | None) -> None:
    assert dumped(species, indent=indent) == dumped(species)


def test_a_stream_that_is_given_gets_the_text(species: list[Species]) -> None:
    stream = io.StringIO()
    dumped(species, stream=stream)
    assert stream.getvalue() == dumped(species)


def test_a_stream_without_getvalue_is_enough(species: list[Species], tmp_path: Any) -> None:
    with open(tmp_path / "snapshot.py", "w", encoding="utf-8") as stream:
        assert dumped(species, stream=stream) is None
    assert (tmp_path / "snapshot.py").read_text(encoding="utf-8") == dumped(species)


def test_a_stream_that_is_not_utf_8_gets_ascii(tmp_path: Any) -> None:
    objects = [Species(pk=1, latin="Õhtu 🦩")]
    with open(tmp_path / "snapshot.py", "w", encoding="latin-1") as stream:
        dumped(objects, stream=stream)
    data = (tmp_path / "snapshot.py").read_bytes()
    assert data.isascii()
    assert next(deserialize("py", data)).object.latin == "Õhtu 🦩"


def test_a_serializer_may_be_used_again(species: list[Species]) -> None:
    serializer = get_serializer("py")()
    first = serializer.serialize(species)
    assert serializer.serialize(species) == first == serializer.getvalue()


def test_the_format_is_among_the_public_ones() -> None:
    assert "py" in serializers.get_public_serializer_formats()


def test_prefetched_links_are_not_asked_for_again() -> None:
    for pk in (1, 2):
        Animal.objects.create(pk=pk, name="x").prey.add(1)
    links = ["friends", "prey", "seen_in"]
    animals = list(Animal.objects.order_by("pk").prefetch_related(*links))
    expected = dumped(Animal.objects.order_by("pk"))
    with CaptureQueriesContext(connection) as queries:
        text = dumped(animals)
    assert (len(queries), text) == (0, expected)


def test_links_cost_as_many_queries_for_500_objects_as_for_10() -> None:
    """D6: in Django's formats each object with an m2m field costs a query."""
    Animal.objects.bulk_create(Animal(pk=pk, name="x") for pk in range(1, 501))
    pairs = Animal.prey.through
    pairs.objects.bulk_create(pairs(from_animal_id=pk, to_animal_id=1) for pk in range(1, 501))
    counts = []
    for number in (10, 500):
        with CaptureQueriesContext(connection) as queries:
            text = dumped(Animal.objects.order_by("pk")[:number])
        assert len(rows_in(text)) == number
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_generator_of_many_objects_is_read_a_chunk_at_a_time() -> None:
    """D6: the text begins to flow before the last object is made."""
    made = 0
    seen: list[int] = []

    def make() -> Iterable[Species]:
        nonlocal made
        for pk in range(1, 5001):
            made += 1
            yield Species(pk=pk, latin=f"species {pk}")

    class Watching(io.StringIO):
        def write(self, text: str) -> int:
            seen.append(made)
            return super().write(text)

    dumped(make(), stream=Watching())
    assert any(0 < count < 5000 for count in seen)


def test_a_child_holds_its_own_columns_and_its_parent_link_only() -> None:
    text = dumped([Bird(pk=1, name="jay", wingspan=3)])
    assert "def create_zoo_bird(creature_ptr_id, wingspan, rivals):" in text


def test_a_proxy_is_written_with_the_fields_of_its_concrete_model() -> None:
    bird = Bird.objects.create(pk=1, name="jay", wingspan=3)
    text = dumped([Chick.objects.get()])
    assert text == dumped([bird]).replace("Bird", "Chick").replace("zoo_bird", "zoo_chick")


def test_deferred_fields_are_fetched(species: list[Species]) -> None:
    assert dumped(Species.objects.only("pk").order_by("pk")) == dumped(species)


def test_subclasses_of_str_are_written_as_plain_text() -> None:
    objects = [Species(pk=1, latin=mark_safe("<b>")), Species(pk=2, latin=gettext_lazy("x"))]
    assert rows_in(dumped(objects)) == ["1, '<b>'", "2, 'x'"]


def test_choices_are_written_as_their_values() -> None:
    ticket = Ticket(pk=1, kind=Ticket.Kind.CHILD, zone=Ticket.Zone.TROPICAL)
    assert row(dumped([ticket])) == "1, 'c', 2, None"


def test_the_text_is_python_with_one_line_for_each_row() -> None:
    objects = [Creature(pk=pk, name="two\nlines\u2028and\x85more") for pk in (1, 2)]
    text = dumped(objects)
    ast.parse(text)
    assert len(rows_in(text)) == 2


def test_the_same_objects_give_the_same_bytes(species: list[Species]) -> None:
    assert dumped(Species.objects.order_by("pk")) == dumped(Species.objects.order_by("pk"))


class Shouting(io.StringIO):
    """A stream that gives its text in capital letters."""

    def getvalue(self) -> str:
        """Return the text."""
        return super().getvalue().upper()


class Redacting(Serializer):
    """Hides a field of animals, leaves out their links, and writes into a stream of its own."""

    stream_class = Shouting

    def handle_field(self, obj: Any, field: Any) -> None:
        """Hide the name."""
        super().handle_field(obj, field)
        if field.name == "name":
            self._current["name"] = "hidden"

    def handle_m2m_field(self, obj: Any, field: Any) -> None:
        """Leave the links out."""


def test_the_hooks_of_a_subclass_change_what_is_written() -> None:
    animal = Animal.objects.create(pk=1, name="Ada")
    animal.prey.add(animal)
    serializer = Redacting()
    text = serializer.serialize([animal], fields=["name", "prey"])
    assert "    YIELD CREATE_ZOO_ANIMAL(1, 'HIDDEN')\n" in text
    assert serializer.selected_fields == ["name", "prey"]
