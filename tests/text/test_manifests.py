"""A manifest is what dump2py has written, or one sentence that says why it is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dumpy.text import manifest as manifests
from dumpy.text.manifest import FileEntry, Manifest, ManifestError, TableEntry

FILE = FileEntry("shop_artist.py", 10, "ab")
TABLE = TableEntry("shop.Artist", 2, "cd", ("id", "name"), ("shop_artist",), (FILE,))
MANIFEST = Manifest(
    "1", "5", None, {"shop": "0001"}, FileEntry("restore.py", 5, "ef"), (TABLE,), {}
)


def resealed(**changes: Any) -> str:
    """Return the text of a manifest with other values, and the right seal."""
    content = {**json.loads(manifests.to_text(MANIFEST)), **changes}
    del content["seal"]
    return json.dumps({**content, "seal": manifests._seal(content)})


def table(**changes: Any) -> list[dict[str, Any]]:
    """Return the tables of the manifest with another value."""
    (entry,) = json.loads(manifests.to_text(MANIFEST))["tables"]
    return [{**entry, **changes}]


def test_a_manifest_that_was_written_is_read() -> None:
    assert manifests.from_text(manifests.to_text(MANIFEST)) == MANIFEST


@pytest.mark.parametrize(
    "name",
    ["../outside.py", "/etc/passwd", "sub/x.py", "x\\y.py", ".hidden.py", "x.so", "", "a\0.py"],
)
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    files = [{"name": name, "size": 1, "sha256": ""}]
    with pytest.raises(ManifestError, match="not a file of a dump"):
        manifests.from_text(resealed(tables=table(files=files)))


def test_a_manifest_need_not_know_the_keys_of_content_types() -> None:
    content = json.loads(manifests.to_text(MANIFEST))
    del content["content_types"], content["seal"]
    text = json.dumps({**content, "seal": manifests._seal(content)})
    assert manifests.from_text(text) == MANIFEST


def test_a_file_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ManifestError, match="twice"):
        manifests.from_text(resealed(tables=table() * 2))


@pytest.mark.parametrize(
    "changes",
    [
        {"tables": None},
        {"tables": [1]},
        {"tables": table(rows="2")},
        {"tables": table(rows=-1)},
        {"tables": table(fields="id")},
        {"tables": table(db_tables=[["x"]])},
        {"tables": table(files=[{}])},
        {"tables": table(more=1)},
        {"restore": []},
        {"migrations": {"shop": 1}},
        {"left_out": []},
        {"version": 2},
    ],
)
def test_a_value_of_another_type_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="not a complete manifest of a dump"):
        manifests.from_text(resealed(**changes))


@pytest.mark.parametrize("text", ["[" * 2000, "[" * 400_000, "[],{}" * 100_000])
def test_a_manifest_that_is_too_deep_or_has_too_many_parts_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        manifests.from_text(text)
