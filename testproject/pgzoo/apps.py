from __future__ import annotations

from django.apps import AppConfig


class PgZooConfig(AppConfig):
    """The part of the zoo that only PostgreSQL can hold."""

    name = "pgzoo"
