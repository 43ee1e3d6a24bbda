"""The options that choose a part of a database, for both commands that dump one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper

from dumpy.errors import printable_lines
from dumpy.writing.database import DatabaseDump
from dumpy.writing.selection import Selection

_ROWS = "--only or --where"
_WHERE = "Choose rows by a lookup of Django, such as shop.Order:placed__gte=2026-01-01."
_CHILDREN = "Also dump the rows of this model that refer to chosen rows."


def add_subset_options(parser: CommandParser) -> None:
    """Let a command have the options of a subset."""
    group = parser.add_argument_group(
        "subset",
        "Dump some rows with all rows that they refer to, instead of whole tables. Options that "
        "can be used multiple times add to each other. Labels of apps or models cannot be "
        "combined with a subset.",
    )
    for option, metavar, text in (
        ("--only", "app_label.ModelName:pk,pk", "Choose rows by primary key."),
        ("--where", "app_label.ModelName:lookup=value", _WHERE),
        ("--with-children", "app_label.ModelName", _CHILDREN),
    ):
        more = f"{text} Can be used multiple times."
        group.add_argument(option, action="append", default=[], metavar=metavar, help=more)
    group.add_argument(
        "--no-needed",
        action="store_false",
        dest="needed",
        help="Do not dump the rows that these rows refer to.",
    )
    group.add_argument(
        "--explain",
        action="store_true",
        help="Print to standard error why each row is in the subset.",
    )


def selection_of(options: Mapping[str, Any], labels: Sequence[str]) -> Selection | None:
    """Return what the options choose, if they choose something.

    ``labels`` are those of whole apps and models. Raises ``CommandError`` for options that need
    others, or exclude each other.
    """
    if not options["only"] and not options["where"]:
        for option in used_options(options):
            raise CommandError(f"{option}: choose rows with {_ROWS}.")
        return None
    if labels:
        raise CommandError(
            f"{' '.join(labels)}: labels cannot be combined with {_ROWS}. To leave out models, "
            "use --exclude."
        )
    only, where, children = (tuple(options[one]) for one in ("only", "where", "with_children"))
    return Selection(only, where, children, options["needed"], options["explain"])


def used_options(options: Mapping[str, Any]) -> list[str]:
    """Return the options of a subset that are used."""
    used = [name for name in ("only", "where", "with_children", "explain") if options[name]]
    used += [] if options["needed"] else ["no_needed"]
    return [f"--{name.replace('_', '-')}" for name in used]


def explain(dump: DatabaseDump, stream: OutputWrapper) -> None:
    """Print why each row is in a dump, if that was asked for."""
    for reason in dump.reasons():
        stream.write(printable_lines(reason))
