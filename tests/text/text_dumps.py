"""A small dump in the exact text of format 1, and ways to change it."""

from __future__ import annotations

import io
import sys

from dumpy.text.outline import YIELDED, Outline, split
from dumpy.text.skeleton import Skeleton, interpret

# It is to take a second; a machine with other things to do counts more, and coverage much more.
PATIENCE = 5 if sys.gettrace() is None else 60
DUMP = '''\
# dumpy: format 1
"""The data of shop 2.3.0, written by dumpy.

A row is one line: a call of the create function of its table, which creates an object. If a field
was removed, comment out its line there; if it was renamed, change the name left of the `=`. To
leave out a table, comment out its line in objects().
"""
from dumpy.dump import (
    Decimal, UUID, date, datetime, field_text, inf, install_migrations, json_null, nan,
    natural, new, resolve_model, stored, time, timedelta, utc,
)

SOURCE_VERSION = '2.3.0'
SOURCE_MIGRATIONS = {'music': '0003_playlist'}

music_Genre = resolve_model('music.Genre')


def create_music_genre(id, name):
    return new(
        music_Genre,
        id=id,
        name=name,
    )


def music_genre_objects():
    yield create_music_genre(1, 'Rock')
    yield create_music_genre(2, 'Jazz')


music_Track = resolve_model('music.Track')


def create_music_track(id, class_, genre_id):
    return new(
        music_Track,
        id=id,
        **{'class': class_},
        genre_id=genre_id,
    )


def music_track_objects():
    yield create_music_track(1, 'For Those About To Rock', 1)
    yield create_music_track(2, 'Balls to the Wall', None)
    yield create_music_track(3, 'Fast As a Shark', 2)


install_migrations(globals())


def objects():
    yield music_genre_objects()
    yield music_track_objects()

# dumpy: end
'''


def outline_of(text: str | bytes) -> Outline:
    data = text if isinstance(text, bytes) else text.encode()
    return split(io.BytesIO(data))


def skeleton_of(text: str | bytes) -> Skeleton:
    outline = outline_of(text)
    return interpret(outline, YIELDED)


def changed(*replacements: str) -> str:
    """The dump with each (old, new) of the replacements made once; the old must be there."""
    text = DUMP
    for old, new in zip(replacements[::2], replacements[1::2], strict=True):
        assert old in text, old
        text = text.replace(old, new, 1)
    return text
