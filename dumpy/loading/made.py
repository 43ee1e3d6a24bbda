"""Rows that receivers, hooks and ``save()`` make of their own accord while others are loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import Model
from django.db.models.signals import post_save

from dumpy.loading.rivals import has_rivals
from dumpy.schema.tables import ModelType


class MadeRows:
    """Notes which rows others make of the models of which another row may have only one."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._keys: defaultdict[ModelType, set[object]] = defaultdict(set)

    def of(self, model: ModelType) -> set[object]:
        """Return the primary keys of the rows that were made."""
        return self._keys[model]

    @contextmanager
    def noted(self, instance: Model) -> Iterator[None]:
        """Note what others make in the block, in which an instance is saved."""

        def note(sender: Any, created: bool, using: str, **details: Any) -> None:
            model, made = sender._meta.concrete_model, details["instance"]
            if created and using == self._using and made is not instance and has_rivals(model):
                self._keys[model].add(made.pk)

        # Only here: rows of models that somebody listens to are not written in batches.
        post_save.connect(note)
        try:
            yield
        finally:
            post_save.disconnect(note)
