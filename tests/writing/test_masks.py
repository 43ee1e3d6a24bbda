"""Masked dumps: other values than those of the database, the same everywhere and every time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.test import override_settings
from running import called, dumped, loaded

import dumpy
from dumpy import masks
from music.models import Album, Artist, Genre
from zoo import models as zoo

pytestmark = pytest.mark.django_db(databases=["default", "other"])

MASKS = "masks_of_zoo"
SECRET = "Ada Lovelace of London"


def mask_of(label: str, **methods: Any) -> type[masks.Mask]:
    """Return a mask of a model."""
    return type("TestMask", (masks.Mask,), {"Meta": type("Meta", (), {"model": label}), **methods})


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return what makes a dump with a mask of a model, and returns why it is refused."""

    def refused(label: str, **methods: Any) -> str:
        monkeypatch.setattr("masks_of_zoo.ArtistMask", mask_of(label, **methods))
        with pytest.raises(CommandError) as caught:
            dumped(mask=f"{MASKS}.ArtistMask")
        return str(caught.value)

    return refused


@pytest.fixture
def albums() -> None:
    """Put an album into the database, an artist that is called the same, and two genres."""
    Genre.objects.create(pk=1, name=SECRET)
    Genre.objects.create(pk=2, name="other")
    Artist.objects.create(pk=1, name=SECRET)
    Artist.objects.create(pk=2, name="other")
    Album.objects.create(pk=1, title=SECRET, artist_id=1)


@pytest.fixture
def checkup() -> dict[str, Any]:
    """Put a row with values of all kinds into the database."""
    values = {
        "email": "ada@lovelace.org",
        "text": SECRET,
        "char": SECRET,
        "slug": "ada-lovelace",
        "day": date(1815, 12, 10),
        "moment": datetime(1852, 11, 27, 1, 2, 3, tzinfo=timezone.utc),
        "xray": "ada/lovelace.png",
        "json": {"name": SECRET, "all": [SECRET, 1, None]},
        "integer": 4711,
        "price": Decimal("47.11"),
        "floating": 47.11,
    }
    zoo.Checkup.objects.create(pk=1, **values)
    zoo.OptionalCheckup.objects.create(pk=1)
    return values


def test_masked_values_of_all_kinds_are_loaded_and_none_is_that_of_the_source(
    checkup: dict[str, Any], tmp_path: Path
) -> None:
    text = dumped("zoo.Checkup", mask=MASKS)
    (tmp_path / "masked.py").write_text(text)
    loaded(tmp_path / "masked.py", database="other")
    found = zoo.Checkup.objects.using("other").get()
    found.full_clean()
    assert "ovelace" not in text
    assert [name for name, value in checkup.items() if getattr(found, name) == value] == []
    assert found.email.endswith("@example.com")
    assert found.json["name"] == found.json["all"][0] == found.text
    assert found.json["all"][1:] == [1, None]
    assert found.xray.name.endswith(".png")


def test_a_masked_dump_that_was_loaded_is_dumped_the_same(
    checkup: dict[str, Any], tmp_path: Path
) -> None:
    text = dumped("zoo.Checkup", mask=MASKS)
    (tmp_path / "masked.py").write_text(text)
    loaded(tmp_path / "masked.py", database="other")
    again = dumped("zoo.Checkup", database="other")
    assert again.splitlines()[3:] == text.splitlines()[3:]


def test_null_stays_null(checkup: dict[str, Any]) -> None:
    assert (
        dumped("zoo.OptionalCheckup", mask=MASKS).splitlines()[4:]
        == (dumped("zoo.OptionalCheckup").splitlines()[4:])
    )


def test_the_same_text_has_the_same_pseudonym_in_two_tables(albums: None) -> None:
    dumped_text = dumped("music.Artist", "music.Album", mask=MASKS)
    assert SECRET not in dumped_text
    assert dumped_text.count(masks.token(SECRET)) == 2


def test_two_dumps_are_identical_and_another_key_gives_other_pseudonyms(albums: None) -> None:
    first = dumped("music.Artist", mask=MASKS)
    assert dumped("music.Artist", mask=MASKS) == first
    with override_settings(DUMPY={"MASK_KEY": "sixteen letters!"}):
        assert dumped("music.Artist", mask=MASKS) != first
    with override_settings(SECRET_KEY="another"):
        assert dumped("music.Artist", mask=MASKS) != first


def test_references_of_a_subset_stay_whole(albums: None, tmp_path: Path) -> None:
    (tmp_path / "masked.py").write_text(dumped(only=["music.Album:1"], mask=MASKS))
    loaded(tmp_path / "masked.py", database="other")
    album = Album.objects.using("other").get()
    assert album.artist.name == album.title == masks.token(SECRET)


def test_a_directory_holds_what_the_module_holds(albums: None, tmp_path: Path) -> None:
    called("dump2py", str(tmp_path / "dump"), "music", mask=MASKS)
    dumpy.write(tmp_path / "module.py", "music", mask=MASKS)
    with dumpy.open(tmp_path / "dump") as one, dumpy.open(tmp_path / "module.py") as other:
        assert [list(t.rows()) for t in one.tables if len(t)] == [
            list(t.rows()) for t in other.tables if len(t)
        ]


def test_a_dump_says_what_masked_it(albums: None) -> None:
    said = dumped("music.Artist", mask=MASKS).splitlines()[2]
    assert said.endswith("Values are masked by masks_of_zoo.")
    assert "masked" not in dumped("music.Artist")


def test_a_mask_of_an_unknown_model_is_refused_with_file_and_spelling(
    refusal: Callable[..., str],
) -> None:
    said = refusal("music.Artits")
    assert "test_masks.py: TestMask" in said
    assert "there is no model 'music.Artits'. Did you mean 'music.Artist'?" in said


def test_a_mask_of_an_unknown_field_is_refused_with_spelling(refusal: Callable[..., str]) -> None:
    assert "no field 'nmae' with a column of its own. Did you mean 'name'?" in refusal(
        "music.Artist", nmae=lambda _self, _value: ""
    )


@pytest.mark.parametrize(
    ("label", "name", "reason"),
    [
        ("music.Artist", "id", "a primary key cannot be masked"),
        ("zoo.Animal", "species", "a foreign key cannot be masked"),
        ("zoo.Animal", "friends", "a many-to-many field, and references cannot be masked"),
    ],
)
def test_keys_and_references_cannot_be_masked(
    refusal: Callable[..., str], label: str, name: str, reason: str
) -> None:
    assert reason in refusal(label, **{name: lambda _self, value: value})


def test_a_mask_that_raises_is_named_with_its_row(
    albums: None, refusal: Callable[..., str]
) -> None:
    def name(_self: object, value: str) -> str:
        raise ValueError(f"{value} is no name")

    said = refusal("music.Artist", name=name)
    assert "music.Artist(pk=1): the mask TestMask.name() raises ValueError." in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("masked", "reason"),
    [
        ("x" * 121, "a value that the field refuses (max_length)"),
        ("same", "returns the same value for two values, and the field is unique"),
        (None, "returns None, but the field is not null"),
    ],
)
def test_a_value_that_the_field_refuses_is_not_written(
    albums: None, refusal: Callable[..., str], masked: object, reason: str
) -> None:
    assert reason in refusal("music.Genre", name=lambda _self, _value: masked)


def test_a_field_that_a_foreign_key_refers_to_cannot_be_masked(
    refusal: Callable[..., str],
) -> None:
    said = refusal("zoo.Species", latin=lambda _self, value: value)
    assert "because zoo.Exhibit.species refers to it (to_field)." in said


def test_a_value_that_the_field_refuses_is_not_shown(
    albums: None, refusal: Callable[..., str]
) -> None:
    assert SECRET not in refusal("music.Album", title=lambda _self, value: value * 20)


def test_a_module_masks_with_the_classes_that_it_defines(
    albums: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "masks_of_zoo.Imported", mask_of("music.Genre", name=masks.token), raising=False
    )
    assert SECRET in dumped("music.Genre", mask=MASKS)


def test_equal_decimals_have_one_pseudonym() -> None:
    assert masks.token(Decimal("1.0")) == masks.token(Decimal("1.00")) == masks.token(Decimal(1))
    fine = masks.number(Decimal("1.00"), 0, 999)
    assert masks.number(Decimal("1.0"), 0, 999) == round(fine, 1)


def test_natural_keys_would_leak_and_are_refused_with_a_mask(albums: None) -> None:
    for option in ("use_natural_foreign_keys", "use_natural_primary_keys"):
        with pytest.raises(CommandError, match="--mask cannot be combined with natural keys"):
            dumped(mask=MASKS, **{option: True})


def test_a_json_value_that_is_changed_in_place_is_masked(
    checkup: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def json(_self: object, value: Any) -> Any:
        value.clear()
        return value

    monkeypatch.setattr("masks_of_zoo.CheckupMask", mask_of("zoo.Checkup", json=json))
    text = dumped("zoo.Checkup", mask=f"{MASKS}.CheckupMask")
    assert f"'all': ['{SECRET}'" not in text


def test_fields_that_look_personal_and_are_not_masked_are_named(
    checkup: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masks_of_zoo.CheckupMask", mask_of("zoo.Checkup", email=None))
    said = called("dumpdata", "zoo.Checkup", format="py", mask=f"{MASKS}.CheckupMask").err
    assert "Not masked" in said
    assert "zoo.Checkup.ip" in said
    assert "zoo.Checkup.email" not in said
    assert "Not masked" not in called("dumpdata", "zoo.Checkup", format="py").err


def test_a_mask_is_for_the_format_py_only() -> None:
    with pytest.raises(CommandError, match="--mask is for the format py only"):
        called("dumpdata", format="json", mask=MASKS)


def test_a_fixture_of_objects_is_not_written_with_a_mask() -> None:
    with pytest.raises(CommandError, match="--as-objects cannot be combined with --mask"):
        dumped("music.Artist", as_objects=True, mask=MASKS)


def test_a_password_is_unusable_and_the_same_each_time() -> None:
    assert masks.password("pbkdf2$x") == masks.password("pbkdf2$x") != masks.password("other")
    assert masks.password("pbkdf2$x").startswith("!")


def test_empty_values_stay_empty() -> None:
    helpers = (masks.token, masks.name, masks.email, masks.text, masks.file, masks.password)
    assert {helper("") for helper in helpers} == {""}
