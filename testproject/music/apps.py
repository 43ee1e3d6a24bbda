from __future__ import annotations

from django.apps import AppConfig


class MusicConfig(AppConfig):
    """A music shop: the Chinook sample database."""

    name = "music"
