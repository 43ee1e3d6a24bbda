"""What migrators make of the rows of a dump of an older version."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import router
from django.test import override_settings
from migrating_tools import Step, Table, dump, loaded, migrator, settings_for
from running import called

from dumpy import LoadError, MigrationError, override
from dumpy.dump import new
from dumpy.errors import FixtureError, FixtureErrors
from dumpy.migrating.changes import Record, RenameModel
from dumpy.migrating.install import migration_of_dump
from dumpy.reading import Dump
from dumpy.reading.source import open_source
from dumpy.text.skeleton import Skeleton
from dumpy.text.words import Natural
from music.models import Album, Artist, Genre, Playlist
from zoo.models import Diet

pytestmark = pytest.mark.django_db

GENRES: Table = ("music.Genre", "id name", [(1, "Rock"), (2, "Jazz")])
TITLES: Table = ("music.Genre", "id title", [(1, "Rock"), (2, "Jazz")])
NAMES = [(1, "Rock"), (2, "Jazz")]


def genres() -> list[tuple[Any, ...]]:
    return list(Genre.objects.order_by("pk").values_list("pk", "name"))


def step(*calls: tuple[Any, ...], to: str = "2.0") -> Step:
    """Return a step that calls methods of its migrator."""

    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        for name, *arguments in calls:
            getattr(self, name)(*arguments)
        return to

    return migrate


PURE: dict[str, tuple[Table, list[tuple[Any, ...]]]] = {
    "a field that was renamed": (TITLES, [("rename_field", "music.Genre", "title", "name")]),
    "a field that was removed": (
        ("music.Genre", "id name colour", [(1, "Rock", "red"), (2, "Jazz", None)]),
        [("remove_field", "music.Genre", "colour")],
    ),
    "a model that was renamed": (
        ("music.Kind", "id name", NAMES),
        [("rename_model", "music.Kind", "music.Genre")],
    ),
    "a model that was moved": (
        ("shop.Kind", "id name", NAMES),
        [("rename_model", "shop.Kind", "music.Genre")],
    ),
    "an app that was renamed": (
        ("shop.Genre", "id name", NAMES),
        [("rename_app", "shop", "music")],
    ),
    "a field of a model that was renamed": (
        ("shop.Kind", "id title", NAMES),
        [
            ("rename_model", "shop.Kind", "music.Genre"),
            ("rename_field", "music.Genre", "title", "name"),
        ],
    ),
    "labels in lower case": (TITLES, [("rename_field", "music.genre", "title", "name")]),
}


@pytest.mark.parametrize(("table", "calls"), PURE.values(), ids=PURE)
def test_renames_and_removals_keep_the_lane_of_rows(
    table: Table, calls: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    said = loaded(tmp_path, dump("1.0", table), "2.0", migrator(v1_0=step(*calls)), verbosity=2)
    assert genres() == NAMES
    assert "music.Genre (rows): 2 inserted" in said


CODE: dict[str, tuple[Table, list[tuple[Any, ...]]]] = {
    "values by a mapping": (
        ("music.Genre", "id name", [(1, "R"), (2, "Jazz")]),
        [("change_values", "music.Genre", "name", {"R": "Rock"})],
    ),
    "values by a function": (
        ("music.Genre", "id name", [(1, "rock"), (2, "jazz")]),
        [("change_values", "music.Genre", "name", str.title)],
    ),
    "values of a field that is renamed then": (
        ("music.Genre", "id title", [(1, "rock"), (2, "jazz")]),
        [
            ("change_values", "music.Genre", "title", str.title),
            ("rename_field", "music.Genre", "title", "name"),
        ],
    ),
}


@pytest.mark.parametrize(("table", "calls"), CODE.values(), ids=CODE)
def test_values_are_changed_in_the_lane_of_objects(
    table: Table, calls: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    said = loaded(tmp_path, dump("1.0", table), "2.0", migrator(v1_0=step(*calls)), verbosity=2)
    assert genres() == NAMES
    assert "music.Genre (objects): 2 inserted" in said


def test_a_field_can_be_added_with_one_value_for_all_rows(tmp_path: Path) -> None:
    table = "music.Album", "id title", [(1, "Balls to the Wall")]
    artists = "music.Artist", "id name", [(7, "Accept")]
    steps = migrator(v1_0=step(("add_field", "music.Album", "artist", 7)))
    loaded(tmp_path, dump("1.0", artists, table), "2.0", steps)
    assert Album.objects.get().artist.name == "Accept"


def test_a_foreign_key_is_renamed_by_its_name(tmp_path: Path) -> None:
    artists = "music.Artist", "id name", [(7, "Accept")]
    albums = "music.Album", "id title band_id", [(1, "Balls to the Wall", 7)]
    steps = migrator(v1_0=step(("rename_field", "music.Album", "band", "artist")))
    loaded(tmp_path, dump("1.0", artists, albums), "2.0", steps)
    assert Album.objects.get().artist_id == 7


TAKEN: dict[str, tuple[str, tuple[Any, ...]]] = {
    "added by name": ("artist_id", ("add_field", "music.Album", "artist", 7)),
    "added as it is": ("artist_id", ("add_field", "music.Album", "artist_id", 7)),
    "added by column": ("artist", ("add_field", "music.Album", "artist_id", 7)),
    "renamed by name": ("artist_id", ("rename_field", "music.Album", "title", "artist")),
    "renamed by column": ("artist", ("rename_field", "music.Album", "title", "artist_id")),
    "of a model that is gone": ("artist_id", ("add_field", "shop.Album", "artist", 7)),
}


@pytest.mark.parametrize(("name", "call"), TAKEN.values(), ids=TAKEN)
def test_a_foreign_key_that_rows_have_is_not_overwritten(
    name: str, call: tuple[Any, ...], tmp_path: Path
) -> None:
    table = call[1], f"id title {name}", [(1, "Balls to the Wall", 5)]
    with pytest.raises(MigrationError) as caught:
        loaded(tmp_path, dump("1.0", table), "2.0", migrator(v1_0=step(call)))
    assert f"the rows of {call[1]} have a field {name!r} already." in str(caught.value)


def test_a_foreign_key_may_be_renamed_to_its_column(tmp_path: Path) -> None:
    artists = "music.Artist", "id name", [(7, "Accept")]
    albums = "music.Album", "id title band_id", [(1, "Balls to the Wall", 7)]
    steps = migrator(v1_0=step(("rename_field", "music.Album", "band_id", "artist_id")))
    loaded(tmp_path, dump("1.0", artists, albums), "2.0", steps)
    assert Album.objects.get().artist_id == 7


def test_the_rows_of_a_model_can_be_dropped(tmp_path: Path) -> None:
    text = dump("1.0", ("shop.Cache", "id key", [(1, "a")]), GENRES)
    loaded(tmp_path, text, "2.0", migrator(v1_0=step(("remove_model", "shop.Cache"))))
    assert genres() == NAMES


def split(self: Any, globals_dict: dict[str, Any]) -> str:
    """Songs become artists and albums."""
    artist, album = globals_dict["music_Artist"], globals_dict["music_Album"]

    @override(globals_dict)
    def create_shop_song(id: int, title: str, band: str) -> Any:
        yield new(artist, id=id, name=band)
        yield new(album, id=id, title=title, artist=id)

    return "2.0"


SONGS: Table = ("shop.Song", "id title band", [(1, "Princess", "Accept"), (2, "Fly", "Buddy")])


def test_a_row_can_become_objects_of_several_models(tmp_path: Path) -> None:
    loaded(tmp_path, dump("1.0", SONGS), "2.0", migrator(v1_0=split))
    assert list(Album.objects.order_by("pk").values_list("pk", "title", "artist__name")) == [
        (1, "Princess", "Accept"),
        (2, "Fly", "Buddy"),
    ]


def test_rows_can_be_merged_and_dropped(tmp_path: Path) -> None:
    def merge(self: Any, globals_dict: dict[str, Any]) -> str:
        names: dict[int, str] = {}

        @override(globals_dict)
        def create_shop_first(id: int, name: str) -> None:
            names[id] = name

        @override(globals_dict)
        def create_shop_last(id: int, name: str) -> Any:
            return new(globals_dict["music_Artist"], id=id, name=f"{names[id]} {name}")

        return "2.0"

    first = "shop.First", "id name", [(1, "Ella"), (2, "Miles")]
    last = "shop.Last", "id name", [(1, "Fitzgerald"), (2, "Davis")]
    loaded(tmp_path, dump("1.0", first, last), "2.0", migrator(v1_0=merge))
    assert set(Artist.objects.values_list("name", flat=True)) == {"Ella Fitzgerald", "Miles Davis"}


def test_a_model_that_came_and_went_between_two_versions_has_a_stand_in(tmp_path: Path) -> None:
    def into(self: Any, globals_dict: dict[str, Any]) -> str:
        label = self.model("shop.Label")

        @override(globals_dict)
        def create_music_genre(id: int, name: str) -> Any:
            return new(label, id=id, text=name)

        return "1.1"

    def out_of(self: Any, globals_dict: dict[str, Any]) -> str:
        genre = self.model("music.Genre")

        @override(globals_dict)
        def create_shop_label(id: int, text: str) -> Any:
            return new(genre, id=id, name=text)

        return "2.0"

    loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=into, v1_1=out_of))
    assert genres() == NAMES


def test_a_later_step_works_on_what_earlier_ones_have_made(tmp_path: Path) -> None:
    def upper(self: Any, globals_dict: dict[str, Any]) -> str:
        album = globals_dict["music_Album"]

        @override(globals_dict)
        def create_music_album(title: str, **fields: Any) -> Any:
            return new(album, title=title.upper(), **fields)

        return "3.0"

    steps = migrator(v1_0=split, v2_0=upper)
    loaded(tmp_path, dump("1.0", SONGS), "3.0", steps)
    assert set(Album.objects.values_list("title", flat=True)) == {"PRINCESS", "FLY"}


def test_overrides_of_one_function_compose(tmp_path: Path) -> None:
    def adding(text: str, to: str) -> Step:
        def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
            genre = globals_dict["music_Genre"]

            @override(globals_dict)
            def create_music_genre(id: int, name: str) -> Any:
                return new(genre, id=id, name=name + text)

            return to

        return migrate

    steps = migrator(v1_0=adding("a", "1.1"), v1_1=adding("b", "2.0"))
    loaded(tmp_path, dump("1.0", GENRES), "2.0", steps)
    assert genres() == [(1, "Rockab"), (2, "Jazzab")]


def test_a_step_may_replace_a_function_of_the_globals_itself(tmp_path: Path) -> None:
    def replaced(self: Any, globals_dict: dict[str, Any]) -> str:
        before = globals_dict["create_music_genre"]

        def create(id: int, name: str) -> Any:
            record = before(id, name)
            record.name += "!"
            return record

        globals_dict["create_music_genre"] = create
        return "1.1"

    steps = migrator(v1_0=replaced, v1_1=step(("change_values", "music.Genre", "name", str.upper)))
    loaded(tmp_path, dump("1.0", GENRES), "2.0", steps)
    assert genres() == [(1, "ROCK!"), (2, "JAZZ!")]


def test_a_parameter_may_have_the_name_that_dumps_give_to_a_keyword(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_music_genre(id: int, class_: str) -> Any:
            return new(globals_dict["music_Genre"], id=id, name=class_)

        return "2.0"

    table = "music.Genre", "id class", NAMES
    loaded(tmp_path, dump("1.0", table), "2.0", migrator(v1_0=migrate))
    assert genres() == NAMES


def test_a_record_of_a_model_that_is_gone_can_be_read(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        before = globals_dict["create_shop_song"]

        def create(*values: Any) -> Any:
            song = before(*values)
            return new(globals_dict["music_Artist"], id=song.id, name=song.band)

        globals_dict["create_shop_song"] = create
        return "2.0"

    loaded(tmp_path, dump("1.0", SONGS), "2.0", migrator(v1_0=migrate))
    assert set(Artist.objects.values_list("name", flat=True)) == {"Accept", "Buddy"}


def test_a_record_can_be_copied_so_that_one_row_becomes_two(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        before = globals_dict["create_music_genre"]

        @override(globals_dict)
        def create_music_genre(id: int, name: str) -> Any:
            genre = before(id, name)
            revival = copy(genre)
            revival.id, revival.name = id + 10, f"{name} revival"
            return [genre, revival]

        return "2.0"

    loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=migrate))
    assert genres() == [*NAMES, (11, "Rock revival"), (12, "Jazz revival")]


def test_a_record_is_shown_as_what_makes_it() -> None:
    assert repr(Record("shop.Song", {"id": 1, "band": "Accept"})) == (
        "new('shop.Song', id=1, band='Accept')"
    )
    assert repr(Record("shop.Song", {})) == "new('shop.Song')"


def test_a_parameter_with_a_default_need_not_be_a_field_of_the_rows(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_music_genre(id: int, name: str = "unknown") -> Any:
            return new(globals_dict["music_Genre"], id=id, name=name)

        return "2.0"

    table = "music.Genre", "id", [(1,)]
    loaded(tmp_path, dump("1.0", table), "2.0", migrator(v1_0=migrate))
    assert genres() == [(1, "unknown")]


def test_a_mapping_leaves_alone_values_that_it_cannot_hold(tmp_path: Path) -> None:
    diets = "zoo.Diet", "id plan", [(1, ["hay"]), (2, "grass")]
    change = step(("change_values", "zoo.Diet", "plan", {"grass": "hay"}))
    loaded(tmp_path, dump("1.0", diets), "2.0", migrator(v1_0=change))
    assert [diet.plan for diet in Diet.objects.order_by("pk")] == [["hay"], "hay"]


def test_objects_without_a_key_do_not_take_the_keys_of_dumped_rows(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_shop_kind(id: int, name: str) -> Any:
            return new(globals_dict["music_Genre"], name=name)

        return "2.0"

    kinds = "shop.Kind", "id name", [(1, "Blues"), (2, "Soul")]
    loaded(tmp_path, dump("1.0", kinds, GENRES), "2.0", migrator(v1_0=migrate))
    assert genres()[:2] == NAMES
    assert {name for _key, name in genres()} == {"Rock", "Jazz", "Blues", "Soul"}


ALBUMS: Table = ("music.Album", "id title artist_id", [(1, "Eat the Heat", 7)])
MEDIA: Table = ("music.MediaType", "id name", [(1, "MPEG")])
TRACKS: Table = (
    "music.Track",
    "id name media_type_id composer milliseconds unit_price playlists",
    [(number, "T", 1, "", 1, Decimal("0.99"), []) for number in (1, 2)],
)
ARTISTS: Table = ("music.Artist", "id name", [(5, "Accept"), (7, "Buddy")])


def test_a_row_that_loses_its_key_does_not_get_that_of_another_row(tmp_path: Path) -> None:
    """A reference by the old key would lead to another artist."""

    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_music_artist(id: int, name: str) -> Any:
            return new(globals_dict["music_Artist"], name=name)

        return "2.0"

    with pytest.raises(LoadError, match=r"artist_id=7 refers to a row of music.Artist that does"):
        loaded(tmp_path, dump("1.0", ARTISTS, ALBUMS), "2.0", migrator(v1_0=migrate))
    loaded(tmp_path, dump("1.0", ARTISTS), "2.0", migrator(v1_0=migrate))
    assert list(Artist.objects.order_by("pk").values_list("pk", flat=True)) == [8, 9]


@pytest.mark.parametrize(
    ("changed", "field", "value", "reason"),
    [
        ("music.Album", "artist", 77, "artist_id=77 refers to a row of music.Artist that does not"),
        ("music.Track", "playlists", [99], "playlist_id=99 refers to a row of music.Playlist that"),
    ],
)
def test_every_reference_of_a_migrator_that_leads_nowhere_is_named(
    tmp_path: Path, changed: str, field: str, value: object, reason: str
) -> None:
    rows = [(1, "A", 7), (2, "B", 7)]
    albums: Table = ("music.Album", "id title artist_id", rows)
    steps = migrator(v1_0=step(("change_values", changed, field, lambda _old: value)))
    with pytest.raises(LoadError) as caught:
        loaded(tmp_path, dump("1.0", ARTISTS, MEDIA, albums, TRACKS), "2.0", steps)
    assert [(one.ref.label, one.ref.key) for one in caught.value.problems] == [
        (changed, 1),
        (changed, 2),
    ]
    assert [one.reason for one in caught.value.problems if reason not in one.reason] == []


def test_a_key_that_rows_refer_to_cannot_be_removed(tmp_path: Path) -> None:
    steps = migrator(v1_0=step(("remove_field", "music.Artist", "id")))
    with pytest.raises(FixtureError, match=r"music.Album.artist_id refers to them by"):
        loaded(tmp_path, dump("1.0", ARTISTS, ALBUMS), "2.0", steps)
    loaded(tmp_path, dump("1.0", ARTISTS), "2.0", steps)
    assert {artist.name for artist in Artist.objects.all()} == {"Accept", "Buddy"}


def test_a_line_with_a_key_that_rows_refer_to_cannot_be_commented_out(tmp_path: Path) -> None:
    text = dump(None, ARTISTS, ALBUMS).replace("        id=id,\n", "        # id=id,\n", 1)
    with pytest.raises(FixtureError, match="Restore the line id=id,"):
        loaded(tmp_path, text, None)


def test_what_a_repair_leaves_to_migrators_is_said(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_music_genre(id: int, name: str) -> Any:
            return [new(globals_dict["music_Genre"], id=id, name=name)]

        self.after_load(lambda loader: None)
        return "2.0"

    Genre.objects.create(pk=7, name="Jazz")
    with settings_for("1.0", None):
        called("dump2py", str(tmp_path / "old"), "music.Genre", verbosity=0)
    Genre.objects.all().delete()
    with settings_for("2.0", migrator(v1_0=migrate)):
        said = called("repair", str(tmp_path / "old"), "music.Genre", "7", really=True).out
    assert Genre.objects.get().name == "Jazz"
    assert "music.Genre: a migrator makes its rows." in said
    assert "The after_load handlers of migrators are not run." in said


def test_children_without_a_key_can_be_left_out_of_a_repair_or_get_one(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_music_artist(id: int, **fields: Any) -> Any:
            yield new(globals_dict["music_Artist"], id=id, **fields)
            yield new(self.model("music.Album"), title="Hits", artist_id=id)

        return "2.0"

    Artist.objects.create(pk=1, name="AC/DC")
    with settings_for("1.0", None):
        called("dump2py", str(tmp_path / "old"), "music.Artist", verbosity=0)
    Artist.objects.all().delete()
    arguments = ("repair", str(tmp_path / "old"), "music.Artist", "1")
    with settings_for("2.0", migrator(v1_0=migrate)):
        with pytest.raises(CommandError) as error:
            called(*arguments, with_children=True)
        called(*arguments, really=True)
    way = "Leave out --with-children or give the rows a key in the migrator."
    assert str(error.value).endswith(way)
    assert Artist.objects.get().name == "AC/DC"


def test_handlers_are_called_before_and_after_the_load(tmp_path: Path) -> None:
    seen = []

    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @self.before_load
        def before(loader: Any) -> None:
            seen.append(Genre.objects.using(loader.using).count())

        @self.after_load
        def after(loader: Any) -> None:
            seen.append(Genre.objects.using(loader.using).count())
            loader.save(new(Playlist, id=1, name="All"))

        return "2.0"

    loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=migrate))
    assert seen == [0, 2]
    assert Playlist.objects.get().name == "All"


@pytest.mark.django_db(databases=["default", "other"])
def test_a_handler_before_the_load_is_led_to_its_database_by_djangos_loaddata_as_well() -> None:
    seen = []

    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        self.before_load(lambda loader: seen.append(router.db_for_read(Genre)))
        return "2.0"

    options = {"using": "other", "handle_forward_references": True}
    with settings_for("2.0", migrator(v1_0=migrate)):
        next(iter(serializers.deserialize("py", dump("1.0", GENRES), **options)))
    assert seen == ["other"]


@pytest.mark.parametrize("app", ["shop", "Shop"])
@pytest.mark.parametrize("name", ["Kind", "kind"])
def test_content_types_permissions_and_grants_follow_a_renamed_model(
    app: str, name: str, tmp_path: Path
) -> None:
    kind = Natural("contenttypes.ContentType", (app, "kind"))
    permissions = (
        "auth.Permission",
        "id name content_type_id codename",
        [(901, "Can add kind", kind, "add_kind"), (902, "Can play", kind, "play")],
    )
    groups = "auth.Group", "id name permissions", [(1, "Editors", [901, 902])]
    steps = migrator(v1_0=step(("rename_model", f"{app}.{name}", "music.Genre")))
    table = f"{app}.{name}", "id name", NAMES
    loaded(tmp_path, dump("1.0", table, permissions, groups), "2.0", steps)
    assert not ContentType.objects.filter(app_label=app).exists()
    granted = Group.objects.get().permissions
    assert set(granted.values_list("content_type__model", "codename")) == {
        ("genre", "add_genre"),
        ("genre", "play"),
    }
    assert Permission.objects.get(codename="add_genre").name == "Can add genre"


def test_permissions_of_models_that_become_one_become_one_with_all_grants(tmp_path: Path) -> None:
    photo = Natural("contenttypes.ContentType", ("shop", "photo"))
    video = Natural("contenttypes.ContentType", ("shop", "video"))
    rows = [
        (901, "Can add photo", photo, "add_photo"),
        (902, "Can play", photo, "play"),
        (903, "Can add video", video, "add_video"),
        (904, "Can play", video, "play"),
    ]
    permissions = "auth.Permission", "id name content_type_id codename", rows
    natural = Natural("auth.Permission", ("add_video", "shop", "video"))
    granted = [(1, "both", [901, 903]), (2, "one", [904]), (3, "natural", [natural])]
    groups = "auth.Group", "id name permissions", granted
    renames = [("rename_model", f"shop.{name}", "music.Genre") for name in ("Photo", "Video")]
    loaded(tmp_path, dump("1.0", permissions, groups), "2.0", migrator(v1_0=step(*renames)))
    found = Group.objects.order_by("pk").values_list("permissions", "permissions__codename")
    assert list(found) == [(901, "add_genre"), (902, "play"), (901, "add_genre")]


REFERENCES = [
    (("contenttypes.ContentType", ("Shop", "track")), ("Shop", "song")),
    (("auth.Permission", ("add_track", "Shop", "track")), ("add_song", "Shop", "song")),
    (("auth.Permission", ("play", "Shop", "track")), ("play", "Shop", "song")),
]


@pytest.mark.parametrize(("natural", "key"), REFERENCES)
def test_references_keep_the_capitals_of_an_app(
    natural: tuple[str, tuple[str, ...]], key: tuple[str, ...]
) -> None:
    assert RenameModel("Shop.Track", "Shop.Song").natural(Natural(*natural)).key == key


def test_a_natural_key_of_a_renamed_model_is_one_of_its_new_name() -> None:
    natural = RenameModel("Shop.Track", "Shop.Song").natural(Natural("Shop.track", ("Jam",)))
    assert natural == Natural("Shop.Song", ("Jam",))


def test_migrated_rows_may_be_validated_by_the_drift_check_before_the_first_write(
    tmp_path: Path,
) -> None:
    steps = migrator(v1_0=step(("rename_field", "music.Genre", "title", "nom")))
    with pytest.raises((FixtureError, FixtureErrors), match="has no field 'nom'"):
        loaded(tmp_path, dump("1.0", TITLES), "2.0", steps)
    assert genres() == []


WRONG: dict[str, tuple[Step, str]] = {
    "raises": (lambda self, g: 1 / 0, "migrate_from_1_0: ZeroDivisionError: division by zero."),
    "exits": (lambda self, g: exit(3), "migrate_from_1_0: it ends the process with sys.exit(3)."),
    "returns nothing": (lambda self, g: None, "migrate_from_1_0: it returns None."),
    "returns no version": (lambda self, g: "soon", "migrate_from_1_0: it returns 'soon'."),
    "stays": (lambda self, g: "1.0", "migrate_from_1_0: it returns '1.0', which is not higher"),
    "goes back": (lambda self, g: "0.9", "migrate_from_1_0: it returns '0.9', which is not higher"),
    "goes too far": (lambda self, g: "2.1", "migrate_from_1_0: it leads to version 2.1"),
    "no such field": (
        step(("rename_field", "music.Genre", "nam", "name")),
        "migrate_from_1_0: the rows of music.Genre have no field 'nam'; they have id, name.",
    ),
    "no such field to change": (
        step(("change_values", "music.Genre", "nam", {})),
        "migrate_from_1_0: the rows of music.Genre have no field 'nam'",
    ),
    "a name that is taken": (
        step(("rename_field", "music.Genre", "id", "name")),
        "migrate_from_1_0: the rows of music.Genre have a field 'name' already.",
    ),
    "no such app": (
        step(("rename_app", "nope", "music")),
        "migrate_from_1_0: neither the dump nor the project has an app 'nope'.",
    ),
    "a name without an app": (
        step(("rename_model", "music.Genre", "Kind")),
        "migrate_from_1_0: rename_model() takes a label as app_label.ModelName, not 'Kind'.",
    ),
    "a value that is a function": (
        step(("add_field", "music.Genre", "code", len)),
        "migrate_from_1_0: add_field() takes one value of the vocabulary for all rows",
    ),
    "values that are none": (
        step(("change_values", "music.Genre", "name", 5)),
        "migrate_from_1_0: change_values() takes a mapping or a function, not 5.",
    ),
    "an override of nothing": (
        lambda self, g: override(lambda id: None),
        "override() takes the globals. Write @override(globals_dict).",
    ),
    "an override of other globals": (
        lambda self, g: override({})(create_music_gerne),
        "override() of create_music_gerne(): these are not the globals of a dump.",
    ),
    "no such model": (
        step(("change_values", "music.Gerne", "name", {})),
        "migrate_from_1_0: nothing has a model 'music.Gerne'. Did you mean music.Genre?",
    ),
}


@pytest.mark.parametrize(("migrate", "sentence"), WRONG.values(), ids=WRONG)
def test_a_step_that_is_wrong_is_refused_by_its_name(
    migrate: Step, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(MigrationError) as caught:
        loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=migrate))
    assert str(caught.value).startswith(sentence)
    assert genres() == []


def overriding(create: Any) -> Step:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        override(globals_dict)(create)
        return "2.0"

    return migrate


def create_music_gerne(id: int) -> None:
    """Override nothing that there is."""


def create_a_voucher(id: int) -> None:
    """Override what the dump does not have."""


def create_music_genre(id: int, nam: str) -> None:
    """Take what no row has."""


@pytest.mark.parametrize(
    ("create", "sentence"),
    [
        (create_music_gerne, "nothing has a function create_music_gerne(). Did you mean"),
        (create_music_genre, "create_music_genre() takes 'nam', but the rows of music.Genre have"),
    ],
)
def test_an_override_that_fits_nothing_is_refused(
    create: Any, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(MigrationError) as caught:
        loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=overriding(create)))
    assert str(caught.value).startswith(f"migrate_from_1_0: {sentence}")


def making(value: Any) -> Step:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        before = globals_dict["create_music_genre"]

        @override(globals_dict)
        def create_music_genre(id: int, name: str) -> Any:
            return value({**globals_dict, "before": before}, id)

        return "2.0"

    return migrate


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (lambda g, id: 1 / 0, "migrate_from_1_0: ZeroDivisionError: division by zero."),
        (lambda g, id: exit(1), "migrate_from_1_0: it ends the process with sys.exit(1)."),
        (
            lambda g, id: "Rock",
            "migrate_from_1_0: TypeError: it gives 'Rock', which is not an object.",
        ),
        (lambda g, id: new(g["music_Genre"], id=id, nom="x"), "music.Genre has no field 'nom'"),
        (lambda g, id: new(g["resolve_model"]("a.B"), id=id), "there is no model 'a.B'"),
        (lambda g, id: g["before"](id), "create_music_genre() takes (id, name), not 1 value."),
        (
            lambda g, id: g["before"](id, "Rock").nom,
            "AttributeError: the rows of music.Genre have no field 'nom'; they have id, name.",
        ),
    ],
)
def test_a_row_that_a_step_cannot_make_is_named_and_nothing_is_loaded(
    value: Any, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises((FixtureError, LoadError)) as caught:
        loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=making(value)))
    assert sentence in str(caught.value)
    assert "old.py:29" in str(caught.value)
    assert genres() == []


def test_a_change_of_a_field_that_code_does_not_give_is_named_with_the_row(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        making(lambda g, id: new(g["music_Genre"], id=id))(self, globals_dict)
        self.change_values("music.Genre", "name", str.title)
        return "2.0"

    said = r"old.py:29: migrate_from_1_0: the rows of music.Genre have no field 'name'"
    with pytest.raises(FixtureError, match=said):
        loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=migrate))


def test_a_refusal_of_a_handler_is_said_as_it_is(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @self.after_load
        def count(loader: Any) -> None:
            raise MigrationError("count", "there are too few genres.")

        return "2.0"

    with pytest.raises(MigrationError, match=r"^count: there are too few genres\.$"):
        loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=migrate))
    assert genres() == []


def test_an_override_that_calls_itself_is_refused_in_one_sentence(tmp_path: Path) -> None:
    steps = migrator(v1_0=making(lambda g, id: g["create_music_genre"](id, "x")))
    with pytest.raises((FixtureError, LoadError)) as caught:
        loaded(tmp_path, dump("1.0", GENRES), "2.0", steps)
    said = "migrate_from_1_0: create_music_genre() calls itself by its name in the globals."
    assert said in str(caught.value)
    assert str(caught.value).count("migrate_from_1_0") == 1
    assert "return new(self.model('music.Genre'), …)." in str(caught.value)


def test_a_dump_of_an_older_version_may_lack_what_a_later_step_names(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        self.remove_model("a.B")
        self.change_values("a.C", "name", {})
        override(globals_dict)(create_a_voucher)
        return "2.0"

    steps = migrator(v1_0=step(to="1.1"), v1_1=migrate)
    said = loaded(tmp_path, dump("1.0", GENRES), "2.0", steps)
    assert genres() == NAMES
    assert "migrate_from_1_1: nothing has a function create_a_voucher(). It is skipped." in said
    assert "migrate_from_1_1: nothing has a model 'a.C'. It is skipped." in said
    assert "a.B" not in said


TYPOS: dict[str, tuple[Step, str]] = {
    "a field": (
        step(("change_values", "music.Genre", "nmae", {})),
        "nothing has a field 'nmae' of music.Genre. Did you mean name?",
    ),
    "a field of rows that are code by then": (
        step(
            ("change_values", "music.Genre", "name", {}),
            ("change_values", "music.Genre", "nam", {}),
        ),
        "nothing has a field 'nam' of music.Genre. Did you mean name?",
    ),
    "a field that is renamed": (
        step(("rename_field", "music.Genre", "nam", "title")),
        "nothing has a field 'nam' of music.Genre. Did you mean name?",
    ),
    "a model": (
        step(("change_values", "music.Gerne", "name", {})),
        "nothing has a model 'music.Gerne'. Did you mean music.Genre?",
    ),
    "a function": (
        overriding(create_music_gerne),
        "nothing has a function create_music_gerne(). Did you mean create_music_genre?",
    ),
}


@pytest.mark.parametrize(("typo", "sentence"), TYPOS.values(), ids=TYPOS)
def test_a_typo_in_a_later_step_is_refused(typo: Step, sentence: str, tmp_path: Path) -> None:
    steps = migrator(v1_0=step(to="1.1"), v1_1=typo)
    with pytest.raises(MigrationError) as caught:
        loaded(tmp_path, dump("1.0", GENRES), "2.0", steps)
    assert str(caught.value) == f"migrate_from_1_1: {sentence}"
    assert genres() == []


LACKING: dict[str, list[Step]] = {
    "a field that came and was renamed": [
        step(("change_values", "music.Genre", "nam", {}), to="1.2"),
        step(("rename_field", "music.Genre", "nam", "name"), to="2.0"),
    ],
    "a field that came and went": [
        step(("change_values", "music.Genre", "nam", {}), to="1.2"),
        step(("remove_field", "music.Genre", "nam")),
    ],
    "a model that came and was renamed twice": [
        step(("rename_model", "music.Gerne", "music.Gender"), to="1.2"),
        step(("rename_model", "music.Gender", "music.Genre")),
    ],
    "a model that has another name by then": [
        step(("rename_model", "music.Genre", "music.Kind"), to="1.2"),
        step(("rename_model", "music.Kind", "music.Genre")),
    ],
    "a field that has another name by then": [
        step(("rename_field", "music.Genre", "name", "nam"), to="1.2"),
        step(("rename_field", "music.Genre", "nam", "name")),
    ],
    "a model that came and was renamed": [
        step(("change_values", "music.Gerne", "name", {}), to="1.2"),
        step(("rename_model", "music.Gerne", "music.Genre")),
    ],
    "a model that came and went": [
        step(("change_values", "music.Gerne", "name", {}), to="1.2"),
        step(("remove_model", "music.Gerne")),
    ],
    "a model of today": [
        step(to="1.2"),
        step(("change_values", "music.Artist", "name", {})),
    ],
    "a function of a model that came and went": [
        lambda self, g: overriding(create_music_gerne)(self, g) and "1.2",
        step(("remove_model", "music.Gerne")),
    ],
}


@pytest.mark.parametrize("later", LACKING.values(), ids=LACKING)
def test_what_an_older_dump_lacks_is_no_typo(later: list[Step], tmp_path: Path) -> None:
    steps = migrator(v1_0=step(to="1.1"), v1_1=later[0], v1_2=later[1])
    said = loaded(tmp_path, dump("1.0", GENRES), "2.0", steps)
    assert genres() == NAMES
    assert "skipped" not in said


HISTORY = """
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Voucher", [("code", models.TextField(primary_key=True))]),
        migrations.AddField("Voucher", "colour", models.TextField()),
        migrations.RenameField("Voucher", "colour", "color"),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RenameModel("Voucher", "Coupon")]
        ),
        migrations.DeleteModel("Coupon"),
    ]
"""


def test_names_that_migrations_have_had_are_no_typos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = tmp_path / "history_of_music"
    history.mkdir()
    (history / "__init__.py").touch()
    (history / "m0001.py").write_text(HISTORY)
    monkeypatch.syspath_prepend(tmp_path)
    changes = [
        ("change_values", f"music.{model}", field, {})
        for model in ("Voucher", "Coupon")
        for field in ("code", "colour", "color")
    ]
    steps = migrator(v1_0=step(to="1.1"), v1_1=step(*changes))
    with override_settings(MIGRATION_MODULES={"music": history.name}):
        said = loaded(tmp_path, dump("1.0", GENRES), "2.0", steps)
    assert "It is skipped" not in said


def test_a_step_sees_references_as_they_read_in_its_own_version(tmp_path: Path) -> None:
    seen = []

    def look(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_auth_permission(content_type_id: Natural, **fields: Any) -> Any:
            seen.append(content_type_id.key)
            return new(globals_dict["auth_Permission"], content_type_id=content_type_id, **fields)

        return "2.0"

    kind = Natural("contenttypes.ContentType", ("shop", "kind"))
    permissions = "auth.Permission", "id name content_type_id codename", [(901, "Play", kind, "p")]
    rename = step(("rename_model", "shop.Kind", "shop.Sort"), to="1.1")
    again = step(("rename_model", "shop.Sort", "music.Genre"), to="3.0")
    table = "shop.Kind", "id name", NAMES
    steps = migrator(v1_0=rename, v1_1=look, v2_0=again)
    loaded(tmp_path, dump("1.0", table, permissions), "3.0", steps)
    assert seen == [("shop", "sort")]
    assert Permission.objects.get(codename="p").content_type.model == "genre"


def kind_of(app_label: str, name: str) -> Natural:
    return Natural("contenttypes.ContentType", (app_label, name))


PERMISSIONS = "id name content_type_id codename"


def test_renames_of_one_file_do_not_hold_for_the_next(tmp_path: Path) -> None:
    permission = "auth.Permission", PERMISSIONS, [(901, "Play", kind_of("shop", "kind"), "play")]
    other = "auth.Permission", PERMISSIONS, [(902, "Stop", kind_of("shop", "kind"), "stop")]
    steps = migrator(v1_0=step(("rename_model", "shop.Kind", "music.Genre")))
    old = tmp_path / "first.py"
    old.write_text(dump("1.0", ("shop.Kind", "id name", NAMES), permission), encoding="utf-8")
    today = tmp_path / "second.py"
    today.write_text(dump("2.0", other), encoding="utf-8")
    with settings_for("2.0", steps):
        call_command("loaddata", str(old), str(today), verbosity=0)
    assert Permission.objects.get(codename="play").content_type.app_label == "music"
    assert Permission.objects.get(codename="stop").content_type.app_label == "shop"


def test_objects_of_an_old_file_know_what_was_renamed(tmp_path: Path) -> None:
    permission = "auth.Permission", PERMISSIONS, [(901, "Play", kind_of("shop", "kind"), "play")]
    text = dump("1.0", ("shop.Kind", "id name", NAMES), permission)
    steps = migrator(v1_0=step(("rename_model", "shop.Kind", "music.Genre")))
    with settings_for("2.0", steps):
        for one in serializers.deserialize("py", text):
            one.save()
    assert Permission.objects.get(codename="play").content_type.app_label == "music"


def test_links_by_natural_key_go_through_an_override(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        group = self.model("auth.Group")

        @override(globals_dict)
        def create_auth_group(name: str, **fields: Any) -> Any:
            return new(group, name=name.upper(), **fields)

        return "2.0"

    permission = Natural("auth.Permission", ("add_genre", "music", "genre"))
    groups = "auth.Group", "id name permissions", [(1, "editors", [permission])]
    loaded(tmp_path, dump("1.0", groups), "2.0", migrator(v1_0=migrate))
    assert Group.objects.get(name="EDITORS").permissions.get().codename == "add_genre"


def test_a_file_may_lack_tables_that_had_no_rows(tmp_path: Path) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        self.remove_model("shop.Voucher")

        @override(globals_dict)
        def create_shop_delivery(id: int, street: str) -> None:
            """Drop it."""

        return "2.0"

    loaded(tmp_path, dump("1.0", GENRES), "2.0", migrator(v1_0=migrate))
    assert genres() == NAMES


def test_an_override_of_what_is_missing_leaves_alone_what_an_earlier_step_drops(
    tmp_path: Path,
) -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_shop_temporary(id: int) -> None:
            """Drop it."""

        return "2.0"

    steps = migrator(v1_0=step(("remove_model", "shop.Cache"), to="1.1"), v1_1=migrate)
    loaded(tmp_path, dump("1.0", ("shop.Cache", "key", [("a",)]), GENRES), "2.0", steps)
    assert genres() == NAMES


def test_a_directory_which_has_all_tables_must_have_what_a_first_step_names() -> None:
    def migrate(self: Any, globals_dict: dict[str, Any]) -> str:
        @override(globals_dict)
        def create_shop_delivery(id: int, street: str) -> None:
            """Drop it."""

        return "2.0"

    skeleton = Skeleton("1.0", installs=True)
    directory = Dump(open_source(""), skeleton, path=Path())
    with settings_for("2.0", migrator(v1_0=migrate)), pytest.raises(MigrationError) as caught:
        migration_of_dump(directory)
    assert "it overrides create_shop_delivery(), which does not exist." in str(caught.value)
