"""How many rows are read at once: many short ones, few long ones."""

from __future__ import annotations

import pytest
from django.db import connection, connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from running import dumped

from dumpy.engines import engine_of
from dumpy.schema.tables import table_of
from zoo.models import OptionalCheckup

pytestmark = pytest.mark.django_db


@pytest.mark.postgresql
@pytest.mark.mysql
def test_a_server_tells_the_size_of_the_longest_row() -> None:
    OptionalCheckup.objects.create(pk=1, text="ä" * 100, binary=b"12345", json=None)
    OptionalCheckup.objects.create(pk=2, text="a" * 50, binary=b"1", json={"a": "é" * 500})
    table = table_of(OptionalCheckup)
    columns = [table.column(name) for name in ("text", "binary", "json")]
    rows = QuerySet(OptionalCheckup)
    assert engine_of(connections["default"]).longest(rows, columns[:2]) == 205
    # JSON may be stored with or without escapes and blanks.
    assert 1000 < engine_of(connections["default"]).longest(rows, columns) < 4000


@pytest.mark.mysql
def test_a_table_with_short_texts_is_read_with_few_queries() -> None:
    OptionalCheckup.objects.bulk_create(OptionalCheckup(text="short") for _ in range(200))
    with CaptureQueriesContext(connection) as queries:
        assert dumped("zoo.OptionalCheckup").count("yield create_") == 200
    selects = [one for one in queries.captured_queries if "`zoo_optionalcheckup`" in one["sql"]]
    assert len(selects) < 10
