"""What a dump does not hold is said, so that nobody believes that it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management.commands.dumpdata import ProxyModelWarning
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Manager, QuerySet
from running import called, dumped, loaded

from dumpy.engines import engine_of
from music.models import Genre
from zoo.models import Country, Crate, Nation


@pytest.mark.django_db(transaction=True)
def test_columns_that_no_field_has_are_named(tmp_path: Path) -> None:
    """Also if the last file of a directory is full, so that no row is left to be looked for."""
    Genre.objects.create(pk=3, name="Rock")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE music_genre ADD COLUMN extra integer")
    try:
        said = called("dumpdata", "music.Genre", format="py").err
        full = called("dump2py", str(tmp_path / "dump"), "music.Genre", max_row_count=1).err
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE music_genre DROP COLUMN extra")
    assert said == (
        "music.Genre: columns of 'music_genre' without a field are not in the dump: extra.\n"
    )
    assert full == said


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


@pytest.mark.django_db
def test_the_default_of_a_database_is_a_value_that_can_be_dumped() -> None:
    Crate.objects.create(pk=1, width=2, height=3, label="a")
    assert called("dumpdata", "zoo.Crate", format="py").err == ""


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["Music_Genre", '"music_genre"'])
def test_a_table_is_there_if_the_database_finds_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not (name.startswith(connection.ops.quote_name("")[0]) or _knows_no_case()):
        pytest.skip("This database finds no table by this name.")
    Genre.objects.create(pk=3, name="Rock")
    monkeypatch.setattr(Genre._meta, "db_table", name)
    said = called("dumpdata", "music.Genre", format="py")
    assert "create_music_genre(3, 'Rock')" in said.out
    assert said.err == ""
    (tmp_path / "dump.py").write_text(said.out, encoding="utf-8")
    loaded(tmp_path / "dump.py")


@pytest.mark.django_db
def test_a_table_that_a_model_quotes_is_there_only_if_the_database_finds_it() -> None:
    there, gone = map(connection.ops.quote_name, ("music_genre", "no_such_table"))
    assert engine_of(connections["default"]).tables([there, gone]) == {there: "t"}


def _knows_no_case() -> bool:
    return connection.features.ignores_table_name_case


@pytest.mark.django_db
def test_a_manager_that_hides_all_rows_gives_a_dump_without_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Nation.objects.create(name="Ghana")

    def hide(self: Manager[Nation]) -> QuerySet[Nation]:
        return QuerySet(self.model, using=self.db).none()

    monkeypatch.setattr(type(Nation.objects), "get_queryset", hide)
    said = called("dumpdata", "zoo.Nation", format="py")
    assert "create_zoo_nation(" not in said.out
    assert "zoo.Nation: 1 of 1 rows are not in the dump, because the default manager" in said.err


@pytest.mark.django_db
def test_a_proxy_that_is_asked_for_alone_is_said_to_bring_no_rows() -> None:
    with pytest.warns(ProxyModelWarning, match=r"zoo\.Chick is a proxy model"):
        assert "create_zoo_chick(" not in dumped("zoo.Chick")


@pytest.mark.django_db
def test_a_squashed_migration_is_named_where_all_that_it_replaces_is_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    applied = MigrationRecorder(connection).applied_migrations()
    load_disk = MigrationLoader.load_disk

    def load(loader: MigrationLoader) -> None:
        load_disk(loader)
        squashed = Migration("0001_squashed", "music")
        squashed.replaces = [key for key in applied if key[0] == "music"]
        loader.disk_migrations["music", "0001_squashed"] = squashed

    monkeypatch.setattr(MigrationLoader, "load_disk", load)
    assert "SOURCE_MIGRATIONS = {'music': '0001_squashed'}" in dumped("music.Genre")


@pytest.mark.django_db
def test_migrations_are_named_where_their_graph_cannot_be_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Dependent(Migration):
        dependencies = (("gone", "0001_initial"),)

    load_disk = MigrationLoader.load_disk

    def load(loader: MigrationLoader) -> None:
        load_disk(loader)
        loader.disk_migrations["music", "9999_dependent"] = Dependent("9999_dependent", "music")

    text = dumped("music.Genre")
    monkeypatch.setattr(MigrationLoader, "load_disk", load)
    assert dumped("music.Genre") == text


@pytest.mark.mysql
@pytest.mark.django_db
def test_a_link_is_that_of_the_key_that_the_database_takes_for_its_own() -> None:
    """For MySQL, EE and ee are one text."""
    Country.objects.create(code="ee").neighbours.add(Country.objects.create(code="lv"))
    Country.neighbours.through.objects.filter(from_country="ee").update(from_country="EE")
    text = dumped("zoo.Country")
    assert "yield create_zoo_country('ee', ['lv'])" in text
