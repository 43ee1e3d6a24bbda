"""A pytest plugin for pytest-django: fixtures for a test, a class, a module, or the session.

Each scope wider than a test is a transaction, inside the transaction of the next wider scope: its
rows are loaded once, and rolled back. The transactions of tests are inside the scopes. A test that
commits cannot run in a transaction: the scopes are rolled back, and all its rows are loaded and
flushed.

Django is imported inside functions only, because pytest imports this plugin in projects without
Django, too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

MARKER = (
    'dumpy(*names, scope="function", databases=None): load fixtures, named as for loaddata, for '
    'the test; with a wider scope ("class", "module", "session") once for all its tests with this '
    "mark. *databases* are those to load into, as for django_db, which is implied."
)
SCOPES: dict[str, type[pytest.Collector]] = {
    "session": pytest.Session,
    "module": pytest.Module,
    "class": pytest.Class,
}
DUMPDATA_HINT = (
    "\nTo write it: python manage.py dumpdata APP --format=py --output APP/fixtures/NAME.py"
)
NOT_INSTALLED = (
    '\nAdd "dumpy" to INSTALLED_APPS: Django finds no fixtures in the format py without it.'
)
TRANSACTIONAL = frozenset({"transactional_db", "live_server", "django_db_reset_sequences"})


class Level(NamedTuple):
    """Fixtures that are loaded together, for all tests of a node.

    Attributes:
        scope: a key of SCOPES, or "function".
        node: the id of the node whose tests see the rows.
        names: the names of the fixtures, as for ``loaddata``.
        databases: the aliases of databases, or "__all__".
    """

    scope: str
    node: str
    names: tuple[str, ...]
    databases: tuple[str, ...]


class Scopes:
    """The levels whose rows are currently in the databases, the widest first."""

    def __init__(self, blocker: DjangoDbBlocker) -> None:
        self._blocker = blocker
        self._loaded: list[tuple[Level, ExitStack]] = []

    def load_only(self, levels: Sequence[Level]) -> None:
        """Load these levels, and roll back all others; raises the errors of a load."""
        self.roll_back_all_but(levels)
        with self._blocker.unblock():
            for level in levels[len(self._loaded) :]:
                self._loaded.append((level, _loaded_until_closed(level)))

    def roll_back_all_but(self, levels: Sequence[Level]) -> None:
        """Roll back all other levels, and all levels inside them."""
        while self._loaded and not self._are_intact(levels):
            with self._blocker.unblock():
                self._loaded.pop()[1].close()

    def _are_intact(self, levels: Sequence[Level]) -> bool:
        from django.db import connections

        loaded = [level for level, _ in self._loaded]
        # A test that has broken the connection or its transaction has lost the rows, too.
        is_broken = any(
            connections[alias].needs_rollback or connections[alias].closed_in_transaction
            for alias in _aliases(loaded)
        )
        return loaded == list(levels[: len(loaded)]) and not is_broken


_scopes = pytest.StashKey[Scopes]()
_is_set_up = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Add ``django_db`` to tests with the marker, with the databases of both."""
    marks = list(item.iter_markers("dumpy"))
    if not marks:
        return
    aliases = {alias for mark in marks if "databases" in mark.kwargs for alias in _databases(mark)}
    django_mark = item.get_closest_marker("django_db")
    args, kwargs = (django_mark.args, dict(django_mark.kwargs)) if django_mark else ((), {})
    if aliases:
        others = kwargs.get("databases") or ["default"]
        aliases |= {others} if isinstance(others, str) else {*others}
        kwargs["databases"] = "__all__" if "__all__" in aliases else sorted(aliases)
    item.add_marker(pytest.mark.django_db(*args, **kwargs), append=False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move tests that see the same rows to the first of them."""
    first_numbers: dict[object, int] = {}

    def position(numbered: tuple[int, pytest.Item]) -> list[int]:
        number, item = numbered
        levels = _shared_levels(item)
        groups = [(_commits(item), *levels[: size + 1]) for size in range(len(levels))]
        return [*(first_numbers.setdefault(group, number) for group in groups), number]

    items[:] = [item for _, item in sorted(enumerate(items), key=position)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check the marks of a test, and load the scopes of its class if they are not loaded."""
    marks = list(item.iter_markers("dumpy"))
    if not marks:
        return
    if not item.config.pluginmanager.hasplugin("django"):
        _fail("@pytest.mark.dumpy needs pytest-django: pip install pytest-django")
    for mark in marks:
        _check(mark, item)
    node = item.getparent(pytest.Class) or item
    if node.stash.get(_is_set_up, False):
        item.session.stash[_scopes].load_only(_shared_levels_to_load(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Roll back the scopes that do not contain the next test."""
    try:
        return (yield)
    finally:
        if scopes := item.session.stash.get(_scopes, None):
            scopes.roll_back_all_but(_shared_levels_to_load(nextitem) if nextitem else ())


@pytest.fixture(scope="session")
def _dumpy_scopes(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Generator[Scopes]:
    """Return the scopes of this process, and roll them back before the databases are destroyed."""
    scopes = request.session.stash[_scopes] = Scopes(django_db_blocker)
    yield scopes
    scopes.roll_back_all_but(())


@pytest.fixture(autouse=True, scope="class")
def _dumpy_scopes_of_class(request: pytest.FixtureRequest) -> Generator[None]:
    """Load scopes after the setup of the session and the module, and before that of the class."""
    item = request._pyfuncitem
    if item.get_closest_marker("dumpy"):
        request.getfixturevalue("_dumpy_scopes").load_only(_shared_levels_to_load(item))
        request.node.stash[_is_set_up] = True
    yield
    request.node.stash[_is_set_up] = False


@pytest.fixture(autouse=True)
def _dumpy_marker(request: pytest.FixtureRequest) -> Generator[None]:
    """Load the fixtures of this test only, or all its fixtures if it commits."""
    item = request.node
    if not item.get_closest_marker("dumpy") or _is_skipped(item):
        yield
        return
    request.getfixturevalue("db")
    levels = _levels(item)[len(_shared_levels_to_load(item)) :]
    with ExitStack() as stack:
        stack.callback(_forget_caches)
        # A TestCase begins its transaction later, when it runs; other tests have begun theirs.
        if _is_a("TestCase", item):
            stack.enter_context(_loaded_until_closed(*levels))
        else:
            stack.enter_context(_sequences_reset_first(item))
            _load(levels)
        yield


@pytest.fixture
def dumpy_load(db: None) -> Generator[Callable[..., None]]:
    """Return a function that loads fixtures, named as for ``loaddata``, into the test database.

    ``dumpy_load("demo", database="other")`` needs the database in the test's ``django_db``.
    """

    def load(*names: str, database: str = "default") -> None:
        _loaddata(names, database)

    yield load
    _forget_caches()


def _check(mark: pytest.Mark, item: pytest.Item) -> None:
    """Fail if a mark is wrong."""
    scope = mark.kwargs.get("scope", "function")
    subject = f"{_source(mark)} of {item.nodeid}"
    if not mark.args:
        _fail(f'{subject} names no fixture. Write: @pytest.mark.dumpy("NAME")')
    if unknown := mark.kwargs.keys() - {"scope", "databases"}:
        names = ", ".join(map(repr, sorted(unknown)))
        _fail(f"{subject}: unknown argument {names}. Write scope=… or databases=….")
    if scope not in (*SCOPES, "function"):
        scopes = ", ".join(f'"{name}"' for name in ("function", *reversed(SCOPES)))
        _fail(f"{subject}: unknown scope {scope!r}. Write one of {scopes}.")
    # The transaction of the class is outside of every transaction for a method.
    if scope != "function" and mark in item.own_markers and _is_a("TestCase", item):
        _fail(f"{subject}: put it on the class. A TestCase has one scope for all its tests.")
    _check_databases(_level(mark, item), item, subject)


def _check_databases(level: Level, item: pytest.Item, subject: str) -> None:
    """Fail unless all aliases have test databases: never load into the real ones."""
    from django.db import connections

    allowed = set(item.cls.databases) if _is_a("TransactionTestCase", item) else {"__all__"}  # type: ignore[attr-defined]
    for alias in level.databases:
        if alias != "__all__" and alias not in connections:
            _fail(f"{subject}: unknown database {alias!r}. Write some of {', '.join(connections)}.")
        if not allowed & {alias, "__all__"}:
            _fail(f"{subject}: the class must have the database, too: databases = {{{alias!r}, …}}")


def _fail(sentence: str) -> NoReturn:
    pytest.fail(sentence, pytrace=False)


def _source(mark: pytest.Mark) -> str:
    """Return the source of a mark."""
    values = [*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())]
    return f"@pytest.mark.dumpy({', '.join(values)})"


def _levels(item: pytest.Item) -> tuple[Level, ...]:
    """Return the levels of a test by scope, then from the outermost mark to the innermost."""
    order = [*SCOPES, "function"]
    marks = reversed(list(item.iter_markers("dumpy")))
    levels = (_level(mark, item) for mark in marks)
    return tuple(sorted(levels, key=lambda level: order.index(level.scope)))


def _level(mark: pytest.Mark, item: pytest.Item) -> Level:
    scope = mark.kwargs.get("scope")
    scope = scope if scope in SCOPES else "function"
    node = (item.getparent(SCOPES[scope]) if scope in SCOPES else None) or item
    lists = ([arg] if isinstance(arg, str) else arg for arg in mark.args)
    names = tuple(name for arg in lists for name in arg)
    return Level(scope, node.nodeid, names, _databases(mark))


def _databases(mark: pytest.Mark) -> tuple[str, ...]:
    """Return the aliases of the databases of a mark."""
    databases = mark.kwargs.get("databases") or ["default"]
    return (databases,) if isinstance(databases, str) else tuple(sorted(databases))


def _shared_levels(item: pytest.Item) -> tuple[Level, ...]:
    """Return the levels of a test that other tests may share."""
    return tuple(level for level in _levels(item) if level.scope != "function")


def _shared_levels_to_load(item: pytest.Item) -> tuple[Level, ...]:
    """Return the shared levels to load for a test: none if it commits."""
    levels = _shared_levels(item)
    return () if levels and _commits(item) else levels


def _commits(item: pytest.Item) -> bool:
    """Whether a test runs outside of a transaction."""
    if _is_a("TransactionTestCase", item):
        return not _is_a("TestCase", item)
    mark = item.get_closest_marker("django_db")
    is_transactional = mark is not None and _transactional(*mark.args, **mark.kwargs)
    return is_transactional or not TRANSACTIONAL.isdisjoint(getattr(item, "fixturenames", ()))


def _transactional(
    transaction: bool = False, reset_sequences: bool = False, *args: object, **kwargs: object
) -> bool:
    """Whether a test with these arguments of ``django_db`` commits transactions."""
    return transaction or reset_sequences


def _is_a(kind: str, item: pytest.Item) -> bool:
    """Whether a test belongs to a subclass of a class of ``django.test``."""
    from django import test

    return issubclass(getattr(item, "cls", None) or object, getattr(test, kind))


def _is_skipped(item: pytest.Item) -> bool:
    """Whether unittest skips a test: then Django does not flush the database."""
    return bool(getattr(getattr(item, "obj", None), "__unittest_skip__", False))


def _loaded_until_closed(*levels: Level) -> ExitStack:
    """Load levels, and return a stack that rolls them back when it is closed."""
    from dumpy.restoring.scratch import rolled_back

    with ExitStack() as stack:
        stack.callback(_forget_caches)
        for alias in _aliases(levels):
            stack.enter_context(rolled_back(alias))
        _load(levels)
        return stack.pop_all()


@contextmanager
def _sequences_reset_first(item: pytest.Item) -> Generator[None]:
    """Reset the sequences that a TransactionTestCase would reset after the rows are loaded."""
    case: Any = getattr(item, "cls", None)
    if not (_is_a("TransactionTestCase", item) and case.reset_sequences):
        yield
        return
    for alias in case._databases_names(include_mirrors=False):
        case._reset_sequences(alias)
    case.reset_sequences = False
    try:
        yield
    finally:
        case.reset_sequences = True


def _aliases(levels: Iterable[Level]) -> list[str]:
    from django.db import connections

    names = {alias for level in levels for alias in level.databases}
    return [alias for alias in connections if names & {alias, "__all__"}]


def _load(levels: Sequence[Level]) -> None:
    """Load all levels or nothing; fail with a sentence instead of a traceback."""
    from django.apps import apps
    from django.core.management import CommandError
    from django.core.serializers.base import DeserializationError
    from django.db import Error, transaction

    from dumpy.errors import LoadError, lacks_rows

    with ExitStack() as stack:
        for alias in _aliases(levels):
            stack.enter_context(transaction.atomic(using=alias))
        for level in levels:
            try:
                for alias in _aliases([level]):
                    _loaddata(level.names, alias)
            except (CommandError, DeserializationError, Error) as error:
                names = ", ".join(map(repr, level.names))
                text = error.brief() if isinstance(error, LoadError) else str(error)
                hint = ""
                if text.startswith("No fixture named "):
                    hint = DUMPDATA_HINT if apps.is_installed("dumpy") else NOT_INSTALLED
                if lacks_rows(error):
                    hint = f"\nIf another fixture has these rows, name it, too: dumpy({names}, …)"
                reason = f"@pytest.mark.dumpy({names}): {text}{hint}"
                raise pytest.fail.Exception(reason, pytrace=False) from None


def _loaddata(names: Iterable[str], alias: str) -> None:
    from django.core.management import call_command

    call_command("loaddata", *names, database=alias, verbosity=0)


def _forget_caches() -> None:
    """Clear Django's caches of content types and sites, which a rollback removes."""
    from dumpy.restoring.schema import clear_row_caches

    clear_row_caches()
