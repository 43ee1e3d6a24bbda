"""Which models a command means."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from django.apps import AppConfig, apps
from django.core.management.commands.dumpdata import ProxyModelWarning
from django.db import router

from dumpy.errors import DumpyError
from dumpy.schema.tables import ModelType


class NoSuchModel(DumpyError):
    """A label that names no installed app and no model of one."""


def select(labels: Sequence[str], excluded: Iterable[str], using: str) -> list[ModelType]:
    """Return the concrete models that the labels (``app`` or ``app.Model``; none: all) stand for.

    ``excluded`` are labels too. Models that a router keeps out of the database ``using`` and proxy
    models are left out. Raises ``NoSuchModel``.
    """
    wanted = [model for label in labels for model in _named(label)] if labels else _all()
    _warn_of_proxies(wanted)
    unwanted = {model for label in excluded for model in _named(label)}
    return [
        model
        for model in dict.fromkeys(wanted)
        if model not in unwanted
        and not model._meta.proxy
        and router.allow_migrate_model(using, model)
    ]


def _all() -> list[ModelType]:
    return [model for config in apps.get_app_configs() for model in config.get_models()]


def _warn_of_proxies(models: list[ModelType]) -> None:
    for model in models:
        if model._meta.proxy and model._meta.concrete_model not in models:
            warnings.warn(
                f"{model._meta.label} is a proxy model and won't be serialized.",
                category=ProxyModelWarning,
                stacklevel=3,
            )


def _named(label: str) -> list[ModelType]:
    app_label, _, name = label.partition(".")
    try:
        config: AppConfig = apps.get_app_config(app_label)
        return [config.get_model(name)] if name else list(config.get_models())
    except LookupError as error:
        unknown = f"Unknown model: {label}" if name and apps.is_installed(app_label) else str(error)
        raise NoSuchModel(unknown) from error
