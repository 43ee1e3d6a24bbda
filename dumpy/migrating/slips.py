"""Names in later steps that nothing has: slips of the pen, and what an older dump lacks."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

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
from dumpy.schema.tables import ModelType, table_of
from dumpy.text.skeleton import CreateFunction

_CLOSE = 0.75


@dataclass(frozen=True)
class Known:
    """A name that there is; who means it may slip in its ``tail``, not in its ``head``."""

    head: str
    tail: str

    @property
    def name(self) -> str:
        """The whole name."""
        return self.head + self.tail

    def is_meant_by(self, name: str) -> bool:
        """Whether a name looks like this one; those that differ in numbers are meant to."""
        tail = name.removeprefix(self.head)
        if not name.startswith(self.head) or _without_digits(tail) == _without_digits(self.tail):
            return False
        return SequenceMatcher(None, tail.lower(), self.tail.lower()).ratio() >= _CLOSE


class Slips:
    """Looks for names that a chain uses once, and that neither dump nor project have.

    ``functions`` are those of the dump, ``labels`` all models that are known at the end, and
    ``missed`` the models and functions that were not known when a step named them.
    """

    def __init__(
        self,
        changes: Sequence[Change],
        functions: Mapping[str, CreateFunction],
        labels: Iterable[str],
        missed: Container[str],
    ) -> None:
        self._changes = changes
        self._functions = functions
        self._labels = set(labels)
        self._missed = missed

    def skipped(self) -> Iterator[str]:
        """Yield a sentence for each change that concerns nothing; raises ``MigrationError``."""
        for number, change in enumerate(self._changes):
            if change.is_strict or isinstance(change, RemoveField | RemoveModel):
                continue
            sentence = self._missing_model(number, change) or self._missing_field(number, change)
            if sentence:
                yield f"{change.step}: {sentence}: skipped."

    def _missing_model(self, number: int, change: Change) -> str:
        if isinstance(change, Override):
            return "" if change.label else self._missing_function(change, change.create.__name__)
        label = change.label
        if label not in self._missed or label in self._labels | self._others(change):
            return ""
        new = self._today(change.new, number) if isinstance(change, RenameModel) else ""
        known = [_known_label(one) for one in self._labels - {new}]
        sentence = _refused(change, f"nothing has a model {label!r}", label, known)
        return "" if new in self._labels else sentence

    def _missing_function(self, change: Change, name: str) -> str:
        others = self._labels | self._others(change)
        if name not in self._missed or name in map(create_name, others):
            return ""
        known = [_known_function(label) for label in self._labels]
        return _refused(change, f"nothing has a function {name}()", name, known)

    def _others(self, change: Change) -> set[str]:
        """The labels that other steps name, or a change that ends a model."""
        return {
            one.label
            for one in self._changes
            if one is not change
            and (one.step != change.step or isinstance(one, RenameModel | RemoveModel))
        }

    def _missing_field(self, number: int, change: Change) -> str:
        if not isinstance(change, ChangeValues | RenameField):
            return ""
        name = change.name if isinstance(change, ChangeValues) else change.old
        known = self._fields(self._today(change.label, number), change)
        if not known or any(change.spelled_in(known, one) for one in (name, _new(change))):
            return ""
        if self._is_named_elsewhere(change, name):
            return ""
        sentence = f"nothing has a field {name!r} of {change.label}"
        return _refused(change, sentence, name, [Known("", one) for one in known])

    def _is_named_elsewhere(self, change: Change, name: str) -> bool:
        """Whether other steps name a field, an override takes it, or a change ends it."""
        others = (one for one in self._changes if one is not change and name in _fields_of(one))
        return any(
            one.step != change.step or isinstance(one, Override | RemoveField) for one in others
        )

    def _fields(self, label: str, but: Change) -> set[str]:
        """The fields of the rows of a model, at any time; none if the dump has no such rows."""
        dumped = [f for f in self._functions.values() if self._today(f.model, -1) == label]
        if not any(dumped):
            return set()
        fields = {name for function in dumped for name in function.fields}
        for number, change in enumerate(self._changes):
            if change is not but and self._today(change.label, number) == label:
                fields |= _brought_by(change)
        return fields | _fields_today(label)

    def _today(self, label: str, number: int) -> str:
        """What a model is called when all changes after one are made."""
        for change in self._changes[number + 1 :]:
            if isinstance(change, RenameModel):
                label = change.renamed(label)
        return label


def _refused(change: Change, sentence: str, name: str, known: Iterable[Known]) -> str:
    meant = sorted(one.name for one in known if one.is_meant_by(name))
    if meant:
        raise MigrationError(change.step, f"{sentence}.", f"Did you mean {meant[0]}?")
    return sentence


def _known_label(label: str) -> Known:
    app_label, _, name = label.partition(".")
    return Known(f"{app_label}.", name)


def _known_function(label: str) -> Known:
    name, model = create_name(label), label.partition(".")[2]
    return Known(name[: -len(model)], name[-len(model) :])


def _new(change: Change) -> str:
    return change.new if isinstance(change, RenameField) else ""


def _brought_by(change: Change) -> set[str]:
    if isinstance(change, AddField):
        return {change.name}
    return {change.new} if isinstance(change, RenameField) else set()


def _fields_of(change: Change) -> set[str]:
    if isinstance(change, Override):
        return set(change.parameters)
    if isinstance(change, RenameField):
        return {change.old, change.new}
    return {change.name} if isinstance(change, AddField | ChangeValues | RemoveField) else set()


def _fields_today(label: str) -> set[str]:
    try:
        model: ModelType = apps.get_model(label)
    except (LookupError, ValueError):
        return set()
    return set(table_of(model).names)


def _without_digits(text: str) -> str:
    return re.sub(r"\d", "", text)
