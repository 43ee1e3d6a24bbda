"""Which engine the tests run on, and which tests need another one."""

from __future__ import annotations

import compileall
import signal
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from engines import REACH, is_required, trouble
from flushing import flush_quickly
from hypothesis import settings as hypothesis_settings
from matrix import DIRECTORIES, NOT_QUICK, SAMPLED, WITHOUT_DATABASE, WITHOUT_SQL
from pytest_django.plugin import DjangoDbBlocker
from running import Project, Undone
from sites import NewSite, Site, Version, create_database, name_on_server

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SERIALIZER = "dumpy.serializer"

# No test asserts a time, and none depends on chance: make property looks for other examples.
hypothesis_settings.register_profile("dumpy", deadline=None, derandomize=True)
hypothesis_settings.load_profile("dumpy")


# What pytest makes of the tests takes half of the time until the first one runs: it is kept.
sys.dont_write_bytecode = False
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


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files unread whose tests `make test-quick` leaves out."""
    if config.getoption("markexpr") != "quick":
        return None
    return collection_path in {TESTS / name for name in NOT_QUICK} or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with what its directory depends on, and leave out those of other engines."""
    reason = trouble(settings.ENGINE)
    if reason is not None:
        message = f"{settings.ENGINE} cannot be used: {reason}"
        pytest.exit(message, returncode=2 if is_required(settings.ENGINE) else 1)
    for item in items:
        mark(item, item.path.relative_to(TESTS))
    left_out = [item for item in items if not is_for(item, settings.ENGINE)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def mark(item: pytest.Item, file: Path) -> None:
    """Give a test the marks of its directory; raises ``UsageError`` if it may not be there."""
    directory = file.parts[0]
    left_out = {"sql"} if file.as_posix() in WITHOUT_SQL else set()
    # A checksum of the name, so that all processes choose the same cases.
    if directory in SAMPLED and hasattr(item, "callspec") and zlib.crc32(item.name.encode()) % 10:
        left_out.add("python")
    for name in DIRECTORIES[directory] - left_out:
        item.add_marker(name)
    is_long = item.get_closest_marker("slow") or hasattr(getattr(item, "obj", None), "hypothesis")
    if not is_long and NOT_QUICK.isdisjoint({directory, file.as_posix()}):
        item.add_marker("quick")
    if directory in WITHOUT_DATABASE and "django_db_setup" in getattr(item, "fixturenames", ()):
        raise pytest.UsageError(f"{item.nodeid}: tests in {directory} do without a database")


def is_for(item: pytest.Item, engine: str) -> bool:
    """Whether a test is to run on an engine: by its own marks, or those of its directory."""
    named = [name for name in REACH if item.get_closest_marker(name)]
    if named:
        return engine in named
    return engine == "sqlite" or item.get_closest_marker("sql") is not None


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Make the databases, and let tests that commit be cleaned up after in little time."""
    with django_db_blocker.unblock():
        flush_quickly()


@pytest.fixture(autouse=True)
def no_memory_of_content_types() -> Iterator[None]:
    """Forget after each test which keys content types had in a database that is rolled back."""
    from django.contrib.contenttypes.models import ContentType

    yield
    ContentType.objects.clear_cache()


@pytest.fixture(autouse=True)
def no_memory_of_patched_models(request: pytest.FixtureRequest) -> Iterator[None]:
    """Forget what was learned of models while a test had changed them."""
    yield
    if "monkeypatch" not in request.fixturenames:
        return
    # What migrations do, which the serializer remembers, depends on no model, and is slow to find.
    for name in [name for name in sys.modules if name.startswith("dumpy.") and name != SERIALIZER]:
        for cached in _cached_functions(name):
            cached.cache_clear()


@cache
def _cached_functions(module: str) -> list[Any]:
    """Return the functions of a module that remember what they have returned."""
    return [one for one in vars(sys.modules[module]).values() if hasattr(one, "cache_clear")]


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, transactional_db: None) -> Project:
    """The test project in processes of its own, on the databases of the test."""
    mark = request.node.get_closest_marker("django_db")
    aliases = mark.kwargs.get("databases", ["default"]) if mark else ["default"]
    return Project(tmp_path, "", tuple(aliases))


@pytest.fixture(scope="session")
def new_site(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[NewSite]:
    """Return a function that makes a site, of a version or with empty databases."""
    made = []

    def new(name: str, version: Version | None = None, kind: Any = Site, **options: Any) -> Site:
        site = kind(tmp_path_factory.mktemp(name), name_on_server(name), **options)
        made.append(site)
        with django_db_blocker.unblock():
            for database in site.databases.values():
                create_database(database)
            if version:
                site.begin(version)
        return site

    yield new
    with django_db_blocker.unblock():
        for site in made:
            site.drop()


@pytest.fixture(scope="session")
def undone(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Undone:
    """Return a block whose rows are undone: what is made of them serves many tests."""

    @contextmanager
    def block() -> Iterator[None]:
        from dumpy.restoring.scratch import rolled_back

        # In any other transaction, PostgreSQL and MySQL have no snapshot for a dump.
        with django_db_blocker.unblock(), rolled_back(DEFAULT_DB_ALIAS):
            yield

    return block


@pytest.fixture
def unblocked(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test use the databases of sites, which are not those of the test project."""
    with django_db_blocker.unblock():
        yield
