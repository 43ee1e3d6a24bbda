"""A pytest plugin beside pytest-django: fixtures for a test, a class, a module, or the session.

Each scope that is wider than a test is a transaction, within that of the next wider scope: its rows
are loaded once, and undone by a rollback. What a test writes is undone within them, as ever. A test
that commits cannot run in a transaction: the scopes are left, and all its rows loaded and flushed.

Django is imported within functions only: projects without it have this plugin, too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, NoReturn

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
TO_WRITE = "\nTo write it: python manage.py dumpdata APP --format=py --output APP/fixtures/NAME.py"
TRANSACTIONAL = frozenset({"transactional_db", "live_server", "django_db_reset_sequences"})


class Level(NamedTuple):
    """Fixtures that are loaded at once, for all tests of a node.

    Attributes:
        scope: a key of SCOPES, or "function".
        node: the id of the node whose tests see the rows.
        names: what ``loaddata`` is given.
        databases: their aliases, or "__all__".
    """

    scope: str
    node: str
    names: tuple[str, ...]
    databases: tuple[str, ...]


class Scopes:
    """The levels whose rows are in the databases now, the widest first."""

    def __init__(self, blocker: DjangoDbBlocker) -> None:
        self._blocker = blocker
        self._shown: list[tuple[Level, ExitStack]] = []

    def show(self, levels: Sequence[Level]) -> None:
        """Let these levels, and no others, be in the databases; raises what a load raises."""
        self.leave_all_but(levels)
        with self._blocker.unblock():
            for level in levels[len(self._shown) :]:
                self._shown.append((level, _entered(level)))

    def leave_all_but(self, levels: Sequence[Level]) -> None:
        """Undo the rows of other levels, and of levels within them."""
        while self._shown and not self._are_whole(levels):
            with self._blocker.unblock():
                self._shown.pop()[1].close()

    def _are_whole(self, levels: Sequence[Level]) -> bool:
        from django.db import connections

        shown = [level for level, _ in self._shown]
        # A test that has broken the connection has lost the rows, too.
        is_broken = any(
            connections[alias].needs_rollback or connections[alias].closed_in_transaction
            for alias in _aliases(shown)
        )
        return shown == list(levels[: len(shown)]) and not is_broken


_scopes = pytest.StashKey[Scopes]()
_is_begun = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the marker imply ``django_db``, with the databases that it names."""
    marks = list(item.iter_markers("dumpy"))
    if not marks:
        return
    named = list(filter(None, (mark.kwargs.get("databases") for mark in marks)))
    given = item.get_closest_marker("django_db")
    args, kwargs = (given.args, dict(given.kwargs)) if given else ((), {})
    if named:
        every = [kwargs.get("databases") or ["default"], *named]
        kwargs["databases"] = "__all__" if "__all__" in every else sorted(set().union(*every))
    item.add_marker(pytest.mark.django_db(*args, **kwargs), append=False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that see the same rows beside each other, where the first of them is."""
    first: dict[object, int] = {}

    def place(numbered: tuple[int, pytest.Item]) -> list[int]:
        number, item = numbered
        levels = _scoped(item)
        groups = [(_commits(item), *levels[: size + 1]) for size in range(len(levels))]
        return [*(first.setdefault(group, number) for group in groups), number]

    items[:] = [item for _, item in sorted(enumerate(items), key=place)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a mark that is wrong, and see to it that the scopes of a class are whole."""
    marks = list(item.iter_markers("dumpy"))
    if not marks:
        return
    if not item.config.pluginmanager.hasplugin("django"):
        _fail("@pytest.mark.dumpy needs pytest-django: pip install pytest-django")
    for mark in marks:
        _check(mark, item)
    node = item.getparent(pytest.Class) or item
    if node.stash.get(_is_begun, False):
        item.session.stash[_scopes].show(_scoped_now(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Leave the scopes that the next test is not in."""
    try:
        return (yield)
    finally:
        if scopes := item.session.stash.get(_scopes, None):
            scopes.leave_all_but(_scoped_now(nextitem) if nextitem else ())


@pytest.fixture(scope="session")
def _dumpy_scopes(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Generator[Scopes]:
    """Return the scopes of this process, which end before its databases do."""
    scopes = request.session.stash[_scopes] = Scopes(django_db_blocker)
    yield scopes
    scopes.leave_all_but(())


@pytest.fixture(autouse=True, scope="class")
def _dumpy_scopes_of_class(request: pytest.FixtureRequest) -> Generator[None]:
    """Load scopes when the session and the module are set up, and before anything of the class."""
    item = request._pyfuncitem
    if item.get_closest_marker("dumpy"):
        request.getfixturevalue("_dumpy_scopes").show(_scoped_now(item))
        request.node.stash[_is_begun] = True
    yield
    request.node.stash[_is_begun] = False


@pytest.fixture(autouse=True)
def _dumpy_marker(request: pytest.FixtureRequest) -> Generator[None]:
    """Load what is for this test alone: all that it sees, if it commits."""
    item = request.node
    if not item.get_closest_marker("dumpy") or _is_skipped(item):
        yield
        return
    request.getfixturevalue("db")
    levels = _levels(item)[len(_scoped_now(item)) :]
    with ExitStack() as stack:
        stack.callback(_forget_caches)
        # A TestCase begins its transaction later, when it runs; all others have begun.
        if _is_a("TestCase", item):
            stack.enter_context(_entered(*levels))
        else:
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
    """Fail if a mark cannot be meant so."""
    scope = mark.kwargs.get("scope", "function")
    said = f"{_shown(mark)} of {item.nodeid}"
    if not mark.args:
        _fail(f'{said} names no fixture. Write: @pytest.mark.dumpy("NAME")')
    if unknown := mark.kwargs.keys() - {"scope", "databases"}:
        named = ", ".join(map(repr, sorted(unknown)))
        _fail(f"{said}: unknown argument {named}. Write scope=… or databases=….")
    if scope not in (*SCOPES, "function"):
        known = ", ".join(f'"{one}"' for one in ("function", *reversed(SCOPES)))
        _fail(f"{said}: unknown scope {scope!r}. Write one of {known}.")
    # The transaction of the class is outside of what a method could ask for.
    if scope != "function" and mark in item.own_markers and _is_a("TestCase", item):
        _fail(f"{said}: put it on the class. A TestCase has one scope for all its tests.")
    _check_databases(_level(mark, item), item, said)


def _check_databases(level: Level, item: pytest.Item, said: str) -> None:
    """Fail unless test databases are made for all aliases: the real ones must not be loaded."""
    from django.db import connections

    allowed = set(item.cls.databases) if _is_a("TransactionTestCase", item) else {"__all__"}  # type: ignore[attr-defined]
    for alias in level.databases:
        if alias != "__all__" and alias not in connections:
            _fail(f"{said}: unknown database {alias!r}. Write some of {', '.join(connections)}.")
        if not allowed & {alias, "__all__"}:
            _fail(f"{said}: the class must have the database, too: databases = {{{alias!r}, …}}")


def _fail(sentence: str) -> NoReturn:
    pytest.fail(sentence, pytrace=False)


def _shown(mark: pytest.Mark) -> str:
    """Return a mark as it is written."""
    values = [*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())]
    return f"@pytest.mark.dumpy({', '.join(values)})"


def _levels(item: pytest.Item) -> tuple[Level, ...]:
    """Return what a test is to see: by scope, then from the outermost mark to the innermost."""
    order = [*SCOPES, "function"]
    marks = reversed(list(item.iter_markers("dumpy")))
    return tuple(sorted((_level(m, item) for m in marks), key=lambda one: order.index(one.scope)))


def _level(mark: pytest.Mark, item: pytest.Item) -> Level:
    scope = mark.kwargs.get("scope")
    scope = scope if scope in SCOPES else "function"
    node = (item.getparent(SCOPES[scope]) if scope in SCOPES else None) or item
    databases = mark.kwargs.get("databases") or ["default"]
    aliases = (databases,) if isinstance(databases, str) else tuple(sorted(databases))
    return Level(scope, node.nodeid, mark.args, aliases)


def _scoped(item: pytest.Item) -> tuple[Level, ...]:
    """Return the levels of a test that others may share."""
    return tuple(level for level in _levels(item) if level.scope != "function")


def _scoped_now(item: pytest.Item) -> tuple[Level, ...]:
    """Return the levels that are to be shown to a test: none if it commits."""
    levels = _scoped(item)
    return () if levels and _commits(item) else levels


def _commits(item: pytest.Item) -> bool:
    """Whether a test runs outside of a transaction."""
    if _is_a("TransactionTestCase", item):
        return not _is_a("TestCase", item)
    mark = item.get_closest_marker("django_db")
    is_asked_for = mark is not None and _transactional(*mark.args, **mark.kwargs)
    return is_asked_for or not TRANSACTIONAL.isdisjoint(getattr(item, "fixturenames", ()))


def _transactional(
    transaction: bool = False, reset_sequences: bool = False, *others: object, **more: object
) -> bool:
    """Whether the arguments of ``django_db`` ask for transactions that are committed."""
    return transaction or reset_sequences


def _is_a(kind: str, item: pytest.Item) -> bool:
    """Whether a test is of a class that derives from one of ``django.test``."""
    from django import test

    return issubclass(getattr(item, "cls", None) or object, getattr(test, kind))


def _is_skipped(item: pytest.Item) -> bool:
    """Whether unittest skips a test: Django flushes nothing then."""
    return bool(getattr(getattr(item, "obj", None), "__unittest_skip__", False))


def _entered(*levels: Level) -> ExitStack:
    """Load levels; what is returned undoes them when it is closed."""
    from dumpy.restoring.scratch import rolled_back

    with ExitStack() as stack:
        stack.callback(_forget_caches)
        for alias in _aliases(levels):
            stack.enter_context(rolled_back(alias))
        _load(levels)
        return stack.pop_all()


def _aliases(levels: Iterable[Level]) -> list[str]:
    from django.db import connections

    named = {alias for level in levels for alias in level.databases}
    return [alias for alias in connections if named & {alias, "__all__"}]


def _load(levels: Sequence[Level]) -> None:
    """Load all of the levels or nothing; a load that fails is a sentence, without a traceback."""
    from django.core.management import CommandError
    from django.core.serializers.base import DeserializationError
    from django.db import Error, transaction

    with ExitStack() as stack:
        for alias in _aliases(levels):
            stack.enter_context(transaction.atomic(using=alias))
        for level in levels:
            try:
                for alias in _aliases([level]):
                    _loaddata(level.names, alias)
            except (CommandError, DeserializationError, Error) as error:
                names = ", ".join(map(repr, level.names))
                hint = TO_WRITE if str(error).startswith("No fixture named ") else ""
                reason = f"@pytest.mark.dumpy({names}): {error}{hint}"
                raise pytest.fail.Exception(reason, pytrace=False) from None


def _loaddata(names: Iterable[str], alias: str) -> None:
    from django.core.management import call_command

    call_command("loaddata", *names, database=alias, verbosity=0)


def _forget_caches() -> None:
    """Let Django look up again the content types and sites that a rollback takes away."""
    from dumpy.restoring.schema import forget_rows

    forget_rows()
