"""Masked dumps: other values than those of the database, the same everywhere and every time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from traceback import format_exception
from typing import Any
from uuid import UUID

import pytest
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import (
    CASCADE,
    BaseConstraint,
    CharField,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    UniqueConstraint,
    Value,
)
from django.db.models.functions import Lower
from django.test import override_settings
from django.test.utils import isolate_apps
from running import Said, called, dumped, loaded

import dumpy
from dumpy import masks
from dumpy.reading.dump import IS_MASKED
from dumpy.schema.tables import table_of
from dumpy.writing.masking import PERSONAL, Masking
from music.models import Album, Artist, Genre
from zoo import models as zoo
from zoo.fields import Colour

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


def test_a_load_says_that_the_dump_is_masked_unless_it_is_to_be_silent(
    checkup: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "masked.py"
    path.write_text(dumped("zoo.Checkup", mask=MASKS))
    assert f"{IS_MASKED}\n" in loaded(path).out
    assert loaded(path, verbosity=0) == Said("", "")
    path.write_text(dumped("zoo.Checkup"))
    assert IS_MASKED not in loaded(path).out


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


def test_masks_at_several_paths_add_to_each_other(albums: None) -> None:
    paths = [f"{MASKS}.ArtistMask", f"{MASKS}.AlbumMask"]
    options = [f"--mask={path}" for path in paths]
    said = called("dumpdata", "music.Artist", "music.Album", "--format=py", *options).out
    assert (
        said.splitlines()[4:] == dumped("music.Artist", "music.Album", mask=MASKS).splitlines()[4:]
    )
    assert f"Values are masked by {', '.join(paths)}." in said


def test_a_mask_of_an_unknown_model_is_refused_with_file_and_spelling(
    refusal: Callable[..., str],
) -> None:
    said = refusal("music.Artits")
    assert "test_masks.py: TestMask" in said
    assert "there is no model 'music.Artits'. Did you mean music.Artist?" in said


@isolate_apps("zoo")
def test_a_mask_of_an_abstract_model_is_refused_as_it_would_mask_nothing(
    refusal: Callable[..., str],
) -> None:
    class Base(Model):
        text = IntegerField()

        class Meta:
            app_label = "zoo"
            abstract = True

    said = refusal(Base, text=lambda _self, value: value)
    assert "zoo.Base is abstract: write a mask for each model that inherits from it." in said
    assert "there is no model <class 'object'>." in refusal(object)


def test_a_mask_of_an_unknown_field_is_refused_with_spelling(refusal: Callable[..., str]) -> None:
    said = refusal("music.Artist", nmae=lambda _self, _value: "")
    assert "no field 'nmae' with a column of its own." in said
    assert said.endswith("Did you mean name?")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("music.Artist", "id"),
        ("zoo.Animal", "species"),
        ("zoo.Species", "latin"),  # the to_field of zoo.Exhibit.species
        ("zoo.Booking", "day"),  # a part of a composite key
        ("zoo.Note", "object_id"),
    ],
)
def test_keys_and_what_references_need_cannot_be_masked(
    refusal: Callable[..., str], label: str, name: str
) -> None:
    said = refusal(label, **{name: lambda _self, value: value})
    assert f"TestMask.{name}: it cannot be masked, because it is a key, or a reference" in said


@isolate_apps("zoo")
def test_a_column_that_the_generic_key_of_a_child_uses_cannot_be_masked(
    refusal: Callable[..., str],
) -> None:
    class Target(Model):
        number = IntegerField()
        kind = ForeignKey(ContentType, CASCADE, related_name="+")

        class Meta:
            app_label = "zoo"

    class Child(Target):
        other = IntegerField()
        one = GenericForeignKey("kind", "number")
        two = GenericForeignKey("kind", "other")

        class Meta:
            app_label = "zoo"

    for model, name in ((Target, "number"), (Child, "other")):
        assert "it cannot be masked" in refusal(model, **{name: lambda _self, value: value})
    assert "has no field 'number'" in refusal(Child, number=lambda _self, value: value)


@pytest.mark.parametrize(("label", "name"), [("zoo.Animal", "friends"), ("zoo.Bird", "name")])
def test_links_and_the_fields_of_a_parent_are_none_that_a_mask_can_name(
    refusal: Callable[..., str], label: str, name: str
) -> None:
    said = refusal(label, **{name: lambda _self, value: value})
    assert f"{label} has no field {name!r} with a column of its own." in said
    assert "A field of a parent model is masked in a mask of it." in said


def masked(monkeypatch: pytest.MonkeyPatch, label: str, **methods: Any) -> Said:
    """Return a dump of all models with a mask of one of them, and what is said."""
    monkeypatch.setattr("masks_of_zoo.ArtistMask", mask_of(label, **methods))
    return called("dumpdata", format="py", mask=f"{MASKS}.ArtistMask")


def test_a_mask_of_a_parent_masks_the_rows_of_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zoo.Parrot.objects.create(pk=1, name=SECRET, wingspan=7, vocabulary="hello")
    said = masked(monkeypatch, "zoo.Creature", name=lambda _self, _value: "polly").out
    assert "create_zoo_creature(1, 'polly', 1, [])" in said
    assert SECRET not in said


def test_a_mask_of_a_proxy_is_one_of_its_table(
    monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    zoo.Chick.objects.create(pk=1, name="Tweety", wingspan=7)
    assert "create_zoo_bird(1, 8, [])" in (
        masked(monkeypatch, "zoo.Chick", wingspan=lambda _self, value: value + 1).out
    )
    assert "zoo.Bird has no field 'name'" in refusal("zoo.Chick", name=lambda _self, value: value)


def test_a_row_with_a_composite_key_is_masked_and_named(
    monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    chip = zoo.Chip.objects.create(pk=UUID(int=7))
    zoo.Booking.objects.create(chip=chip, day=date(2024, 2, 29), visitor=SECRET)
    said = masked(monkeypatch, "zoo.Booking", visitor=lambda _self, _value: "x")
    assert f"create_zoo_booking(UUID('{chip.pk}'), date(2024, 2, 29), 'x')" in said.out
    refused = refusal("zoo.Booking", visitor=lambda _self, value: value * 40)
    assert "zoo.Booking(pk=(UUID(" in refused
    assert (
        "datetime.date(2024, 2, 29))): the mask test_masks.TestMask.visitor() returns a value"
        in refused
    )


def test_a_json_null_stays_one_and_no_mask_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.Diet.objects.create(pk=1, plan=Value(None, JSONField()))
    zoo.Diet.objects.create(pk=2, plan=[None], optional_plan=None)
    seen: list[object] = []
    mask = {"plan": lambda _self, value: seen.append(value) or {"masked": None}}
    said = masked(monkeypatch, "zoo.Diet", **mask).out
    assert "create_zoo_diet(1, json_null, None, None, None)" in said
    assert "create_zoo_diet(2, {'masked': None}, None, None, None)" in said
    assert seen == [[None]]


def test_a_mask_that_raises_is_named_with_its_row(
    albums: None, refusal: Callable[..., str]
) -> None:
    def name(_self: object, value: str) -> str:
        raise ValueError(f"{value} is no name")

    said = refusal("music.Artist", name=name)
    assert "music.Artist(pk=1): the mask test_masks.TestMask.name() raises ValueError in " in said
    assert f"{__file__}:{name.__code__.co_firstlineno + 1}. Correct the mask." in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("masked", "reason"),
    [
        ("x" * 121, "a value that the field refuses (max_length)"),
        ("same", "is unique. Correct the mask: dumpy.masks.token(value) returns"),
        (None, "returns None, but the field is not null"),
    ],
)
def test_a_value_that_the_field_refuses_is_not_written(
    albums: None, refusal: Callable[..., str], masked: object, reason: str
) -> None:
    assert reason in refusal("music.Genre", name=lambda _self, _value: masked)


class Odd:
    """A value that no field takes, and that shows the value that was to be masked."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"{self.value}"

    __str__ = __format__ = lambda self, *_: 1 / 0  # type: ignore[assignment]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _self, value: value * 20,
        lambda _self, value: Odd(value),
        lambda _self, value: {value: Odd(value)},
        lambda _self, value: f"{value}\x00\ud800",
        lambda _self, value: [[value]] * 2,
    ],
    ids=["long", "odd", "dict", "surrogate", "list"],
)
@pytest.mark.parametrize(
    ("instance", "name"),
    [
        (Genre(pk=1, name=SECRET), "name"),
        (zoo.Checkup(pk=1, json=SECRET), "json"),
        (zoo.Checkup(pk=1, email="ada@Ada Lovelace of London"), "email"),
        (zoo.Diet(pk=1, plan=SECRET), "plan"),
        (zoo.Diet(pk=1, plan=1, exact_plan=SECRET), "exact_plan"),
        (zoo.Basket(pk=1, fruits={SECRET}), "fruits"),
        (zoo.Plumage(pk=1, colour=Colour(SECRET, "")), "colour"),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_a_wrong_result_of_a_mask_shows_no_value(
    monkeypatch: pytest.MonkeyPatch, instance: Model, name: str, wrong: Any
) -> None:
    instance.save()
    try:
        said = masked(monkeypatch, instance._meta.label, **{name: wrong}).err
    except CommandError as error:
        said = "".join(format_exception(error))
    assert SECRET not in said


@pytest.mark.sqlite
@pytest.mark.parametrize("column", ["integer", "day", "moment", "price", "json"])
def test_a_value_that_cannot_be_read_is_not_shown_if_it_is_masked(
    checkup: dict[str, Any], refusal: Callable[..., str], column: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = 1")
        cursor.execute(f"UPDATE zoo_checkup SET {column} = %s", [SECRET])
        cursor.execute("PRAGMA ignore_check_constraints = 0")
    said = refusal("zoo.Checkup", **{column: lambda _self, value: value})
    assert f"zoo.Checkup(pk=1): the value of {column!r} cannot be read: it is not shown" in said
    assert SECRET not in said


@pytest.mark.sqlite
def test_a_number_that_is_masked_is_in_no_note(
    checkup: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE zoo_checkup SET price = 47.123456789")
    assert "47.12" not in masked(monkeypatch, "zoo.Checkup", price=lambda _self, _value: 8).err


def test_a_constraint_that_is_none_of_uniqueness_does_not_matter(
    albums: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlap = BaseConstraint(name="overlap")
    monkeypatch.setattr(Album._meta, "constraints", [overlap])
    said = masked(monkeypatch, "music.Album", title=lambda _self, _value: "same")
    assert "create_music_album(1, 'same', 1)" in said.out


def test_a_mask_of_a_field_in_a_unique_constraint_must_return_other_values_for_others(
    albums: None, monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    constraint = UniqueConstraint(Lower("title"), "artist", name="unique_title")
    monkeypatch.setattr(Album._meta, "constraints", [constraint])
    Album.objects.create(pk=2, title="other", artist_id=1)
    said = refusal("music.Album", title=lambda _self, _value: "same")
    assert "returns the same value for two values, and the field is unique." in said


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


def test_decimals_that_differ_in_their_last_of_many_digits_have_two_pseudonyms() -> None:
    one, other = Decimal("1." + 40 * "0" + "1"), Decimal("1." + 40 * "0" + "2")
    assert masks.token(one) != masks.token(other)


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


def test_fields_that_look_personal_and_are_not_masked_are_named_by_a_check(
    checkup: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("masks_of_zoo.CheckupMask", mask_of("zoo.Checkup", email=None))
    for directory in (False, True):
        path = tmp_path / ("dump" if directory else "dump.py")
        if directory:
            called("dump2py", str(path), mask=f"{MASKS}.CheckupMask")
        else:
            called("dumpdata", "zoo", format="py", output=str(path), mask=f"{MASKS}.CheckupMask")
        report = called("checkdump", str(path), "--no-rehearsal").out
        (line,) = [line for line in report.splitlines() if line.startswith("Not masked")]
        assert "zoo.Checkup.ip" in line
        assert "zoo.Checkup.email" not in line


def test_a_table_that_is_left_out_is_not_named_as_unmasked(
    checkup: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("masks_of_zoo.CheckupMask", mask_of("zoo.Checkup", email=None))
    monkeypatch.setattr(zoo.Checkup._meta.get_field("ip"), "column", "no_such_column")
    with pytest.raises(CommandError, match="is complete except for zoo"):
        called("dump2py", str(tmp_path / "dump"), tolerate=True, mask=f"{MASKS}.CheckupMask")
    assert "zoo.Checkup.ip" not in (tmp_path / "dump" / "restore.py").read_text(encoding="utf-8")


@isolate_apps("music")
def test_a_name_beside_a_field_that_looks_personal_looks_so_too() -> None:
    class Guest(Model):
        name = CharField(max_length=40)
        email = CharField(max_length=40)

        class Meta:
            app_label = "music"

    class Room(Model):
        name = CharField(max_length=40)

        class Meta:
            app_label = "music"

    masking = Masking(MASKS)
    assert masking.personal(table_of(Guest)) == ["music.Guest.name", "music.Guest.email"]
    assert masking.personal(table_of(Room)) == []


@pytest.mark.parametrize("name", ["born", "date_of_birth", "telephone", "work_phone", "ip_2"])
def test_a_name_looks_personal(name: str) -> None:
    assert PERSONAL.search(name)


@pytest.mark.parametrize("name", ["reborn", "shipping", "headphone", "recipe"])
def test_a_name_does_not_look_personal(name: str) -> None:
    assert not PERSONAL.search(name)


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
