"""Who listens when a row is saved."""

from __future__ import annotations

from django.db.models.signals import post_save, pre_save

from dumpy.schema.tables import ModelType


def has_receivers(model: ModelType) -> bool:
    """Whether somebody is connected to the saving of a model."""
    return bool(pre_save.has_listeners(model) or post_save.has_listeners(model))
