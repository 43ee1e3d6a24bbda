"""Rows whose primary key has several columns, one of them of a custom field."""

from __future__ import annotations

from pathlib import Path

import pytest
from dumps import module as dump_of
from dumps import rows
from sites import NewSite, Site, Version

MODELS = """
from django.db import models


class Code:
    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Code) and self.text == other.text

    def __hash__(self):
        return hash(self.text)

    def __str__(self):
        return self.text


class CodeField(models.CharField):
    def from_db_value(self, value, expression, connection):
        return self.to_python(value)

    def to_python(self, value):
        return value if value is None or isinstance(value, Code) else Code(value)

    def get_prep_value(self, value):
        return None if value is None else str(value)

    def value_to_string(self, instance):
        return str(self.value_from_object(instance))


class Shelf(models.Model):
    pk = models.CompositePrimaryKey("room", "code")
    room = models.IntegerField()
    code = CodeField(max_length=9)
    label = models.CharField(max_length=9)
"""


@pytest.fixture(scope="module")
def made_store(new_site: NewSite) -> Site:
    """A site with a custom field in a composite primary key."""
    apps = {"INSTALLED_APPS": ["dumpy", "store"]}
    return new_site("store", Version({"store/models.py": MODELS}, apps))


@pytest.fixture
def store(made_store: Site, tmp_path: Path, unblocked: None) -> Site:
    return made_store.copied(tmp_path / "site")


def test_a_row_is_found_again_by_a_key_with_a_custom_field_in_it(store: Site) -> None:
    fields = "room code label"
    first = rows("store.Shelf", fields, "1, field_text('a'), 'old'", "1, field_text('b'), 'same'")
    again = rows("store.Shelf", fields, "1, field_text('a'), 'new'", "1, field_text('b'), 'same'")
    store.write({"first.py": dump_of(first), "again.py": dump_of(again)})
    store.succeed("loaddata", "first.py")
    assert "1 updated, 1 unchanged" in store.succeed("loaddata", "again.py")
    found = store.rows("store_shelf", "code", "room", "label")
    assert [tuple(row) for row in found] == [("a", 1, "new"), ("b", 1, "same")]
