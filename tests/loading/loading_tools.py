"""Dumps and fixtures written by the tests, and what came of loading them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import models

from dumpy.errors import LoadError

Load = Callable[..., str]

HAND_WRITTEN = "from dumpy import FlushDeferredObjects\nfrom zoo.models import *\n\n\n"


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
