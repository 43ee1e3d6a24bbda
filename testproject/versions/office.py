"""The users and groups of the office, and their notes, which are the same in each release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from versions import content


def fill_office(renamed: Mapping[str, str]) -> None:
    """Make groups and users; ``renamed`` gives the names of today to models that have another."""
    for key, name, permissions in content.GROUPS:
        group = Group.objects.create(pk=key, name=name)
        group.permissions.set(_permissions(permissions, renamed))
    for key, name, groups, permissions in content.USERS:
        user = User.objects.create(pk=key, username=name, date_joined=content.moment(key))
        user.groups.set(groups)
        user.user_permissions.set(_permissions(permissions, renamed))


def _permissions(codenames: Iterable[str], renamed: Mapping[str, str]) -> list[Permission]:
    found = []
    for codename in codenames:
        action, _, model = codename.partition("_")
        found += Permission.objects.filter(codename=f"{action}_{renamed.get(model, model)}")
    return found


def fill_notes(note: Any, about: Mapping[str, type[Model]]) -> None:
    """Make the notes on those models that there are."""
    for key, model, object_id, author, text in content.NOTES:
        if model in about:
            note.objects.create(
                pk=key,
                content_type=ContentType.objects.get_for_model(about[model]),
                object_id=object_id,
                author_id=author,
                text=text,
                written=content.moment(key),
            )
