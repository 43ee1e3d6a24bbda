"""What tests of a project can assert about data."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from running import contents, dumped

from dumpy.testing import assert_round_trip, assert_same_data
from music.models import Album, Artist

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def artist() -> Artist:
    return Artist.objects.create(pk=1, name="Ali Farka Touré")


def test_two_databases_have_the_same_data(artist: Artist) -> None:
    Artist.objects.using("other").create(pk=1, name="Ali Farka Touré")
    assert_same_data("default", "other")


def test_a_row_that_only_one_database_has_is_named(artist: Artist) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_same_data("default", "other")
    assert str(caught.value).splitlines() == [
        "default and other differ:",
        "music.Artist(pk=1): removed",
        "music.Artist                             1 removed",
    ]


def test_a_dump_is_compared_with_the_database_by_its_own_models(
    artist: Artist, tmp_path: Path
) -> None:
    path = tmp_path / "artists.py"
    path.write_text(dumped("music.Artist"), encoding="utf-8")
    Album.objects.create(title="Niafunké", artist=artist)
    assert_same_data(path, "default")
    Artist.objects.update(name="Toumani Diabaté")
    with pytest.raises(AssertionError, match="name 'Ali Farka Touré' → 'Toumani Diabaté'"):
        assert_same_data(path, "default")


def test_rows_with_links_and_references_come_back(artist: Artist) -> None:
    Album.objects.create(title="Niafunké", artist=artist)
    Group.objects.create(name="editors").permissions.set(Permission.objects.all()[:2])
    before = contents()
    assert_round_trip("music", "auth")
    assert_round_trip()
    assert contents() == before


def test_rows_that_do_not_come_back_are_named(
    artist: Artist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before_dumpy_save(self: Artist, loader: object) -> None:
        self.name = self.name.upper()

    monkeypatch.setattr(Artist, "before_dumpy_save", before_dumpy_save, raising=False)
    with pytest.raises(AssertionError, match=r"Artist\(pk=1\): name 'Ali Farka Touré' → 'ALI"):
        assert_round_trip("music.Artist")
    artist.refresh_from_db()
    assert artist.name == "Ali Farka Touré"
