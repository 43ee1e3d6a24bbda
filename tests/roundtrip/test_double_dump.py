"""The double dump: dump, load elsewhere, dump again: the same text, and the same tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from roundtrip_tools import LANES, differences, load, tables
from running import dumped, loaded, shuffle_content_types

from zoo.fill import fill

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def zoo() -> str:
    """The dump of the zoo."""
    fill()
    return dumped(use_base_manager=True)


@pytest.mark.parametrize("lane", LANES)
def test_the_zoo_is_the_same_by_every_lane(zoo: str, lane: str, tmp_path: Path) -> None:
    """D1, D14, L2, L3: links, proxies, odd managers and names, views, stale content types."""
    with LANES[lane]() as prepared:
        load(prepared(zoo), tmp_path)
    assert dumped(database="other", use_base_manager=True) == zoo
    assert differences(tables("default"), tables("other")) == {}


@pytest.mark.parametrize("lane", LANES)
def test_the_zoo_over_itself_changes_nothing(zoo: str, lane: str, tmp_path: Path) -> None:
    """D9"""
    before = tables("default")
    with LANES[lane]() as prepared:
        load(prepared(zoo), tmp_path, using="default")
    assert differences(before, tables("default")) == {}


def test_the_zoo_is_dumped_the_same_again_with_natural_references(tmp_path: Path) -> None:
    """D2"""
    fill()
    options: dict[str, Any] = {"use_base_manager": True, "use_natural_foreign_keys": True}
    first = dumped(**options)
    load(first, tmp_path)
    assert dumped(database="other", **options) == first


def test_the_zoo_without_primary_keys_is_dumped_the_same_again_but_for_the_order(
    tmp_path: Path,
) -> None:
    """D2"""
    fill()
    # Without its primary key nothing tells that the site of a fresh database is a default.
    options = {"use_natural_primary_keys": True, "use_natural_foreign_keys": True}
    options |= {"use_base_manager": True, "exclude": ["sites"]}
    first = dumped(**options)
    load(first, tmp_path)
    again = dumped(database="other", **options)
    assert sorted(again.splitlines()) == sorted(first.splitlines())


def test_the_zoo_fits_a_database_with_other_content_types(zoo: str, tmp_path: Path) -> None:
    """D2"""
    shuffle_content_types("other")
    load(zoo, tmp_path)
    assert dumped(database="other", use_base_manager=True) == zoo


def test_the_music_shop_is_dumped_as_it_was_shipped() -> None:
    loaded("chinook")
    fixture = Path(__file__).parents[2] / "testproject/music/fixtures/chinook.py"
    assert dumped("music") == fixture.read_text(encoding="utf-8")


@pytest.mark.parametrize("lane", ["rows", "objects"])
def test_the_music_shop_is_the_same_by_every_lane(lane: str, tmp_path: Path) -> None:
    """D1"""
    loaded("chinook")
    text = dumped("music")
    with LANES[lane]() as prepared:
        load(prepared(text), tmp_path)
    assert dumped("music", database="other") == text
    assert differences(tables("default", "music"), tables("other", "music")) == {}
