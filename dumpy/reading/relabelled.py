"""Models whose label was changed in a dump by hand, and the names of their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from dumpy.text.emit import Names
from dumpy.text.words import Natural

_CONTENT_TYPE, _PERMISSION = "contenttypes.contenttype", "auth.permission"


def relabelled(models: Mapping[str, str]) -> Callable[[Natural], Natural] | None:
    """Return how references by natural key read after an edit; None if no label was edited.

    ``models`` maps the variables of a dump, which are called after what its models were, to
    labels. Permissions keep their codenames, as after a migration of Django.
    """
    edited = {variable.lower(): label for variable, label in models.items()}
    edited = {name: label for name, label in edited.items() if _variable(label) != name}
    if not edited:
        return None
    there = {label.lower() for label in models.values()}

    def today(label: str) -> str:
        return label if label.lower() in there else edited.get(_variable(label), label)

    def read(natural: Natural) -> Natural:
        kind, key = natural.model.lower(), tuple(map(str, natural.key))
        if (kind, len(key)) in ((_CONTENT_TYPE, 2), (_PERMISSION, 3)):
            label = ".".join(key[-2:])
            if today(label) == label:
                return natural
            app_label, _, name = today(label).partition(".")
            return Natural(natural.model, (*natural.key[:-2], app_label, name.lower()))
        return Natural(today(natural.model), natural.key)

    return read


def map_references(value: Any, change: Callable[[Natural], Natural]) -> Any:
    """Return a value with its references by natural key changed, be it one, or a list of them."""
    if isinstance(value, list):
        return [change(one) if isinstance(one, Natural) else one for one in value]
    return change(value) if isinstance(value, Natural) else value


@cache
def _variable(label: str) -> str:
    """What a dump calls a model, in lower case."""
    app_label, _, name = label.partition(".")
    return Names().for_model(app_label, name).variable.lower()
