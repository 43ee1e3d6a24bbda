"""Ten TestCases, of which each checks that the rows of a fixture are there.

The environment says how: SUITE_WAY is "fixtures" or "session", SUITE_FIXTURE the path of the
fixture, SUITE_DIGESTS that of what must be there.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import TestCase

from benchmarks.shop.models import Item
from benchmarks.worker import digests

FIXTURE = os.environ["SUITE_FIXTURE"]
EXPECTED = json.loads(Path(os.environ["SUITE_DIGESTS"]).read_text(encoding="utf-8"))
IS_SESSION = os.environ["SUITE_WAY"] == "session"
checking = 0.0
"""Seconds of CPU time that were spent to compare all rows: no part of what is measured."""


class FirstTests(TestCase):
    """The database is made, and modules are imported, for this one: it is not measured."""

    fixtures = [FIXTURE]

    def test_the_fixture_is_loaded(self) -> None:
        """Check that there is something to measure."""
        assert Item.objects.exists()


class Checks:
    """What is checked in each case."""

    def test_the_rows_are_there(self) -> None:
        """Check as a test would, and then all rows."""
        assert Item.objects.exists()
        global checking
        started = time.process_time()
        assert {label: list(found) for label, found in digests("default").items()} == EXPECTED
        checking += time.process_time() - started


def _case(number: int) -> Any:
    attributes = {} if IS_SESSION else {"fixtures": [FIXTURE]}
    case = type(f"Case{number}Tests", (Checks, TestCase), attributes)
    return pytest.mark.dumpy(FIXTURE, scope="session")(case) if IS_SESSION else case


globals().update({f"Case{number}Tests": _case(number) for number in range(10)})
