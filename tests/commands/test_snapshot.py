"""All tables of a dump are from one instant; what others do meanwhile is in tests/faults."""

from __future__ import annotations

import pytest
from django.core.management.base import CommandError
from django.db import connection, transaction
from running import dumped

from zoo import models as zoo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.postgresql
@pytest.mark.mysql
def test_a_dump_within_a_transaction_that_sees_commits_of_others_is_refused() -> None:
    with (
        transaction.atomic(),
        pytest.raises(CommandError, match=r"(?i)atomic\(\).*read.committed.*repeatable read"),
    ):
        dumped("zoo.Egg")


@pytest.mark.postgresql
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_dump_within_a_transaction_with_one_snapshot_is_made(level: str) -> None:
    zoo.Egg.objects.create(pk=1, weight=2)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        assert "yield create_zoo_egg(1, 2)" in dumped("zoo.Egg")


@pytest.mark.sqlite
def test_a_dump_within_a_transaction_is_made_on_sqlite() -> None:
    with transaction.atomic():
        zoo.Egg.objects.create(pk=1, weight=2)
        assert "yield create_zoo_egg(1, 2)" in dumped("zoo.Egg")


@pytest.mark.django_db(transaction=False)
def test_a_dump_within_a_test_case_sees_the_rows_of_the_test() -> None:
    zoo.Egg.objects.create(pk=1, weight=2)
    assert "yield create_zoo_egg(1, 2)" in dumped("zoo.Egg")


def test_after_a_dump_the_connection_writes_as_before() -> None:
    dumped("zoo.Egg")
    zoo.Egg.objects.create(pk=1, weight=2)
    assert connection.get_autocommit()
    assert zoo.Egg.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.mysql
def test_after_a_dump_the_isolation_level_is_as_before() -> None:
    dumped("zoo.Egg")
    with transaction.atomic(), pytest.raises(CommandError, match="isolation level"):
        dumped("zoo.Egg")
