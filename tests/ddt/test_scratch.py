"""The scratch database takes the place of the live one, and leaves no trace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, transaction

from dumpy.errors import RestoreFailed
from dumpy.restoring.scratch import reads_only, scratch
from music.models import Genre

pytestmark = pytest.mark.django_db(transaction=True)


def left_of(name: str) -> list[str]:
    """Return what there is of a database and of what a restore makes beside it."""
    if settings.ENGINE == "sqlite":
        return [str(path) for path in Path(name).parent.glob(f"{Path(name).name}*")]
    queries = {
        "postgresql": "SELECT datname FROM pg_database WHERE starts_with(datname, %s)",
        "mysql": "SELECT schema_name FROM information_schema.schemata "
        "WHERE LEFT(schema_name, CHAR_LENGTH(%s)) = %s",
    }
    query = queries[settings.ENGINE]
    with connection.cursor() as cursor:
        cursor.execute(query, [name] * query.count("%s"))
        return [str(row[0]) for row in cursor.fetchall()]


def fail_in_scratch(names: list[str]) -> None:
    """Note the name of the database, make a table, and break a constraint in a transaction."""
    names.append(str(connection.settings_dict["NAME"]))
    call_command("migrate", "music", verbosity=0)
    with transaction.atomic():
        Genre.objects.bulk_create([Genre(name="Rock"), Genre(name="Rock")])


def test_what_is_written_in_a_scratch_database_is_not_in_the_live_one() -> None:
    Genre.objects.create(name="Rock")
    with scratch("default"):
        call_command("migrate", "music", verbosity=0)
        assert Genre.objects.count() == 0
        Genre.objects.create(name="Jazz")
    assert [genre.name for genre in Genre.objects.all()] == ["Rock"]


def test_a_scratch_database_is_gone_afterwards() -> None:
    with scratch("default"):
        connection.ensure_connection()
        name = str(connection.settings_dict["NAME"])
        assert left_of(name) == [name]
    assert left_of(name) == []


def test_a_scratch_database_is_gone_after_an_error() -> None:
    live, names = connection.settings_dict["NAME"], list[str]()
    with pytest.raises(IntegrityError), scratch("default"):
        fail_in_scratch(names)
    (name,) = names
    assert name != live
    assert left_of(name) == []
    assert connection.settings_dict["NAME"] == live
    assert Genre.objects.count() == 0


def test_no_content_type_of_another_database_is_remembered() -> None:
    live = ContentType.objects.create(app_label="music", model="organ")
    assert ContentType.objects.get_for_id(live.pk) == live
    with scratch("default"):
        call_command("migrate", "contenttypes", verbosity=0)
        ContentType.objects.create(pk=live.pk, app_label="music", model="flute")
        assert ContentType.objects.get_for_id(live.pk).model == "flute"
    assert ContentType.objects.get_for_id(live.pk).model == "organ"


@pytest.mark.postgresql
def test_no_type_of_an_extension_of_another_database_is_remembered() -> None:
    with scratch("default"):
        call_command("migrate", "pgzoo", verbosity=0)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'name=>otter'::hstore")
        assert cursor.fetchone() == ({"name": "otter"},)


def test_within_a_transaction_there_is_no_scratch_database() -> None:
    with (
        transaction.atomic(),
        pytest.raises(RestoreFailed, match="without a transaction"),
        scratch("default"),
    ):
        Genre.objects.create(name="Rock")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_other_databases_can_only_be_read_meanwhile() -> None:
    others = Genre.objects.using("other")
    others.create(pk=1, name="Rock")
    with scratch("default"):
        with transaction.atomic("other"), transaction.atomic("other"):
            assert [genre.name for genre in others.all()] == ["Rock"]
        with pytest.raises(RestoreFailed, match=r"'other' must stay as it is: .* INSERT INTO"):
            others.create(name="Jazz")
        with pytest.raises(RestoreFailed, match="UPDATE"):
            others.update(name="Jazz")
    others.create(pk=2, name="Pop")
    assert {genre.name for genre in others.all()} == {"Rock", "Pop"}


@pytest.mark.parametrize(
    ("sql", "is_read"),
    [
        ("SELECT 1", True),
        ("  /* why */ (select name from t where name = 'into') -- INSERT", True),
        ("WITH t AS (SELECT 1) SELECT * FROM t", True),
        ("SHOW TABLES", True),
        ("PRAGMA table_info(t)", True),
        ("PRAGMA foreign_keys = OFF", True),
        ("SET CONSTRAINTS ALL IMMEDIATE", True),
        ("SAVEPOINT a", True),
        ("RELEASE SAVEPOINT a", True),
        ("ROLLBACK TO SAVEPOINT a", True),
        ("SELECT * INTO other FROM t", False),
        ("SELECT setval('s', 1)", False),
        ("WITH t AS (DELETE FROM a RETURNING id) SELECT * FROM t", False),
        ("SELECT 1; DROP TABLE t", False),
        ("PRAGMA user_version = 5", False),
        ("/*! DROP */ TABLE t", False),
        ("DROP TABLE t", False),
        ("ALTER TABLE t ADD c int", False),
        ("-- SELECT\nTRUNCATE t", False),
        ("COPY t FROM STDIN", False),
        ("", False),
    ],
)
def test_only_statements_that_read_are_reads(sql: str, is_read: bool) -> None:
    assert reads_only(sql) is is_read


@pytest.mark.postgresql
def test_the_connections_of_a_pool_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # A pool needs a package that tests do without.
    monkeypatch.setattr(type(connections["default"]), "pool", None)
    options = {**connection.settings_dict["OPTIONS"], "pool": True}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    with scratch("default"):
        assert "pool" not in connection.settings_dict["OPTIONS"]
    assert connection.settings_dict["OPTIONS"] == options


def test_the_connections_of_other_threads_lead_to_the_live_database() -> None:
    """W16: they are made of the same settings."""
    live = connection.settings_dict["NAME"]
    with scratch("default"), ThreadPoolExecutor(max_workers=1) as pool:
        assert connection.settings_dict["NAME"] != live
        assert pool.submit(lambda: connection.settings_dict["NAME"]).result() == live
