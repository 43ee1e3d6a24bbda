"""Dumps of other schemas than today's, written by the tests, and what is found in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from dumpy import Migrator
from dumpy.text.emit import (
    Names,
    create_function,
    head,
    model_line,
    objects_function,
    row_prefix,
    section_head,
    tail,
)
from dumpy.text.words import source


@dataclass(frozen=True)
class Rows:
    """Rows of one model, each a tuple of values or the source of its arguments."""

    label: str
    fields: list[str]
    rows: tuple[Any, ...]


def rows(label: str, fields: str, *values: str | tuple[Any, ...]) -> Rows:
    """Return rows of a model with the fields that are named, with blanks between."""
    return Rows(label, fields.split(), values)


def module(*tables: Rows, version: str | None = None) -> str:
    """Return the text of a dump with these rows, as dumpy writes it."""
    names, sections = Names(), []
    text = head("Rows of a test.", version, {})
    for table in tables:
        model = names.for_model(*table.label.split("."))
        section = names.section(model)
        sections.append(section)
        parameters = names.parameters(table.fields, model.variable)
        text += model_line(model.variable, table.label)
        text += create_function(model, list(zip(parameters, table.fields, strict=True)))
        text += section_head(section)
        text += "".join(f"{row_prefix(model.create)}{_arguments(row)})\n" for row in table.rows)
    return text + objects_function(sections) + tail()


def _arguments(row: str | tuple[Any, ...]) -> str:
    return row if isinstance(row, str) else ", ".join(map(source, row))


class PreparingMigrator(Migrator):
    """Makes rows before those of a dump come."""

    def migrate_from_1_0(self, globals_dict: dict[str, Any]) -> str:
        """Artists are made first."""

        @self.before_load
        def make_artists(loader: Any) -> None:
            raise AssertionError("a check runs no handler")

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


def report(path: Path) -> str:
    """Return what `checkdump` says to a person of a dump that does not fit."""
    out, err = StringIO(), StringIO()
    with pytest.raises(Exception, match="would") as caught:
        call_command("checkdump", str(path), stdout=out, stderr=err)
    return f"{out.getvalue()}{caught.value}\n"


class MergingMigrator(Migrator):
    """Makes one model of two."""

    def migrate_from_1_0(self, globals_dict: dict[str, Any]) -> str:
        """Kinds are genres."""
        self.rename_model("music.Kind", "music.Genre")
        return "2.0"
