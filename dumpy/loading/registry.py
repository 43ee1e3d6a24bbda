"""Find models and rows, and route the queries of code to the database that is loaded."""

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
    """Finds the models of the project by label, and rows by natural key."""

    apps: Apps = apps

    def get(self, label: str) -> ModelType:
        """Return the model called ``app_label.ModelName``; raises ``LookupError``."""
        return self.apps.get_model(label)

    def find(self, label: str) -> ModelType | None:
        """Return the model with a label, or None if it does not exist or is swapped."""
        try:
            model = self.get(label)
        except (LookupError, ValueError):
            return None
        return None if model._meta.swapped else model

    def find_all(self, labels: Iterable[str]) -> list[ModelType]:
        """Return the models with some labels, except for labels without a model."""
        return [model for model in map(self.find, labels) if model is not None]

    def models(self) -> list[ModelType]:
        """Return all models."""
        return list(self.apps.get_models())

    def has(self, label: str) -> bool:
        """Whether a model with a label exists; upper and lower case are the same."""
        return label.lower() in {model._meta.label_lower for model in self.models()}

    def by_natural_key(self, model: ModelType, key: tuple[object, ...], using: str) -> Model:
        """Return the row with a natural key; raises ``ObjectDoesNotExist``."""
        manager: Any = model._default_manager.db_manager(using)
        row: Model = manager.get_by_natural_key(*key)
        return row


TODAY = Registry()


def and_no_app(label: str) -> str:
    """Return what to add to "there is no model": nothing, or that its app is missing, too."""
    app = label.partition(".")[0]
    return "" if app in apps.app_configs else f", and no app {app!r} in INSTALLED_APPS"


class OtherDatabase(DumpyError):
    """A program writes to another database than the one that is loaded."""


class TargetRouter:
    """Routes queries to the database that this thread loads.

    The routers of the project come first; a write to another database is refused.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Return the database to read from."""
        return _target.get() and (self._routed("db_for_read", model, hints) or _target.get())

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """Return the database to write to; raises ``OtherDatabase``."""
        target = _target.get()
        other = target and self._routed("db_for_write", model, hints)
        if other and other != target:
            raise OtherDatabase(
                f"{model._meta.label} belongs to the database {other!r}, according to the router "
                f"of the project, but the load writes to {target!r}. Load its objects from a "
                f"separate fixture: manage.py loaddata --database {other}"
            )
        return target

    def _routed(self, name: str, model: type[Model], hints: dict[str, Any]) -> str | None:
        """Return the database that the routers of the project choose, or None."""
        methods = (getattr(other, name, None) for other in router.routers if other is not self)
        databases = (method(model, **hints) for method in methods if method is not None)
        return next(filter(None, databases), None)


_router = TargetRouter()


@contextmanager
def routed_to(using: str) -> Iterator[None]:
    """Route the queries of this thread without a database to ``using``, inside the block."""
    if _router not in router.routers:
        router.routers.insert(0, _router)
    token = _target.set(using)
    try:
        yield
    finally:
        _target.reset(token)


def each_routed_to(using: str, items: Iterable[T]) -> Iterator[T]:
    """Yield items of an iterable, and route the queries of its code to a database."""
    iterator = iter(items)
    while True:
        with routed_to(using):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
