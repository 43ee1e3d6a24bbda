"""References that lead to another model today than at the time of a dump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dumpy.loading.registry import TODAY
from dumpy.restoring.history import Past
from dumpy.schema.tables import Column, ModelType, table_of


@dataclass(frozen=True)
class Redirected:
    """A foreign key or many-to-many field, by its model, and its ``name`` in rows.

    ``before`` and ``today`` are the labels of the models that it refers to.
    """

    label: str
    name: str
    before: str
    today: str

    @property
    def reason(self) -> str:
        """What the matter is."""
        return (
            f"referred to {self.before} when the dump was made, and refers to {self.today} today: "
            "its values would lead to other rows"
        )

    @property
    def step(self) -> str:
        """What a migrator does about it."""
        return f'self.change_values("{self.label}", "{self.name}", {{…}})'


def redirected(label: str, names: Iterable[str], past: Past | None) -> Iterator[Redirected]:
    """Yield the fields of a dumped model whose values are keys of another model today.

    A model that is gone, or has another name, is left to who says what becomes of its rows.
    """
    then = past.registry.find(label) if past is not None and past.is_behind else None
    now = TODAY.find(label)
    if then is None or now is None:
        return
    before, today = _references(then), _references(now)
    for name in names:
        if name in before and name in today:
            old, new = before[name], today[name]
            if _is_another(old, new):
                yield Redirected(label, name, _label(old), _label(new))


def _references(model: ModelType) -> Mapping[str, Column]:
    """The columns that refer to a model, or whose links do, by all names that rows may use."""
    table = table_of(model)
    columns = {column.name: column for column in table.columns if column.references}
    columns |= {link.name: link.target for link in table.links}
    return {name: columns[own] for name, own in table.names.items() if own in columns}


def _is_another(old: Column, new: Column) -> bool:
    """Whether the keys are others, and not those of a parent, or of a row that is one with it."""
    is_other = _label(old) != _label(new) and old.target.model._meta.label != (
        new.target.model._meta.label
    )
    return is_other and TODAY.find(_label(old)) is not None


def _label(column: Column) -> str:
    assert column.references is not None
    return column.references._meta.label
