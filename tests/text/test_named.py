"""What a skeleton names is read from it, even where it is a program."""

from __future__ import annotations

import ast

import pytest

from dumpy.text.named import migrations_in, models_in, sections_in

PROGRAM = """\
SOURCE_MIGRATIONS = {'music': '0001_initial', 'zoo': 5}
music_Genre = resolve_model('music.Genre')
if True:
    other = resolve_model('music.Album')
unknown = resolve_model(name)


def music_genre_objects():
    yield create_music_genre(1, 'Rock')


def objects():
    print('code')
    yield music_genre_objects()
    yield nothing_of_that_name()
"""


def test_models_are_found_with_their_lines_wherever_they_are_resolved() -> None:
    assert sorted(models_in(ast.parse(PROGRAM))) == [("music.Album", 4), ("music.Genre", 2)]


def test_migrations_are_those_with_a_name() -> None:
    assert migrations_in(ast.parse(PROGRAM)) == {"music": "0001_initial"}


@pytest.mark.parametrize("text", ["", "SOURCE_MIGRATIONS = found()", "SOURCE_MIGRATIONS = 5"])
def test_migrations_that_are_code_or_missing_are_none(text: str) -> None:
    assert migrations_in(ast.parse(text)) == {}


def test_sections_are_found_with_the_lines_that_list_them() -> None:
    assert list(sections_in(ast.parse(PROGRAM))) == [((8, 9), 14)]
