"""The points at which commands are hit, by the events of ``probe.py``; tests hit each of them.

A command that does not pass one of these points any more fails its test: it ends where it should
have been killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings

ENGINES = frozenset({"sqlite", "postgresql", "mysql"})
OLD, NEW = "what was there before", "what should come after"


@dataclass(frozen=True)
class Point:
    """A point that a command passes.

    Attributes:
        name: what the test is called.
        meaning: what has been done there, and what has not.
        event: a pattern of events; the point is before what the event tells of.
        number: which of the events that match.
        after: a pattern of events, one of which comes first.
        leaves: what is there if the command dies here.
        engines: the engines on which commands pass it.
        version: the version of the project.
    """

    name: str
    meaning: str
    event: str
    number: int = 1
    after: str = ""
    leaves: str = OLD
    engines: frozenset[str] = field(default=ENGINES)
    version: str = "1"

    def __str__(self) -> str:
        return self.name


def here(*points: Point) -> list[Point]:
    """Return the points that there are on the engine of the tests."""
    return [point for point in points if settings.ENGINE in point.engines]


def named(name: str, points: list[Point]) -> Point:
    """Return a point by its name."""
    (found,) = [point for point in points if point.name == name]
    return found


_POSTGRESQL, _MYSQL = frozenset({"postgresql"}), frozenset({"mysql"})
_INSERT, _LINKS = r"(INSERT INTO|COPY) \W", r"sql (INSERT INTO|COPY) \Wshop_vault_guards\b"
# On MariaDB, a transaction ends in the database aside, and the swap decides.
_COMMITTED = OLD if settings.ENGINE == "mysql" else NEW

_LOADING = (
    Point("before the first insert",
          "The tables that the dump fills are as the schema made them, or as they were.",
          rf"sql {_INSERT}shop_"),
    Point("between tables",
          "All rows of one table are in, and none of the next.",
          rf"sql {_INSERT}shop_vault\b"),
    Point("in the midst of a bulk",
          "Some rows of one statement are in.",
          r"row INSERT INTO \Wshop_vault\b", number=250, engines=ENGINES - {"postgresql"}),
    Point("in the midst of a COPY",
          "A COPY has begun, and its rows are on their way.",
          r"row COPY \Wshop_vault\b", engines=frozenset({"postgresql"})),
    Point("before the links",
          "The rows of a many-to-many field are missing.",
          _LINKS),
    Point("in the deferred flush",
          "An object that had to wait is about to be saved, after the one that it waited for.",
          rf"sql {_INSERT}shop_note\b", number=2),
    Point("before the check of references",
          "All rows are in; dangling references are looked for.",
          r"sql SELECT .* NOT EXISTS \("),
    Point("before the reset of sequences",
          "All rows are in; the next keys are not those of the rows.",
          r"sql SELECT setval", engines=_POSTGRESQL),
    Point("in the reset of sequences",
          "The next key of one table is right, and that of the next is not.",
          r"sql SELECT setval", number=2, engines=_POSTGRESQL),
    Point("before COMMIT",
          "All is done, but for the end of the transaction.",
          "commit$", after=_LINKS),
)  # fmt: skip

LOAD = here(
    Point("before the first change",
          "The fixture is open; the database has only been read.",
          r"sql (INSERT|UPDATE|DELETE|COPY)"),
    *_LOADING,
    Point("after COMMIT",
          "The transaction is over; the process has not said so.",
          "committed", after=_LINKS, leaves=NEW),
)  # fmt: skip

# A database at the project's migrations, where a restore replaces rows and nothing else.
_BEFORE_COMPARISON = Point(
    "before the content is compared",
    "All rows are in, and are about to be read again.",
    r"sql SELECT (?!c\.).* FROM \Wshop_vault\b",
    after=_LINKS,
)

ROWS_ONLY = here(
    Point("before the first change",
          "The dump is verified; the database has only been read.",
          r"sql (BEGIN IMMEDIATE|LOCK|DELETE|INSERT|COPY)"),
    Point("while the tables are emptied",
          "Some tables have no rows any more.",
          r"sql DELETE FROM \Wshop_vault\b"),
    *_LOADING,
    _BEFORE_COMPARISON,
    Point("after COMMIT",
          "The transaction is over; the process has not said so.",
          "committed", after=_LINKS, leaves=NEW),
)  # fmt: skip

RESTORE = here(
    Point("before the first change",
          "The dump is verified; the database has only been read.",
          r"sql (BEGIN IMMEDIATE|LOCK|DROP|DELETE|CREATE)"),
    Point("while the schema is built",
          "Some tables are as they will be, others are missing.",
          r"sql CREATE TABLE \Wshop_vault\b"),
    *_LOADING,
    Point("in a migrator, before the load",
          "A handler of before_load() is at work.",
          r"sql SELECT 'before_load'", version="2"),
    Point("in a migrator, after the load",
          "A handler of after_load() is at work.",
          r"sql SELECT 'after_load'", version="2"),
    _BEFORE_COMPARISON,
    Point("after COMMIT",
          "The transaction is over; the process has not said so.",
          "committed", after=_LINKS, leaves=_COMMITTED),
    Point("before the swap",
          "The new tables are complete, in a database aside.",
          r"sql RENAME TABLE", engines=_MYSQL),
    Point("after the swap",
          "The tables have changed places; the databases aside are still there.",
          r"sql DROP DATABASE", after=r"sql RENAME TABLE", leaves=NEW, engines=_MYSQL),
)  # fmt: skip

_WRITING = (
    Point("before the directory",
          "Nothing is done yet.",
          r"os\.mkdir \.the_dump\.dumpy-"),
    Point("before the first row",
          "The file of the first table is about to be opened, in a directory aside.",
          r"open shop_till\.py"),
    Point("between tables",
          "The file of one table is complete.",
          r"open shop_vault\.py"),
    Point("before the links are read",
          "A table is read, but not its many-to-many fields.",
          r"sql SELECT .* FROM \Wshop_vault_guards\b"),
    Point("before a file is on the disk",
          "A file is written, but may be lost with the machine.",
          r"fsync"),
    Point("before the skeleton",
          "All tables are written.",
          r"open restore\.py"),
    Point("before the manifest",
          "All is written but the manifest.",
          r"open manifest\.json"),
    Point("before the end of the snapshot",
          "All is written.",
          r"commit$"),
    Point("before the directory is on the disk",
          "The database is not needed any more.",
          r"fsync", after=r"committed"),
)  # fmt: skip

DUMP2PY = here(
    *_WRITING,
    Point("before the rename",
          "The directory aside is complete.",
          r"os\.rename \.the_dump\.dumpy-"),
    Point("after the rename",
          "The dump is there.",
          r"shutil\.rmtree", after=r"os\.rename", leaves=NEW),
    Point("before the name is on the disk",
          "The dump is there, but its name may be lost with the machine.",
          r"fsync", after=r"os\.rename", leaves=NEW),
)  # fmt: skip

OVERWRITE = here(
    *_WRITING,
    Point("before the exchange",
          "Both dumps are complete; they are about to change their names.",
          r"exchange"),
    Point("after the exchange",
          "The old dump is aside.",
          r"shutil\.rmtree", after=r"exchange", leaves=NEW),
    Point("while the old dump is removed",
          "The old dump is no longer whole.",
          r"os\.remove shop_", after=r"exchange", leaves=NEW),
    Point("before the names are on the disk",
          "The old dump is gone.",
          r"fsync", after=r"exchange", leaves=NEW),
)  # fmt: skip

DUMPDATA = here(
    Point("before the file",
          "The file aside is about to be opened.",
          r"open \.the_dump\.py\.dumpy-"),
    Point("between tables",
          "One table is written.",
          r"sql SELECT .* FROM \Wshop_vault\W"),
    Point("before the file is on the disk",
          "The file is written, but may be lost with the machine.",
          r"fsync"),
    Point("before the rename",
          "The file aside is complete.",
          r"os\.rename \.the_dump\.py\.dumpy-"),
    Point("after the rename",
          "The dump is there, but its name may be lost with the machine.",
          r"fsync", after=r"os\.rename", leaves=NEW),
    Point("before the end of the snapshot",
          "The dump is there; the database still thinks that it is read.",
          r"commit$", after=r"os\.rename", leaves=NEW),
)  # fmt: skip
