"""The action "Download as Python fixture" of all models in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from io import TextIOWrapper
from tempfile import TemporaryFile
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename, get_user_model
from django.db.models import QuerySet
from django.db.utils import Error as DatabaseError
from django.http import FileResponse, HttpRequest

from dumpy.admin.needed import DumpOfKeys, Keys
from dumpy.errors import DumpyError
from dumpy.schema.tables import ModelType


@admin.action(description="Download as Python fixture", permissions=["view"])
def download_as_python(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> FileResponse | None:
    """Return the chosen rows, and all that they need, if the user may view them."""
    dump = DumpOfKeys(queryset.db)
    # A file, not a stream of rows: what cannot be written is said before a download begins.
    file = TemporaryFile()  # noqa: SIM115 - the response closes it
    stream = TextIOWrapper(file, encoding="utf-8", newline="\n")
    try:
        with dump.snapshot():
            dump.collect(queryset.model, {*queryset.values_list("pk", flat=True)})
            if hidden := sorted(_hidden(model_admin.admin_site, request, dump.keys)):
                raise DumpyError(
                    "The rows refer to rows that you may not view, and would not be complete "
                    f"without them: {', '.join(hidden)}. Nothing was downloaded."
                )
            dump.write(stream)
    except (DumpyError, DatabaseError) as error:
        stream.close()
        messages.error(request, str(error))
        return None
    stream.flush()
    stream.detach()
    file.seek(0)
    name = f"{queryset.model._meta.label_lower.replace('.', '_')}.py"
    return FileResponse(file, as_attachment=True, filename=name, content_type="text/x-python")


def _hidden(site: admin.AdminSite, request: HttpRequest, keys: Keys) -> Iterator[str]:
    """Yield the models with rows that a user may not view."""
    for model, some in keys.items():
        if some and not _is_visible(site, request, model, some):
            yield model._meta.label


def _is_visible(
    site: admin.AdminSite, request: HttpRequest, model: ModelType, keys: set[Any]
) -> bool:
    user: Any = request.user
    if user.is_superuser:
        return True
    # A row holds all fields, and those of users the hashes of their passwords.
    if issubclass(model, get_user_model()):
        return False
    if site.is_registered(model):
        registered = site.get_model_admin(model)
        shown = registered.get_queryset(request).values_list("pk", flat=True)
        return registered.has_view_permission(request) and keys <= {*shown}
    names = (get_permission_codename(action, model._meta) for action in ("view", "change"))
    return any(user.has_perm(f"{model._meta.app_label}.{name}") for name in names)
