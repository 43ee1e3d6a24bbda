"""The models that rows are loaded with."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db.models import Model

from dumpy.schema.tables import ModelType


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
