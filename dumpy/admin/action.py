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

from dumpy.errors import DumpyError
from dumpy.writing.database import DatabaseDump, Options, select
from dumpy.writing.subset import Selection


@admin.action(description="Download as Python fixture", permissions=["view"])
def download_as_python(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]
) -> FileResponse | None:
    """Return a dump of the chosen rows and their references, if the user may view all rows."""
    options = Options(queryset.db, all_rows=True, selection=Selection(rows=(queryset,)))
    dump = DatabaseDump(select([], [], queryset.db), options)
    # A file, not a streaming response, so that errors are shown before the download begins.
    file = TemporaryFile()  # noqa: SIM115 - the response closes it
    stream = TextIOWrapper(file, encoding="utf-8", newline="\n")
    try:
        with dump.snapshot():
            if hidden := sorted(_labels_of_hidden_rows(model_admin.admin_site, request, dump)):
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


def _labels_of_hidden_rows(
    site: admin.AdminSite, request: HttpRequest, dump: DatabaseDump
) -> Iterator[str]:
    for table in dump.tables:
        if not all(_is_visible(site, request, rows) for rows in dump.querysets(table)):
            yield table.label


def _is_visible(site: admin.AdminSite, request: HttpRequest, rows: QuerySet[Any]) -> bool:
    user, model = request.user, rows.model
    if user.is_superuser:
        return True
    # A row of a user contains the hash of the password.
    if issubclass(model, get_user_model()):
        return False
    if site.is_registered(model):
        model_admin = site.get_model_admin(model)
        keys = {*rows.values_list("pk", flat=True)}
        visible_rows = model_admin.get_queryset(request).filter(pk__in=keys)
        return model_admin.has_view_permission(request) and keys <= {
            *visible_rows.values_list("pk", flat=True)
        }
    names = (get_permission_codename(action, model._meta) for action in ("view", "change"))
    return any(user.has_perm(f"{model._meta.app_label}.{name}") for name in names)
