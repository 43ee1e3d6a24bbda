"""The models that rows are loaded with, and the database that code is led to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from django.apps import apps
from django.apps.registry import Apps
from django.db import router
from django.db.models import Model

from dumpy.errors import DumpyError
from dumpy.schema.tables import ModelType

T = TypeVar("T")
_target: ContextVar[str | None] = ContextVar("dumpy_target", default=None)


class Registry:
    """Finds models by label and rows by natural key; the models are those of the project."""

    apps: Apps = apps

    def get(self, label: str) -> ModelType:
        """Return the model called ``app_label.ModelName``; raises ``LookupError``."""
        return self.apps.get_model(label)

    def find(self, label: str) -> ModelType | None:
        """Return the model of a label, None if rows cannot be put into one."""
        try:
            model = self.get(label)
        except (LookupError, ValueError):
            return None
        return None if model._meta.swapped else model

    def found(self, labels: Iterable[str]) -> list[ModelType]:
        """Return the models of some labels, without those that do not exist."""
        return [model for model in map(self.find, labels) if model is not None]

    def models(self) -> list[ModelType]:
        """Return all models."""
        return list(self.apps.get_models())

    def has(self, label: str) -> bool:
        """Whether there is a model of a label in any spelling."""
        return label.lower() in {model._meta.label_lower for model in self.models()}

    def by_natural_key(self, model: ModelType, key: tuple[object, ...], using: str) -> Model:
        """Return the row with a natural key; raises ``ObjectDoesNotExist``."""
        manager: Any = model._default_manager.db_manager(using)
        found: Model = manager.get_by_natural_key(*key)
        return found


TODAY = Registry()


class OtherDatabase(DumpyError):
    """A program that writes into another database than the one that is loaded."""


class TargetRouter:
    """Leads queries to the database of the load of this thread, if there is one.

    The routers of the project go first; where they lead a write elsewhere, it is refused.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Return the database to read from."""
        return _target.get() and (self._asked("db_for_read", model, hints) or _target.get())

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """Return the database to write to; raises ``OtherDatabase``."""
        target = _target.get()
        wanted = target and self._asked("db_for_write", model, hints)
        if wanted and wanted != target:
            raise OtherDatabase(
                f"{model._meta.label} belongs to the database {wanted!r}, according to the router "
                f"of the project, but the load writes to {target!r}. Load its objects from a "
                f"separate fixture: manage.py loaddata --database {wanted}"
            )
        return target

    def _asked(self, name: str, model: type[Model], hints: dict[str, Any]) -> str | None:
        methods = (getattr(one, name, None) for one in router.routers if one is not self)
        answers = (method(model, **hints) for method in methods if method is not None)
        return next(filter(None, answers), None)


_router = TargetRouter()


@contextmanager
def led_to(using: str) -> Iterator[None]:
    """Lead all queries of this thread that name no database to one, for the time of the block."""
    if _router not in router.routers:
        router.routers.insert(0, _router)
    token = _target.set(using)
    try:
        yield
    finally:
        _target.reset(token)


def each_led_to(using: str, items: Iterable[T]) -> Iterator[T]:
    """Yield items that code makes, whose queries are led to a database."""
    iterator = iter(items)
    end = object()
    while True:
        with led_to(using):
            item = next(iterator, end)
        if item is end:
            return
        yield item  # type: ignore[misc]
