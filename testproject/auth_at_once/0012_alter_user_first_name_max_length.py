"""The migrations of `django.contrib.auth` as one, where ``MIGRATION_MODULES`` names the package.

The twelve of Django take longer than all others of the project. This has the name of the last one.
"""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission, User
from django.db import migrations
from django.db.migrations.state import ModelState
from django.db.models import Model


def create(model: type[Model]) -> migrations.CreateModel:
    """Return the operation that makes the table of a model as it is today."""
    state = ModelState.from_model(model)
    fields = list(state.fields.items())
    return migrations.CreateModel(state.name, fields, state.options, state.bases, state.managers)


class Migration(migrations.Migration):
    """Make the three tables."""

    initial = True
    dependencies = [("contenttypes", "0002_remove_content_type_name")]
    operations = [create(model) for model in (Permission, Group, User)]
