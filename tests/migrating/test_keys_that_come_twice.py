"""A restore loads each row once: of two rows with the same key, one would be lost."""

from __future__ import annotations

import pytest
from dumps import resealed
from sites import Site, Version

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

OLD = """
from django.db import models


class Media(models.Model):
    title = models.CharField(max_length=60)


class Photo(models.Model):
    title = models.CharField(max_length=60)


class Video(models.Model):
    title = models.CharField(max_length=60)


class Note(models.Model):
    text = models.CharField(max_length=60)
"""
FILL = """
from shop.models import Note, Photo, Video
Photo.objects.create(pk=1, title="a photo")
Video.objects.create(pk=1, title="a video")
Note.objects.create(pk=5, text="one")
Note.objects.create(pk=6, text="two")
"""
NEW = """
from django.db import models


class Media(models.Model):
    title = models.CharField(max_length=60)


class Note(models.Model):
    text = models.CharField(max_length=60)
"""
MIGRATORS = """
from dumpy import Migrator, override
from dumpy.dump import new


class ShopMigrator(Migrator):
    def migrate_from_1_0(self, globals_dict):
        '''Photos and videos are media.'''
        from shop.models import Media, Note
        # here
        return "2.0"
"""
MADE = """
@override(globals_dict)
def create_shop_photo(id, title):
    return {photo}

@override(globals_dict)
def create_shop_video(id, title):
    return {video}
"""
OBJECT, ROW = "Media(id=id, title=title)", "new(Media, id=id, title=title)"
RESTORED = {"DUMPY": {"VERSION": "2.0", "MIGRATION_CLASS": "shop.migrators.ShopMigrator"}}
BEFORE = Version({"shop/models.py": OLD}, {"DUMPY": {"VERSION": "1.0"}}, FILL)
AFTER = Version({"shop/models.py": NEW, "shop/migrators.py": MIGRATORS}, RESTORED)


def do(shop: Site, code: str) -> None:
    """Let the step do something."""
    indented = code.strip().replace("\n", "\n        ")
    shop.edit("shop/migrators.py", ("# here", indented))


@pytest.mark.parametrize("photo", [OBJECT, ROW], ids=["object", "row"])
@pytest.mark.parametrize("video", [OBJECT, ROW], ids=["object", "row"])
def test_models_that_are_merged_with_the_same_keys_are_refused_with_both_places(
    shop: Site, photo: str, video: str
) -> None:
    do(shop, MADE.format(photo=photo, video=video))
    said = shop.refuse(shop.the_dump)
    assert "shop_video.py:4: shop.Media(pk=1): " in said
    assert "shop_photo.py:4 has a row with the same key" in said
    assert "Give one of them another key." in said


def test_models_that_are_renamed_to_one_are_refused_with_both_places(shop: Site) -> None:
    do(
        shop,
        "self.rename_model('shop.Photo', 'shop.Media')\n"
        "self.rename_model('shop.Video', 'shop.Media')",
    )
    said = shop.refuse(shop.the_dump)
    assert "shop_video.py:4: shop.Media(pk=1): " in said
    assert "shop_photo.py:4 has a row" in said


@pytest.mark.parametrize("made", [OBJECT, ROW], ids=["object", "row"])
@pytest.mark.parametrize("named", ["Photo", "Video"])
def test_a_row_that_is_data_and_one_that_code_makes_are_refused(
    shop: Site, made: str, named: str
) -> None:
    other = {"Photo": "Video", "Video": "Photo"}[named]
    do(
        shop,
        f"self.rename_model('shop.{named}', 'shop.Media')\n"
        "@override(globals_dict)\n"
        f"def create_shop_{other.lower()}(id, title):\n"
        f"    return {made}",
    )
    said = shop.refuse(shop.the_dump)
    assert "shop_video.py:4" in said
    assert "shop_photo.py:4" in said
    assert "shop.Media(pk=1): " in said


def test_two_objects_of_one_row_with_the_same_key_are_refused(shop: Site) -> None:
    do(shop, MADE.format(photo=f"[{OBJECT}, {OBJECT}]", video="None"))
    said = shop.refuse(shop.the_dump)
    assert "shop_photo.py:4: shop.Media(pk=1): " in said
    assert "shop_photo.py:4 has a row" in said


def test_an_object_that_takes_the_key_of_a_dumped_row_is_refused(shop: Site) -> None:
    code = "self.rename_model('shop.Video', 'shop.Media')\n"
    code += "@override(globals_dict)\ndef create_shop_photo(id, title):\n"
    do(shop, f"{code}    return Media(title=title)")
    said = shop.refuse(shop.the_dump)
    assert "shop_video.py:4: shop.Media(pk=1): " in said
    assert "shop_photo.py:4 has a row" in said


def test_models_that_are_merged_with_new_keys_keep_all_rows(shop: Site) -> None:
    do(shop, MADE.format(photo=OBJECT, video=OBJECT.replace("id=id", "id=1000 + id")))
    shop.restore(shop.the_dump)
    assert shop.rows("shop_media", "id", "title") == [(1, "a photo"), (1001, "a video")]


def test_a_handler_may_change_rows_when_all_are_loaded(shop: Site) -> None:
    do(
        shop,
        MADE.format(photo=OBJECT, video="None")
        + "\ndef change(loader):\n    loader.save(Media(id=1, title='changed'))\n\n"
        "self.after_load(change)",
    )
    shop.restore(shop.the_dump)
    assert shop.rows("shop_media", "id", "title") == [(1, "changed")]


def test_a_handler_may_save_rows_before_those_of_the_dump(shop: Site) -> None:
    do(
        shop,
        MADE.format(photo="None", video="None")
        + "\ndef change(loader):\n    loader.save(Note(id=5, text='before'))\n\n"
        "self.before_load(change)",
    )
    shop.restore(shop.the_dump)
    assert shop.rows("shop_note", "id", "text") == [(5, "one"), (6, "two")]


def doubled(shop: Site, old: str, new: str) -> Site:
    """Return the shop of version 1.0 with a row of its file twice."""
    shop.write({"shop/models.py": OLD})
    shop.configure(DUMPY={"VERSION": "1.0"})
    row = f"    yield create_shop_note(5, {old})\n"
    shop.edit("dump.py", (row, row + row.replace(old, new)))
    return shop


@pytest.mark.parametrize("second", ["'other'", "'one'", "'o' 'ne'"])
def test_a_row_of_a_file_that_is_there_twice_is_refused(shop: Site, second: str) -> None:
    doubled(shop, "'one'", second)
    lines = shop.the_file.read_text().splitlines()
    first = next(n for n, line in enumerate(lines, 1) if "create_shop_note(5" in line)
    said = shop.refused("restore", shop.the_file, "-b")
    assert f"dump.py:{first + 1}: shop.Note(pk=5): " in said
    assert f"dump.py:{first} has a row" in said


def test_a_row_that_is_there_twice_far_apart_is_refused(shop: Site) -> None:
    rows = "".join(f"    yield create_shop_note({n}, 'x')\n" for n in range(10, 2500))
    doubled(shop, "'one'", f"'one')\n{rows}    yield create_shop_note(5, 'again'")
    said = shop.refused("restore", shop.the_file, "-b")
    assert "shop.Note(pk=5): " in said
    assert " has a row with the same key" in said


def test_a_row_of_a_directory_that_is_there_twice_is_refused(shop: Site) -> None:
    shop.write({"shop/models.py": OLD})
    shop.configure(DUMPY={"VERSION": "1.0"})
    row = "loader.save(create_shop_note(5, 'one'))\n"
    shop.edit("dump/shop_note.py", (row, row + row.replace("one", "other")))
    resealed(shop.the_dump, "shop_note.py")
    assert "shop_note.py:5: shop.Note(pk=5): " in shop.refuse(shop.the_dump)


def test_with_keep_going_the_second_row_is_rejected(shop: Site) -> None:
    doubled(shop, "'one'", "'other'")
    said = shop.fail("restore", shop.the_file, "-b", "--keep-going")
    assert "1 row was rejected" in said
    assert shop.rows("shop_note", "id", "text") == [(5, "one"), (6, "two")]
    (rejected,) = shop.directory.glob("*rejected*.py")
    assert "has a row with the same key" in rejected.read_text()
