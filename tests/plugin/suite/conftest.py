"""What the tests of the suite share."""

import pytest
from shop.loads import LOADS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often the program was loaded."""
    terminalreporter.write_line(f"milk was loaded {len(LOADS)} times")
