"""The scratch database takes the place of the live one, and leaves no trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from dumpy.errors import RestoreFailed
from dumpy.restoring.scratch import scratch
from music.models import Genre

pytestmark = pytest.mark.django_db(transaction=True)


def databases() -> set[str]:
    """Return the names of the databases of the server."""
    queries = {
        "postgresql": "SELECT datname FROM pg_database",
        "mysql": "SHOW DATABASES",
        "sqlite": "SELECT file FROM pragma_database_list",
    }
    with connection.cursor() as cursor:
        cursor.execute(queries[settings.ENGINE])
        return {str(row[0]) for row in cursor.fetchall()}


def fail_in_scratch() -> None:
    """Make a table, and break a constraint of it within a transaction."""
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
    before = databases()
    with scratch("default"):
        (name,) = {str(connection.settings_dict["NAME"])}
        assert name not in before
        connection.ensure_connection()
    assert databases() == before
    assert not Path(name).exists()


def test_a_scratch_database_is_gone_after_an_error() -> None:
    before, name = databases(), connection.settings_dict["NAME"]
    with pytest.raises(IntegrityError), scratch("default"):
        fail_in_scratch()
    assert databases() == before
    assert connection.settings_dict["NAME"] == name
    assert Genre.objects.count() == 0


def test_no_content_type_of_another_database_is_remembered() -> None:
    live = ContentType.objects.create(pk=9000, app_label="music", model="organ")
    assert ContentType.objects.get_for_id(9000) == live
    with scratch("default"):
        call_command("migrate", "contenttypes", verbosity=0)
        ContentType.objects.create(pk=9000, app_label="music", model="flute")
        assert ContentType.objects.get_for_id(9000).model == "flute"
    assert ContentType.objects.get_for_id(9000).model == "organ"


def test_within_a_transaction_there_is_no_scratch_database() -> None:
    with (
        transaction.atomic(),
        pytest.raises(RestoreFailed, match="without a transaction"),
        scratch("default"),
    ):
        Genre.objects.create(name="Rock")


@pytest.mark.postgresql
def test_the_connections_of_a_pool_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**connection.settings_dict["OPTIONS"], "pool": True}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    with scratch("default"):
        assert "pool" not in connection.settings_dict["OPTIONS"]
    assert connection.settings_dict["OPTIONS"] == options
