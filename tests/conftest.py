"""Which engine the tests run on, and which tests need another one."""

from __future__ import annotations

import compileall
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from engines import REACH, is_required, trouble
from hypothesis import settings as hypothesis_settings
from running import Project

# The tests in these directories know of no engine: they run once, not on each.
WITHOUT_ENGINE = {"architecture", "text"}

ROOT = Path(__file__).resolve().parents[1]

# No test asserts a time.
hypothesis_settings.register_profile("dumpy", deadline=None)
hypothesis_settings.load_profile("dumpy")


# A shell lets what runs in the background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the project, which each of the many processes of the tests would do for itself."""
    if not hasattr(config, "workerinput"):
        for package in ("dumpy", "testproject"):
            compileall.compile_dir(ROOT / package, quiet=2)


def pytest_report_header() -> str:
    """Return the line that names the engine."""
    return f"engine: {settings.ENGINE} (DUMPY_TEST_ENGINE is one of {', '.join(REACH)})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need another engine, or all if the server does not answer."""
    reason = trouble(settings.ENGINE)
    if reason is not None and is_required(settings.ENGINE):
        pytest.exit(f"{settings.ENGINE} is required, but cannot be used: {reason}", returncode=2)
    for item in items:
        skip_unless_possible(item, reason)


def skip_unless_possible(item: pytest.Item, reason: str | None) -> None:
    """Mark one test as skipped if the engine is not the one it needs, or is out of reach."""
    if reason is not None:
        item.add_marker(pytest.mark.skip(reason=f"{settings.ENGINE}: {reason}"))
    needed = [engine for engine in REACH if item.get_closest_marker(engine)]
    if item.path.parent.name in WITHOUT_ENGINE:
        needed = ["sqlite"]
    if needed and settings.ENGINE not in needed:
        item.add_marker(pytest.mark.skip(reason=f"needs {' or '.join(needed)}"))


@pytest.fixture(autouse=True)
def no_memory_of_content_types() -> Iterator[None]:
    """Forget after each test which keys content types had in a database that is rolled back."""
    from django.contrib.contenttypes.models import ContentType

    yield
    ContentType.objects.clear_cache()


@pytest.fixture
def hangups() -> Iterator[None]:
    """Let SIGHUP end what a test starts, also where the tests themselves run under ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, transactional_db: None) -> Project:
    """The test project in processes of its own, on the databases of the test."""
    mark = request.node.get_closest_marker("django_db")
    aliases = mark.kwargs.get("databases", ["default"]) if mark else ["default"]
    return Project(tmp_path, tuple(aliases))
