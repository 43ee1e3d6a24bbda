"""Operations of data migrations: content types and permissions go where their model goes."""

from __future__ import annotations

from typing import Any

from django.db.migrations import RunPython


def model_moved(old: str, new: str) -> RunPython:
    """Return the operation that gives all that belongs to a model to its new label.

    Labels are those of Django, as ``"press.writer"``.
    """

    def take_along(apps: Any, schema_editor: Any) -> None:
        using = schema_editor.connection.alias
        content_types = apps.get_model("contenttypes", "ContentType").objects.using(using)
        (old_app, old_name), (app, name) = old.split("."), new.split(".")
        content_types.filter(app_label=old_app, model=old_name).update(app_label=app, model=name)
        permissions = apps.get_model("auth", "Permission").objects.using(using)
        for action in ("add", "change", "delete", "view"):
            permissions.filter(
                content_type__app_label=app,
                content_type__model=name,
                codename=f"{action}_{old_name}",
            ).update(codename=f"{action}_{name}", name=f"Can {action} {name}")

    return RunPython(take_along)
