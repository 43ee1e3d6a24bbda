"""What a dump does not hold is said, so that nobody believes that it does."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Manager
from running import called, dumped

from music.models import Genre


@pytest.mark.django_db(transaction=True)
def test_columns_that_no_field_has_are_named() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE music_genre ADD COLUMN extra integer")
    try:
        said = called("dumpdata", "music.Genre", format="py").err
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE music_genre DROP COLUMN extra")
    assert said == (
        "music.Genre: columns of 'music_genre' that no field has are not in the dump: extra.\n"
    )


@pytest.mark.django_db
def test_a_field_that_the_database_computes_is_a_column_that_a_field_has() -> None:
    assert called("dumpdata", "zoo.Crate", format="py").err == ""


@pytest.mark.django_db
def test_a_natural_key_that_no_manager_finds_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dump that names rows in a way that nobody understands could not be loaded."""
    Genre.objects.create(pk=3, name="Rock")
    monkeypatch.setattr(Genre, "natural_key", lambda self: (self.name,), raising=False)
    assert type(Genre._default_manager) is Manager
    text = dumped("music.Genre", use_natural_primary_keys=True, use_natural_foreign_keys=True)
    assert "create_music_genre(3, 'Rock')" in text
