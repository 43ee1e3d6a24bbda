"""Natural keys are proven when they are written, and so is that nobody needs a key left out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.serializers import serialize
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from running import dumped

from dumpy.errors import UnwritableRow
from zoo.models import Mascot, Nation, Note

pytestmark = pytest.mark.django_db

FOREIGN = {"use_natural_foreign_keys": True}
PRIMARY = {"use_natural_primary_keys": True}


@pytest.fixture
def nations() -> None:
    """Make two nations of one first letter, and a mascot of each."""
    for pk, name in ((1, "Ghana"), (2, "Greece")):
        nation = Nation.objects.create(pk=pk, name=name)
        Mascot.objects.create(pk=pk, name="Owl", nation=nation)


def keyed(monkeypatch: pytest.MonkeyPatch, model: Any, key: Any, **lookups: Any) -> None:
    """Give a model the natural key that a function makes, found by lookups of its parts."""

    def find(self: Any, *parts: Any) -> Model:
        return self.get(**{name: take(*parts) for name, take in lookups.items()})

    monkeypatch.setattr(model, "natural_key", key)
    monkeypatch.setattr(type(model._default_manager), "get_by_natural_key", find)


def refused(*labels: str, **options: Any) -> str:
    """Return why a dump is refused."""
    with pytest.raises(Exception, match="Unable to serialize") as caught:
        dumped(*labels, **options)
    assert isinstance(caught.value.__cause__, UnwritableRow)
    return str(caught.value)


def test_two_rows_that_answer_to_one_key_are_refused_by_name(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed(monkeypatch, Nation, lambda self: (self.name[0],), name__startswith=lambda part: part)
    said = refused("zoo.Mascot", **FOREIGN)
    assert "zoo.Nation(pk=1): its natural key ('G',) leads to 2 rows: pk=1, pk=2." in said
    assert said.endswith("Dump without --natural-foreign.")


def test_a_key_that_leads_to_no_row_is_refused(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed(monkeypatch, Nation, lambda self: (self.name.upper(),), name=lambda part: f"{part}!")
    said = refused("zoo.Mascot", **FOREIGN)
    assert "zoo.Nation(pk=1): its natural key ('GHANA',) leads to no row." in said


def test_a_key_that_leads_to_another_row_is_refused(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed(monkeypatch, Nation, lambda self: (self.pk,), pk=lambda part: 3 - part)
    said = refused("zoo.Mascot", **FOREIGN)
    assert "zoo.Nation(pk=1): its natural key (1,) leads to another row, pk=2." in said


def test_rows_that_are_written_without_their_keys_are_proven_too(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed(monkeypatch, Nation, lambda self: (self.name[0],), name__startswith=lambda part: part)
    said = refused("zoo.Nation", **PRIMARY)
    assert "zoo.Nation(pk=1): its natural key ('G',) leads to 2 rows" in said
    assert said.endswith("Dump without --natural-primary.")


def test_a_natural_key_that_fails_is_named_with_its_row(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nation, "natural_key", lambda self: (self.mascot.name,))
    said = refused("zoo.Mascot", **FOREIGN)
    assert "zoo.Nation(pk=1): its natural_key() fails: AttributeError" in said


def test_a_natural_key_of_a_type_without_a_word_is_named(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nation, "natural_key", lambda self: (1j,))
    said = refused("zoo.Mascot", **FOREIGN)
    assert "its natural_key() returns a value of type builtins.complex" in said


def test_a_lookup_that_does_more_than_get_is_asked_for_each_key(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(self: Any, name: str) -> Nation:
        found: Nation = self.get(name__iexact=name.strip())
        return self.model(pk=found.pk)

    monkeypatch.setattr(type(Nation.objects), "get_by_natural_key", find)
    assert "natural('zoo.Nation', 'Greece')" in dumped("zoo.Mascot", **FOREIGN)


def looked_up(monkeypatch: pytest.MonkeyPatch, find: Any) -> str:
    """Return why a dump is refused whose natural keys are looked up so."""

    def get_by_natural_key(self: Any, name: str) -> Nation:
        return Nation(pk=find(self, name).pk)

    monkeypatch.setattr(type(Nation.objects), "get_by_natural_key", get_by_natural_key)
    return refused("zoo.Mascot", **FOREIGN)


def test_a_lookup_that_fails_is_named_with_the_row(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = looked_up(monkeypatch, lambda rows, name: {}[name])
    assert "zoo.Nation(pk=1): get_by_natural_key() fails for its natural key ('Ghana',)" in said
    assert "KeyError: 'Ghana'." in said


def test_a_row_that_cannot_be_made_has_no_natural_key(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Nation:
        raise ValueError("no nation")

    monkeypatch.setattr(Nation, "from_db", classmethod(fail))
    said = refused("zoo.Mascot", **FOREIGN)
    assert "zoo.Nation: rows with id in [1, 2] cannot be made: ValueError: no nation." in said


def test_a_dump_that_remembers_no_natural_keys_for_long_is_the_same(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = dumped("zoo.Nation", "zoo.Mascot", **FOREIGN)
    monkeypatch.setattr("dumpy.writing.natural._REMEMBERED", 1)
    assert dumped("zoo.Nation", "zoo.Mascot", **FOREIGN) == text


def test_a_natural_key_is_looked_up_once_by_whomever_it_is_used() -> None:
    """As the key of its row, which is left out, and as a reference."""

    def queries(count: int) -> int:
        Nation.objects.all().delete()
        for pk in range(count):
            nation = Nation.objects.create(name=f"nation {pk}")
            nation.mascot = Mascot.objects.create(name="Owl", nation=nation)
            nation.save()
        with CaptureQueriesContext(
            connection,
        ) as captured:
            text = dumped("zoo.Nation", "zoo.Mascot", **FOREIGN, **PRIMARY)
        assert text.count("yield create_zoo_mascot") == count
        return len(captured)

    nations, mascots = 80, 80
    assert queries(90) - queries(10) == nations + mascots


@pytest.mark.parametrize("labels", [["zoo.Nation", "zoo.Note"], ["zoo.Note", "zoo.Nation"]])
def test_a_generic_key_that_holds_a_key_left_out_is_refused(
    nations: None, labels: list[str]
) -> None:
    Note.objects.create(pk=5, content_type=ContentType.objects.get_for_model(Nation), object_id=2)
    said = refused(*labels, **FOREIGN, **PRIMARY)
    assert (
        "zoo.Note(pk=5): its object_id holds 2, a primary key of zoo.Nation, which "
        "--natural-primary leaves out. Dump without --natural-primary."
    ) in said


def test_a_generic_key_of_a_model_that_keeps_its_key_is_no_trouble(nations: None) -> None:
    Note.objects.create(pk=5, content_type=ContentType.objects.get_for_model(Note), object_id=2)
    assert "create_zoo_note(5" in dumped("zoo.Nation", "zoo.Note", **FOREIGN, **PRIMARY)


def test_a_foreign_key_that_holds_a_key_left_out_is_refused(nations: None) -> None:
    said = refused("zoo.Nation", "zoo.Mascot", **PRIMARY)
    assert "zoo.Mascot(pk=1): its nation_id holds 1, a primary key of zoo.Nation" in said
    assert said.endswith("Use --natural-foreign as well, or dump without --natural-primary.")


def test_foreign_keys_of_another_dump_are_no_trouble(nations: None) -> None:
    assert dumped("zoo.Nation", **PRIMARY)
    assert dumped("zoo.Mascot", **PRIMARY)


def test_a_list_of_keys_left_out_is_refused() -> None:
    nation = Nation.objects.create(pk=1, name="Ghana")
    mascot = Mascot.objects.create(pk=4, name="Owl", nation=nation)
    mascot.allies.add(nation)
    fields = ["name", "allies"]
    with pytest.raises(UnwritableRow, match=r"\(pk=4\): its allies holds \[1\], a primary key"):
        serialize("py", [nation, mascot], fields=fields, use_natural_primary_keys=True)


def test_a_generic_key_without_the_field_of_its_type_is_refused_too() -> None:
    nation = Nation.objects.create(pk=1, name="Ghana")
    note = Note(pk=5, content_type=ContentType.objects.get_for_model(Nation), object_id=1)
    note.save()
    fields = ["name", "object_id"]
    with pytest.raises(UnwritableRow, match=r"\(pk=5\): its object_id holds 1, a primary key"):
        serialize("py", [nation, note], fields=fields, use_natural_primary_keys=True)


def test_a_natural_key_with_a_key_left_out_in_it_is_refused(
    nations: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed(
        monkeypatch,
        Mascot,
        lambda self: (self.name, self.nation_id),
        name=lambda name, nation: name,
        nation=lambda name, nation: nation,
    )
    said = refused("zoo.Mascot", "zoo.Nation", **FOREIGN, **PRIMARY)
    assert "zoo.Mascot: its natural key ('Owl', 1) holds 1, a primary key of zoo.Nation" in said
