"""The application, and its receivers."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    name = "catalogue"

    def ready(self):
        from catalogue import receivers  # noqa: F401
