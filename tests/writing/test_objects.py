"""`dumpdata --as-objects` writes what a person could have written, and it loads the same rows."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO, TextIOWrapper
from pathlib import Path
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import called, dumped, loaded

import music.models
from dumpy.errors import DumpyError
from dumpy.writing import objects
from music.models import Album, Artist, Genre, MediaType, Playlist, Track
from zoo.fill import fill
from zoo.models import Chip, Creature, Curator, Region, Taxon, Wing

pytestmark = pytest.mark.django_db(databases=["default", "other"])

# Rows of the zoo that no object can be, each for its own reason.
REFUSED = {
    "zoo.Checkup": "json: This field cannot be blank.",
    "zoo.Crate": "status: This field cannot be blank.",
    "zoo.Diet": "plan: This field cannot be blank.",
    "zoo.Introduction": "went_well: This field cannot be blank.",
    "zoo.OptionalCheckup": "xray does not keep its value in an object.",
    "zoo.Permit": "Ensure this value has at least 5 characters",
    "zoo.Waypoint": "as an object it is not valid",
    **dict.fromkeys(("zoo.Archive", "zoo.Folder", "zoo.Page"), "shortcuts cannot be set"),
    **dict.fromkeys(("zoo.Mascot", "zoo.Nation"), "allies cannot be set"),
}
# Rows that a load refuses: dangling references, and what receivers make a second time.
REFUSED_BY_LOAD = {
    "auth.Group": "Permission matching query does not exist",
    "auth.User": "Permission matching query does not exist",
    "zoo.KeeperProfile": "Keeper profile with this Keeper already exists.",
    "zoo.Label": "ContentType matching query does not exist",
    "zoo.Sighting": "species_id=999 refers to a row of zoo.Species that does not exist.",
}
# Models whose save() changes what it is given.
SAID = {
    "zoo.Door": "zoo.Door has its own save() or receivers, which run.",
    "zoo.DoorLog": "zoo.Door has its own save() or receivers, which run.",
    "zoo.Journal": "zoo.Journal.changed is set when it is saved.",
    "auth.Permission": "auth.Permission is left out: migrate makes its rows.",
}
WRITTEN = """
from decimal import Decimal

from music.models import Album, Artist, Genre, MediaType, Playlist, Track


def objects():
    acdc = Artist(pk=7, name='AC/DC')
    yield acdc

    let_there_be_rock = Album(pk=3, title='Let There Be Rock', artist=acdc)
    yield let_there_be_rock

    yield Genre(pk=9, name='Rock')

    mpeg = MediaType(pk=2, name='MPEG')
    yield mpeg

    music = Playlist(pk=5, name='Music')
    yield music
    music_2 = Playlist(pk=6, name='Music')
    yield music_2

    go_down = Track(
        pk=1,
        name='Go Down',
        album=let_there_be_rock,
        media_type=mpeg,
        milliseconds=331180,
        unit_price=Decimal('0.99'),
    )
    yield go_down
    go_down.playlists.set([music, music_2])
"""
LABELS = [
    model._meta.label
    for model in apps.get_models()
    if model._meta.managed and not model._meta.proxy
    if model._meta.app_label in ("auth", "music", "zoo")
]


def load(text: str, directory: Path) -> None:
    """Load a text as a fixture into the other database."""
    path = directory / "objects.py"
    path.write_text(text, encoding="utf-8")
    loaded(path, database="other", verbosity=0)


def outcome(label: str, path: Path) -> str:
    """Dump the rows of a model with those that they need, load them twice; return what differs."""
    where = [f"{label}:pk__isnull=False"]
    try:
        said = called("dumpdata", format="py", where=where, as_objects=True)
    except CommandError as error:
        return f"refused: {error}"
    with transaction.atomic("other"):
        try:
            load(said.out, path)
            load(said.out, path)
            if label not in SAID:
                assert dumped(where=where, database="other") == dumped(where=where)
        except DumpyError as error:
            return f"refused by the load: {error}"
        finally:
            transaction.set_rollback(True, "other")
    return said.err


@pytest.mark.slow
@pytest.mark.sqlite
@pytest.mark.filterwarnings("ignore:No fixture data found")
def test_objects_load_twice_to_the_rows_that_were_dumped_or_are_refused(tmp_path: Path) -> None:
    fill()
    outcomes = {label: outcome(label, tmp_path) for label in LABELS}
    for label, said in outcomes.items():
        expected = REFUSED.get(label) or REFUSED_BY_LOAD.get(label) or SAID.get(label, "")
        assert expected in said, label
        assert said.startswith("refused: ") == (label in REFUSED), (label, said)
        assert said.startswith("refused by") == (label in REFUSED_BY_LOAD), (label, said)


def test_objects_refer_to_each_other_by_variables_without_defaults() -> None:
    artist = Artist.objects.create(pk=7, name="AC/DC")
    album = Album.objects.create(pk=3, title="Let There Be Rock", artist=artist)
    mpeg = MediaType.objects.create(pk=2, name="MPEG")
    track = Track.objects.create(
        pk=1, name="Go Down", album=album, media_type=mpeg, milliseconds=331180,
        unit_price=Decimal("0.99"),
    )  # fmt: skip
    track.playlists.set([Playlist.objects.create(pk=pk, name="Music") for pk in (5, 6)])
    Genre.objects.create(pk=9, name="Rock")
    text = dumped("music", as_objects=True)
    assert text.endswith(WRITTEN)


def test_the_same_rows_give_the_same_text() -> None:
    fill()
    assert dumped("zoo.Animal", as_objects=True) == dumped("zoo.Animal", as_objects=True)


def test_rows_in_a_circle_refer_to_the_later_one_by_its_key(tmp_path: Path) -> None:
    wing = Wing.objects.create(pk=1, name="north")
    wing.curator = Curator.objects.create(pk=5, name="Ada", wing=wing)
    wing.save()
    text = dumped("zoo.Wing", "zoo.Curator", as_objects=True)
    assert ("curator_id=5" in text) != ("wing_id=1" in text)
    load(text, tmp_path)
    assert dumped("zoo", database="other") == dumped("zoo")


def test_a_row_that_refers_to_itself_does_so_by_its_key(tmp_path: Path) -> None:
    Region.objects.create(pk=4, name="Earth", within_id=4)
    text = dumped("zoo.Region", as_objects=True)
    assert "yield Region(pk=4, name='Earth', within_id=4)" in text
    load(text, tmp_path)
    assert dumped("zoo", database="other") == dumped("zoo")


def test_a_model_with_the_name_of_a_type_of_values_is_imported_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Genre.objects.create(pk=9, name="Rock")
    monkeypatch.setattr(music.models, "Decimal", Genre, raising=False)
    try:
        Genre.__name__ = "Decimal"
        text = dumped("music.Genre", as_objects=True)
    finally:
        Genre.__name__ = "Genre"
    assert "from music.models import Decimal as MusicDecimal\n" in text
    assert "yield MusicDecimal(pk=9, name='Rock')" in text


def test_names_that_a_stream_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name cannot be escaped as a text can."""
    Genre.objects.create(pk=9, name="Größe")
    stream = TextIOWrapper(BytesIO(), encoding="latin-1", write_through=True)
    options = {"format": "py", "as_objects": True, "stdout": stream}
    monkeypatch.setattr(music.models, "Größe", Genre, raising=False)
    Genre.__name__ = "Größe"
    try:
        with pytest.raises(CommandError, match="Add --output FILE"):
            call_command("dumpdata", "music.Genre", **options)
    finally:
        Genre.__name__ = "Genre"
    call_command("dumpdata", "music.Genre", **options)
    assert rb"Genre(pk=9, name='Gr\xf6\xdfe')" in stream.buffer.getvalue()


def test_the_key_of_a_linked_row_that_is_not_dumped_is_a_word_that_is_imported(
    tmp_path: Path,
) -> None:
    for database in ("default", "other"):
        chip = Chip.objects.using(database).create(pk=UUID(int=7), label="x")
    Creature.objects.create(pk=1, name="Fred").chips.add(chip.pk)
    text = dumped("zoo.Creature", as_objects=True)
    assert f"creature_1.chips.set([UUID('{chip.pk}')])" in text
    load(text, tmp_path)
    assert list(Creature.objects.using("other").get().chips.all()) == [chip]


def test_a_foreign_key_that_may_not_be_blank_is_refused_without_a_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Track._meta.get_field("genre"), "blank", False)
    media_type = MediaType.objects.create(name="MPEG")
    track = Track(pk=1, name="x", media_type=media_type, milliseconds=1, unit_price=1)
    track.save()
    with pytest.raises(CommandError, match="is not valid: genre: This field cannot be blank"):
        dumped("music.Track", "music.MediaType", as_objects=True)
    track.genre = Genre.objects.create(name="Rock")
    track.save()
    assert "genre=rock" in dumped("music", as_objects=True)


def test_values_cannot_become_code(tmp_path: Path) -> None:
    name = "'); import os; os.abort() #\n\\"
    Artist.objects.create(pk=1, name=name)
    load(dumped("music.Artist", as_objects=True), tmp_path)
    assert Artist.objects.using("other").get().name == name


def test_more_rows_than_a_person_maintains_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MOST_ROWS", 2)
    Genre.objects.bulk_create(Genre(pk=pk, name=f"Genre {pk}") for pk in range(1, 4))
    with pytest.raises(
        CommandError, match=r"up to 2 rows; the dump has 3\. Choose rows with --only"
    ):
        dumped("music.Genre", as_objects=True)


def test_natural_keys_instead_of_primary_keys_are_refused() -> None:
    with pytest.raises(
        CommandError, match="--as-objects cannot be combined with --natural-primary"
    ):
        dumped("music", as_objects=True, use_natural_primary_keys=True)


def test_other_formats_have_no_objects() -> None:
    with pytest.raises(CommandError, match="--as-objects is for the format py only"):
        called("dumpdata", "music", as_objects=True)


@settings(
    max_examples=15, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(parents=st.lists(st.integers(0, 8), min_size=8, max_size=8))
def test_trees_in_any_order_come_back(tmp_path: Path, parents: list[int]) -> None:
    for using in ("default", "other"):
        Taxon.objects.using(using).update(parent=None)
        Taxon.objects.using(using).all().delete()
    Taxon.objects.bulk_create(Taxon(pk=pk, name=f"taxon {pk}") for pk in range(1, 9))
    for pk, parent in enumerate(parents, 1):
        Taxon.objects.filter(pk=pk).update(parent=parent or None)
    load(dumped("zoo.Taxon", as_objects=True), tmp_path)
    assert dumped("zoo.Taxon", database="other") == dumped("zoo.Taxon")
