"""The options that choose and mask a part of a database, for both commands that dump one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper

from dumpy.errors import DumpFailed, printable_lines
from dumpy.writing.database import DatabaseDump
from dumpy.writing.subset import Selection, chosen, used

_NAMES = ("only", "where", "with_children", "needed", "explain")
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


def add_mask_option(parser: CommandParser) -> None:
    """Let a command have the option for masks."""
    parser.add_argument(
        "--mask",
        metavar="dotted.path",
        help="A module with subclasses of dumpy.masks.Mask, or one of them: what replaces the "
        "values of fields.",
    )


def selection_of(options: Mapping[str, Any], labels: Sequence[str]) -> Selection | None:
    """Return what the options choose, if they choose something.

    ``labels`` are those of whole apps and models. Raises ``CommandError`` for options that need
    others, or exclude each other.
    """
    try:
        return chosen(labels, **{name: options[name] for name in _NAMES})
    except DumpFailed as error:
        raise CommandError(str(error)) from error


def used_options(options: Mapping[str, Any]) -> list[str]:
    """Return the options of a subset that are used."""
    return used(**{name: options[name] for name in _NAMES})


def explain(dump: DatabaseDump, stream: OutputWrapper) -> None:
    """Print why each row is in a dump, if that was asked for."""
    for reason in dump.reasons():
        stream.write(printable_lines(reason))
