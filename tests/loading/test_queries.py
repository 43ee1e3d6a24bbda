"""How often a load asks the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, fixture_of

from dumpy import deserializer
from zoo.models import Taxon

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard(settings: Any) -> Iterator[list[bool]]:
    """Send signals for dumped rows; a list of what receivers are told of ``created``."""
    settings.DUMPY = {"SIGNALS": "raw"}
    heard: list[bool] = []

    def hear(created: bool, **arguments: Any) -> None:
        heard.append(created)

    post_save.connect(hear, Taxon)
    yield heard
    post_save.disconnect(hear, Taxon)


def queries_of(load: Load, text: str) -> int:
    """Load a text into an empty table; return the number of queries, savepoints not counted."""
    Taxon.objects.all().delete()
    with CaptureQueriesContext(connection) as queries:
        load(text)
    return sum("SAVEPOINT" not in query["sql"] for query in queries)


def test_a_new_object_with_a_foreign_key_takes_two_queries_at_most(load: Load) -> None:
    def objects(number: int) -> str:
        return fixture_of(
            "yield Taxon(pk=1, name='root')",
            f"yield [Taxon(pk=n, name='x', parent_id=1) for n in range(2, {number})]",
        )

    assert queries_of(load, objects(32)) - queries_of(load, objects(12)) <= 2 * 20
    assert Taxon.objects.filter(parent=1).count() == 10


def test_a_new_row_that_a_receiver_hears_of_takes_one_query(load: Load, heard: list[bool]) -> None:
    def dumped(number: int) -> str:
        taxa = [(n, "x", 1 if n > 1 else None) for n in range(1, number)]
        return dump_of(rows("zoo.Taxon", "id name parent_id", *taxa))

    assert queries_of(load, dumped(32)) - queries_of(load, dumped(12)) <= 20
    assert heard == [True] * (31 + 11)


def test_a_receiver_hears_whether_a_row_was_there(load: Load, heard: list[bool]) -> None:
    Taxon.objects.create(pk=1, name="there")
    heard.clear()
    load(dump_of(rows("zoo.Taxon", "id name parent_id", (1, "changed", None), (2, "new", 1))))
    assert heard == [False, True]


def test_what_a_receiver_changes_is_stored(load: Load, settings: Any) -> None:
    settings.DUMPY = {"SIGNALS": "raw"}

    def rename(instance: Taxon, **arguments: Any) -> None:
        instance.name = instance.name.upper()

    pre_save.connect(rename, Taxon)
    try:
        load(dump_of(rows("zoo.Taxon", "id name parent_id", (1, "x", None))))
    finally:
        pre_save.disconnect(rename, Taxon)
    assert Taxon.objects.get().name == "X"


def test_an_object_whose_row_a_receiver_has_made_updates_it(load: Load) -> None:
    def make(instance: Taxon, created: bool, **arguments: Any) -> None:
        if instance.pk == 1 and created:
            Taxon.objects.create(pk=2, name="by code")

    post_save.connect(make, Taxon)
    try:
        load(fixture_of("yield Taxon(pk=1, name='x')", "yield Taxon(pk=2, name='y')"))
    finally:
        post_save.disconnect(make, Taxon)
    assert list(Taxon.objects.order_by("pk").values_list("pk", "name")) == [(1, "x"), (2, "y")]


def test_progress_counts_each_row(load: Load) -> None:
    taxa = [(n, "x", None) for n in range(1, 5)]
    said = load(dump_of(rows("zoo.Taxon", "id name parent_id", *taxa)), verbosity=3)
    assert "Processed 4 object(s)." in said
    assert Taxon.objects.count() == 4


@pytest.mark.parametrize("is_at_them", [True, False])
def test_migrations_are_read_only_where_the_database_is_not_at_those_of_the_dump(
    load: Load, monkeypatch: pytest.MonkeyPatch, is_at_them: bool
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(deserializer, "_skipped", lambda *given: asked.append(given) or "")
    applied = sorted(MigrationRecorder(connection).applied_migrations())
    last = [name for app, name in applied if app == "zoo"][-1 if is_at_them else 0]
    load(dump_of(rows("zoo.Taxon", "id name", (1, "cat")), migrations={"zoo": last}))
    assert bool(asked) is not is_at_them
