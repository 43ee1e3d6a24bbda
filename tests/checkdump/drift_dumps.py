"""What is found in dumps of other schemas than today's, and migrators for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from dumpy import Migrator
from music.models import Artist


class PreparingMigrator(Migrator):
    """Makes rows before those of a dump come."""

    def migrate_from_1_0(self, globals_dict: dict[str, Any]) -> str:
        """Artists are made first."""

        @self.before_load
        def make_artists(loader: Any) -> None:
            loader.save(Artist(pk=2, name="Bach"))

        return "2.0"


@dataclass(frozen=True)
class Said:
    """What `checkdump --json` says, and the status that it ends with."""

    status: int
    report: dict[str, Any]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings, without the models that are not in the dump."""
        return [one for one in self.report["findings"] if one["kind"] != "model-added"]

    def of(self, kind: str) -> dict[str, Any]:
        """Return the one finding of a kind."""
        (found,) = (one for one in self.findings if one["kind"] == kind)
        return found


def checked(path: Path, *options: str) -> Said:
    """Check a dump in this process."""
    out = StringIO()
    status = 0
    try:
        call_command("checkdump", str(path), "--json", *options, stdout=out)
    except SystemExit as end:
        status = int(str(end.code))
    return Said(status, json.loads(out.getvalue()))


def report(path: Path, *options: str) -> str:
    """Return what `checkdump` says to a person of a dump that does not fit."""
    out, err = StringIO(), StringIO()
    with pytest.raises(Exception, match="would") as caught:
        call_command("checkdump", str(path), *options, stdout=out, stderr=err)
    return f"{out.getvalue()}{caught.value}\n"


class MergingMigrator(Migrator):
    """Makes one model of two."""

    def migrate_from_1_0(self, globals_dict: dict[str, Any]) -> str:
        """Kinds are genres."""
        self.rename_model("music.Kind", "music.Genre")
        return "2.0"
