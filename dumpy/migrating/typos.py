"""Find names in later steps that neither the dump nor the project has."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from django.apps import apps

from dumpy.errors import MigrationError
from dumpy.migrating.changes import (
    AddField,
    Change,
    ChangeValues,
    Override,
    RemoveField,
    RemoveModel,
    RenameField,
    RenameModel,
    create_name,
)
from dumpy.schema.tables import table_of
from dumpy.text.skeleton import CreateFunction

CLOSE = 0.9
# The names of fields are short, and have no label of an app before them.
_CLOSE_FIELD = 0.75


def skipped(
    changes: Sequence[Change],
    functions: Mapping[str, CreateFunction],
    labels: Collection[str],
    missed: Container[str],
) -> Iterator[str]:
    """Yield a sentence for each change without effect; raise ``MigrationError`` for a typo.

    ``functions`` are the functions of the dump, ``labels`` the models known at the end, and
    ``missed`` the unknown models and functions that steps named. If another step mentions such a
    name, older dumps lack it.
    """
    for change in changes:
        if change.is_strict or isinstance(change, RemoveField | RemoveModel):
            continue
        others = [one for one in changes if one.step != change.step]
        ending = [one for one in changes if isinstance(one, RenameModel | RemoveModel)]
        named = {one.label for one in (*others, *ending) if one is not change} | {*labels}
        name = change.create.__name__ if isinstance(change, Override) else ""
        if name and not change.label:
            if name in missed and name not in map(create_name, named):
                yield _refused(change, f"a function {name}()", name, map(create_name, labels))
        elif change.label in missed and change.label not in named:
            names = _names_of(change.label, changes)
            what = f"a model {change.label!r}"
            sentence = _refused(change, what, change.label, {*labels} - names)
            if not names.intersection(labels):
                yield sentence
        elif isinstance(change, ChangeValues | RenameField):
            yield from _skipped_field(change, changes, functions)


def _skipped_field(
    change: ChangeValues | RenameField,
    changes: Sequence[Change],
    functions: Mapping[str, CreateFunction],
) -> Iterator[str]:
    labels = _names_of(change.label, changes)
    dumped = [function for function in functions.values() if function.model in labels]
    known = {name for function in dumped for name in function.fields}
    for model in apps.get_models() if dumped else ():
        known |= set(table_of(model).names) if model._meta.label in labels else set()
    name, new = (change.old, change.new) if isinstance(change, RenameField) else (change.name, "")
    known_later = {
        field
        for one in changes
        if one is not change
        and (one.step != change.step or isinstance(one, AddField | Override | RemoveField))
        for field in _fields_of(one)
    }
    if dumped and not any(change.spelled_in(known | known_later, one) for one in (name, new)):
        what = f"a field {name!r} of {change.label}"
        yield _refused(change, what, name, known | known_later, _CLOSE_FIELD)


def _refused(
    change: Change, what: str, name: str, known: Iterable[str], cutoff: float = CLOSE
) -> str:
    """Return the message about a name; raises ``MigrationError`` if it is a typo of another one."""
    # Names that differ in their numbers are meant to.
    others = [one for one in known if re.sub(r"\d", "", one) != re.sub(r"\d", "", name)]
    for meant in get_close_matches(name, others, 1, cutoff):
        raise MigrationError(change.step, f"nothing has {what}.", f"Did you mean {meant}?")
    return f"{change.step}: nothing has {what}: skipped."


def _names_of(label: str, changes: Sequence[Change]) -> set[str]:
    """Return all labels of a model over the course of the changes."""
    names = {label}
    for change in (*changes, *reversed(changes)):
        if isinstance(change, RenameModel):
            names |= {change.renamed(name) for name in names}
            names |= {change.label} if change.new in names else set()
    return names


def _fields_of(change: Change) -> set[str]:
    if isinstance(change, Override):
        return set(change.parameters)
    if isinstance(change, RenameField):
        return {change.old, change.new}
    return {change.name} if isinstance(change, AddField | ChangeValues | RemoveField) else set()
