"""Dumps and fixtures written by the tests, and what came of loading them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import models

from dumpy.errors import LoadError
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

Load = Callable[..., str]

HAND_WRITTEN = "from dumpy import FlushDeferredObjects\nfrom zoo.models import *\n\n\n"


@dataclass(frozen=True)
class Rows:
    """Rows of one model: tuples of values, or the source of the arguments of a call."""

    label: str
    fields: list[str]
    rows: list[str]


def rows(label: str, fields: str, *values: str | tuple[Any, ...]) -> Rows:
    """Return rows of the model ``label`` with the fields named in ``fields``."""
    return Rows(
        label,
        fields.split(),
        [value if isinstance(value, str) else ", ".join(map(repr, value)) for value in values],
    )


def dump_of(*tables: Rows) -> str:
    """Return a dump with these rows in this order, as dumpy would write it."""
    names, sections = Names(), []
    text = head("Rows of a test.", None, {})
    for table in tables:
        model = names.for_model(*table.label.split("."))
        section = names.section(model)
        sections.append(section)
        parameters = names.parameters(table.fields, model.variable)
        text += model_line(model.variable, table.label)
        text += create_function(model, list(zip(parameters, table.fields, strict=True)))
        text += section_head(section)
        text += "".join(f"{row_prefix(model.create)}{row})\n" for row in table.rows)
    return text + objects_function(sections) + tail()


def fixture_of(*lines: str) -> str:
    """Return a hand-written fixture whose ``objects()`` has these lines as its body."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"{HAND_WRITTEN}def objects():\n{body}"


def refusal(load: Load, text: str, **options: Any) -> LoadError:
    """Load what cannot be loaded and return the error with all of its problems."""
    with pytest.raises(CommandError) as caught:
        load(text, **options)
    error = caught.value
    assert isinstance(error, LoadError), error
    return error


def message(load: Load, text: str, **options: Any) -> str:
    """Load what cannot be loaded and return the message."""
    with pytest.raises(CommandError) as caught:
        load(text, **options)
    return str(caught.value)


def line_of(text: str, part: str) -> int:
    """Return the number of the one line that holds ``part``."""
    (number,) = [n for n, line in enumerate(text.splitlines(), 1) if part in line]
    return number


def values(model: type[models.Model], *fields: str) -> list[Any]:
    """Return the rows of a table by primary key: tuples, or values if there is one field."""
    found: Iterable[Any] = models.QuerySet(model).order_by("pk")
    return list(found.values_list(*fields, flat=len(fields) == 1))
