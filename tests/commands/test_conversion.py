"""What other formats hold of every model of the zoo is the same in a dump that is made of it."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.core.serializers.base import DeserializationError
from django.db import Error

from dumpy.checking.fixtures import READERS, to_dump
from dumpy.restoring.scratch import rolled_back
from dumpy.testing import assert_same_data
from dumpy.writing.database import DatabaseDump, Options, select
from zoo.fill import fill

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.sqlite,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:No fixture data found"),
]
# Links of a row whose model is dumped alone lead nowhere, which json does not look at.
LINKED = {"zoo.Star", "zoo.Creature"}


def loaded(label: str, fixture: Path, dumped: Path) -> None:
    """Write the rows that a fixture gives in an empty database."""
    dump = DatabaseDump(select([label], [], "other"), Options("other", all_rows=True))
    with rolled_back("other"):
        call_command("loaddata", fixture, database="other", verbosity=0)
        dump.save(dumped)


def dumped_as(format: str, label: str, *, natural: bool) -> bytes:
    """Return the fixture that Django writes of a model."""
    out = io.StringIO()
    options = {"use_base_manager": True, "use_natural_foreign_keys": natural}
    call_command("dumpdata", label, format=format, stdout=out, **options)
    return out.getvalue().encode()


@pytest.mark.parametrize(("format", "natural"), [("json", False), ("yaml", False), ("xml", True)])
def test_a_converted_fixture_gives_the_same_rows(
    format: str, natural: bool, tmp_path: Path
) -> None:
    fill("default")
    old, before = tmp_path / f"old.{format}", tmp_path / "before.py"
    new, after = tmp_path / "new.py", tmp_path / "after.py"
    compared = 0
    models = [model for model in apps.get_app_config("zoo").get_models() if not model._meta.proxy]
    for model in models:
        label = model._meta.label
        before.unlink(missing_ok=True)
        # What Django cannot write, or not load by itself, is not for us to compare.
        with suppress(CommandError, DeserializationError, Error, UnicodeError, ValueError):
            old.write_bytes(dumped_as(format, label, natural=natural))
            loaded(label, old, before)
        if before.exists() and label not in LINKED:
            new.write_text(to_dump(READERS[format](io.BytesIO(old.read_bytes()))))
            loaded(label, new, after)
            assert_same_data(before, after)
            compared += 1
    assert compared >= 30
