"""Whatever code a person puts into a dump, its rows mean what Python makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model
from running import called, dumped

from dumpy.dump import dumped_row, new
from dumpy.errors import FixtureError
from dumpy.reading.directory import read_directory
from dumpy.reading.execution import named
from dumpy.reading.fixture import Constant, Dump, TableRows, read_fixture
from dumpy.reading.program import Program
from dumpy.reading.source import open_source
from dumpy.restoring.content import DirectoryContent
from music.models import Artist, MediaType, Track

pytestmark = pytest.mark.django_db

LABELS = ("music.Artist", "music.MediaType", "music.Track")
FUNCTION = "def create_music_artist(id, name):"
SHOUT = """
def new(model, **values):
    return model(**{name: v.upper() if isinstance(v, str) else v for name, v in values.items()})
"""
DROP = "create_music_artist = lambda id, name: None"

# Code by its name, put behind the functions of a dump.
BEHIND = {
    "a function called as a word": SHOUT,
    "a word defined under a condition": (
        "if True:\n    def new(model, **values):\n        return None"
    ),
    "a word defined in a try": "try:\n    new = None\nexcept ValueError:\n    pass",
    "a word bound by a for": "for new in [lambda model, **values: None]:\n    pass",
    "a word bound by a with": (
        "from contextlib import nullcontext\n"
        "with nullcontext(lambda model, **values: None) as new:\n    pass"
    ),
    "a word bound by a match": "match 1:\n    case utc:\n        Decimal = float",
    "a word assigned": "new = lambda model, **values: None",
    "a word assigned with others": "a = new = lambda model, **values: None",
    "a word assigned in a tuple": "a, new = 1, lambda model, **values: None",
    "a word assigned with a type": "new: object = lambda model, **values: None",
    "a word assigned in an expression": "(new := lambda model, **values: None)",
    "a word imported under its name": "from collections import namedtuple, OrderedDict as Decimal",
    "a word imported by a module": "import datetime",
    "two imports": "import json, fractions as Decimal",
    "a word of a row that is a function": "def Decimal(text):\n    return 7",
    "a word of a row that is a class": "class Decimal(float):\n    pass",
    "a word of a row, in globals()": "globals()['Decimal'] = float",
    "globals()": "globals()['new'] = lambda model, **values: None",
    "globals() updated": "globals().update(new=lambda model, **values: None)",
    "vars()": "vars()['new'] = lambda model, **values: None",
    "exec": "exec('new = lambda model, **values: None')",
    "a module": (
        "import sys\n\n\ndef patch():\n    music_Artist.__init__.__globals__\n\n\n"
        "new.__kwdefaults__ = None"
    ),
    "a function of the words": (
        "kept = new\n\n\ndef new(model, **values):\n    made = kept(model, **values)\n"
        "    made.pk += 100\n    return made"
    ),
    "a model": "music_Artist = resolve_model('music.Genre')",
    "a model by a loop": "for music_Artist in [resolve_model('music.Genre')]:\n    pass",
    "a model by a function": "def music_Artist(**values):\n    return None",
    "a create function that is taken back": DROP,
    "a create function assigned in a condition": f"if True:\n    {DROP}",
    "a create function imported": "from operator import add as create_music_artist",
    "a create function defined twice": f"{FUNCTION}\n    return None",
    "a create function that is a class": "class create_music_artist:\n    pass\n\n\n" + DROP,
    "a decorator that does something": (
        "def only(function):\n    globals()['new'] = lambda model, **values: None\n\n\n"
        "@only\ndef helper():\n    pass"
    ),
    "a decorated helper": (
        "def apply(function):\n    return function()\n\n\n@apply\ndef helper():\n"
        "    global new\n    new = lambda model, **values: None"
    ),
    "a default": "def helper(given=globals().update(new=lambda model, **values: None)):\n    pass",
    "a default of a keyword": (
        "def helper(*, given=globals().update(new=lambda model, **values: None)):\n    pass"
    ),
    "an annotation": "def helper(given: globals().update(new=None)):\n    pass",
    "what a function returns": "def helper() -> globals().update(new=None):\n    pass",
    "the body of a class": (
        "class Helper:\n    globals()['new'] = lambda model, **values: None"
    ),
    "a global of the body of a class": (
        "class Helper:\n    global new\n    new = lambda model, **values: None"
    ),
    "a call of a helper": (
        "def helper():\n    global new\n    new = lambda model, **values: None\n\n\nhelper()"
    ),
    "a function of a row that changes others": (
        "def create_music_mediatype(id, name):\n    global create_music_track\n"
        "    create_music_track = create_music_artist\n    return None"
    ),
    "an assert": "assert globals().pop('Decimal')\nDecimal = float",
    "a code object": "create_music_artist.__code__ = (lambda id, name: None).__code__",
    "globals of another name": "def globals():\n    return {}",
    "a plain helper": "def helper(text, mark='!'):\n    return text + mark",
    "a plain import": "import re, os.path as paths\nfrom math import pi, tau as circle",
    "a harmless statement": "NOTES = {'changed': 'never'}",
}  # fmt: skip
# … and put in the place of a text of it.
INSTEAD: dict[str, tuple[str, str]] = {
    "code in a create function": ("        name=name,", "        name=name.upper(),"),
    "code that calls a helper": (
        f"{FUNCTION}\n    return new(\n        music_Artist,\n        id=id,\n        name=name,",
        "def loud(text):\n    return text * 2\n\n\n"
        f"{FUNCTION}\n    return new(\n        music_Artist, id=id, name=loud(name),",
    ),
    "a lambda": (
        f"{FUNCTION}\n    return new(\n        music_Artist,\n        id=id,\n        name=name,\n",
        "create_music_artist = lambda id, name: (\n    new(music_Artist, id=id, name=name)\n",
    ),
    "a word that is imported from elsewhere": (
        "from dumpy.dump import (\n    Decimal,",
        "from fractions import Fraction as Decimal\nfrom dumpy.dump import (\n   ",
    ),
    "a decorator": (FUNCTION, f"@lambda function: lambda *args: None\n{FUNCTION}"),
    "a function under a condition": (FUNCTION, "if 1:\n  def create_music_artist(id, name):"),
    "an import of all names": ("SOURCE_VERSION", "from math import *\n\nSOURCE_VERSION"),
}  # fmt: skip


@pytest.fixture
def filled() -> None:
    """Fill three tables."""
    Artist.objects.bulk_create([Artist(pk=1, name="Ada"), Artist(pk=7, name="Bach")])
    MediaType.objects.create(pk=2, name="Vinyl")
    Track.objects.create(
        pk=5, name="Fugue", media_type_id=2, milliseconds=9, unit_price=Decimal("0.99")
    )


@pytest.fixture
def directory(filled: None, tmp_path: Path) -> Path:
    """Return a dump with a file for each table."""
    called("dump2py", str(tmp_path / "dump"), *LABELS, verbosity=0)
    return tmp_path / "dump"


@pytest.fixture
def module(filled: None, tmp_path: Path) -> Path:
    """Return the same as a single file."""
    path = tmp_path / "dump.py"
    path.write_text(dumped(*LABELS), encoding="utf-8")
    return path


def edits() -> Iterator[Any]:
    """Yield what is done to a text."""
    for name, code in BEHIND.items():
        line = "\n\ninstall_migrations(globals())\n"
        yield pytest.param(line, f"\n\n{code}\n{line}", id=name)
    for name, (old, text) in INSTEAD.items():
        yield pytest.param(old, text, id=name)


def edit(path: Path, old: str, text: str) -> None:
    """Replace a text where it stands first."""
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, text, 1), encoding="utf-8")


def shown(instance: Any) -> str:
    """Return what a load makes of an object."""
    if not isinstance(instance, Model):
        return repr(instance)
    row = dumped_row(instance)
    names = [field.attname for field in instance._meta.concrete_fields]
    values = {n: instance.__dict__[n] for n in names if instance.__dict__.get(n, "") != ""}
    return f"{instance._meta.label} {values} {row and row.links} {row and row.references}"


def of_table(table: TableRows) -> Iterator[str]:
    """Yield what the rows of a table that is data mean."""
    for row in table.rows():
        values = {
            name: where.value if isinstance(where, Constant) else row.values[where]
            for name, where in table.fields.items()
        }
        yield "None" if table.drops else shown(new(apps.get_model(table.label), **values))


class Failed(str):
    """What is compared when the code fails: that it does."""


def outcome(get: Callable[[], list[str]]) -> list[str] | Failed:
    """Return what rows mean, or that they mean nothing."""
    try:
        return sorted(get())
    except Exception:
        return Failed("failed")


def executed(path: Path) -> dict[str, Any]:
    """Execute a file as Python does that is imported."""
    namespace: dict[str, Any] = {"__name__": "", "__file__": str(path)}
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), namespace)
    return namespace


def python_runs(path: Path) -> list[str]:
    """Return what Python makes of the rows of a directory."""
    namespace, saved = executed(path / "restore.py"), list[str]()

    class Saver:
        def save(self, instance: object) -> None:
            saved.append(shown(instance))

        def flush_deferred_objects(self) -> None:
            pass

    namespace["loader"] = Saver()
    for name in namespace["TABLES"]:
        exec(compile((path / name).read_bytes(), name, "exec", dont_inherit=True), namespace)
    return saved


def dumpy_restores(path: Path) -> list[str]:
    """Return what a restore makes of them."""
    namespace = executed(path / "restore.py")
    found = read_directory(path, is_run=True).listing(namespace["TABLES"])
    content = DirectoryContent(found, namespace)
    rows = [row for part in content.parts.values() for table in part for row in of_table(table)]
    return rows + [shown(one) for name in content.parts for one, _place in content.objects(name)]


def python_iterates(path: Path) -> list[str]:
    """Return what Python makes of the rows of a file."""
    return [shown(one) for one in flat(executed(path)["objects"]())]


def flat(given: Any) -> Iterator[object]:
    """Yield what generators of generators give."""
    for one in given:
        yield from flat(one) if hasattr(one, "__iter__") else [one]


def dumpy_reads(path: Path) -> list[str]:
    """Return what a load makes of them."""
    with path.open("rb") as file, named([str(path)]):
        fixture = read_fixture(open_source(file))
        if isinstance(fixture, Dump):
            return [row for table in fixture.tables for row in of_table(table)]
        return [shown(one) for one, _place in Program(fixture).objects()]


@pytest.mark.parametrize(("old", "text"), list(edits()))
def test_a_restore_gives_the_rows_that_python_gives(directory: Path, old: str, text: str) -> None:
    edit(directory / "restore.py", old, text)
    wanted = outcome(lambda: python_runs(directory))
    found = outcome(lambda: dumpy_restores(directory))
    assert without_nothing(found) == without_nothing(wanted)


def data_functions(path: Path) -> set[str]:
    """Return the create functions that a restore need not call."""
    return set(read_directory(path, is_run=True).restore.functions)


APART = [
    "def helper(text, mark='!'):\n    return text + mark",
    "import re, os.path as paths\nfrom math import pi, tau as circle",
    f"{FUNCTION}\n    return print(name)",
]


@pytest.mark.parametrize("code", APART)
def test_functions_beside_code_that_cannot_change_them_stay_data(
    directory: Path, code: str
) -> None:
    text = (directory / "restore.py").read_text(encoding="utf-8")
    start, end = text.index(FUNCTION), text.index("\n\n\nmusic_MediaType")
    (directory / "restore.py").write_text(f"{text[:start]}{code}{text[end:]}", encoding="utf-8")
    assert data_functions(directory) == {"create_music_mediatype", "create_music_track"}


@pytest.mark.parametrize("code", [SHOUT, DROP, "import math\nmath.pi = 3", "from math import *"])
def test_no_function_stays_data_beside_code_that_may_change_it(directory: Path, code: str) -> None:
    edit(directory / "restore.py", "\n\ninstall_migrations", f"\n\n{code}\n\n\ninstall_migrations")
    assert data_functions(directory) == set()


def test_the_work_is_not_the_square_of_the_statements_that_are_code(directory: Path) -> None:
    """It would take minutes."""
    code = "\n".join(f"import a{number}" for number in range(10_000))
    edit(directory / "restore.py", "\n\ninstall_migrations", f"\n\n{code}\n\ninstall_migrations")
    assert len(data_functions(directory)) == len(LABELS)


def test_code_after_the_call_of_main_comes_too_late(directory: Path) -> None:
    edit(directory / "restore.py", "\n# dumpy: end", f"\n\n\n{DROP}\n\n# dumpy: end")
    with pytest.raises(FixtureError, match=r"comes after the call of main\(\)"):
        read_directory(directory)


@pytest.mark.parametrize(("old", "text"), list(edits()))
def test_a_load_gives_the_rows_that_python_gives(module: Path, old: str, text: str) -> None:
    edit(module, old, text)
    wanted = outcome(lambda: python_iterates(module))
    found = outcome(lambda: dumpy_reads(module))
    assert without_nothing(found) == without_nothing(wanted)


def without_nothing(rows: list[str] | Failed) -> list[str] | Failed:
    """Return the rows that are objects: whether others are passed on does not matter."""
    return rows if isinstance(rows, Failed) else [row for row in rows if row != "None"]
