"""Golden modules: the text of a dump, byte for byte, the same on every engine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.serializers import deserialize
from django.db.models import Model
from writing_tools import dumped, put

from music.models import Album, Artist, Genre, MediaType, Playlist, Track
from zoo.fields import Point
from zoo.models import Booking, Chip, Diet, Label, Mascot, Nation, Taxon, Vocabulary, Waypoint
from zoo.values import JSON_NULL

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parent / "golden"
SEVEN = UUID(int=7)
PRECISE = datetime(2001, 2, 3, 4, 5, 6, 789_012, tzinfo=timezone.utc)


def shop() -> Iterator[Model]:
    """Yield a few rows of the music shop, put into the database."""
    put(Genre(pk=1, name="Rock"), Genre(pk=2, name="Õhtumuusika"))
    put(MediaType(pk=1, name='"MPEG"'), Artist(pk=1, name="AC/DC"))
    put(Album(pk=1, title="Let's Rock", artist_id=1), Playlist(pk=1, name="a\nb"))
    track = Track(pk=1, name="C:\\new", album_id=1, media_type_id=1, milliseconds=1,
                  unit_price=Decimal("0.90"))  # fmt: skip
    put(track, Playlist(pk=2, name=" blanks "))
    track.playlists.add(2, 1)
    for model in (Genre, MediaType, Artist, Album, Playlist, Track):
        yield from model._default_manager.order_by("pk")


def oddities() -> Iterator[Model]:
    """Yield rows for all words of the format, put into the database."""
    put(Vocabulary(pk=1, Decimal=Decimal("1.50"), UUID=SEVEN, date=date.max, datetime=PRECISE,
                   time=time.max, timedelta=timedelta(-1, 2, 3), utc=PRECISE))  # fmt: skip
    put(Chip(pk=SEVEN, label="seven"), Booking(chip_id=SEVEN, day=date(2024, 2, 29), visitor="Ada"))
    put(Taxon(pk=2, name="life"), Taxon(pk=1, name="twig", parent_id=2))
    put(Diet(pk=1, plan=JSON_NULL), Diet(pk=2, plan={"a": "x", "b": [1, 1.0, None, True]}))
    put(Waypoint(pk=1, point=Point(0.1, -2.0)))
    put(Nation(pk=1, name="Estonia"), Mascot(pk=1, name="Rasmus", nation_id=1))
    put(Label(pk=1, kind=ContentType.objects.get_for_model(Chip), key=str(SEVEN), text="x"))
    for model in (Vocabulary, Chip, Booking, Taxon, Diet, Waypoint, Nation, Mascot, Label):
        yield from model._default_manager.order_by("pk")


CASES = {"shop.txt": (shop, {}), "oddities.txt": (oddities, {"use_natural_foreign_keys": True})}


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_golden_one(name: str) -> None:
    objects, options = CASES[name]
    assert dumped(objects(), **options) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_the_golden_text_is_python(name: str) -> None:
    tree = ast.parse((GOLDEN / name).read_text(encoding="utf-8"))
    assert "objects" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", CASES)
def test_the_golden_text_loads_and_is_dumped_the_same_again(name: str) -> None:
    objects, options = CASES[name]
    text = dumped(objects(), **options)
    saved = []
    for each in deserialize("py", text):
        each.save()
        saved.append(type(each.object)._base_manager.get(pk=each.object.pk))
    assert dumped(saved, **options) == text


def test_the_command_writes_the_rows_that_the_serializer_writes(tmp_path: Path) -> None:
    golden = dumped(shop())
    path = tmp_path / "snapshot.py"
    call_command("dumpdata", "music.Track", format="py", output=str(path), verbosity=0)
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if "yield" in line]
    assert rows[0] in golden
    assert path.read_bytes().endswith(b"\n\n# dumpy: end\n")


def test_the_command_notes_the_migrations_of_the_apps_in_the_dump(tmp_path: Path) -> None:
    list(shop())
    path = tmp_path / "snapshot.py"
    call_command("dumpdata", "music", format="py", output=str(path), verbosity=0)
    assert "\nSOURCE_MIGRATIONS = {'music': '0001_initial'}\n" in path.read_text(encoding="utf-8")


def test_the_version_of_the_project_is_noted(settings: Any) -> None:
    settings.DUMPY = {"VERSION": "2.3.0"}
    assert "\nSOURCE_VERSION = '2.3.0'\n" in dumped([])
