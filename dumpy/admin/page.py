"""The page of the admin where superusers look at a dump and load it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from io import StringIO
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.serializers.base import DeserializationError
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import QuerySet
from django.db.utils import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from dumpy import reading
from dumpy.admin.uploads import Upload, find, keep
from dumpy.checking.check import check
from dumpy.checking.diff import DATABASE, ModelDiff, RowDiff, comparing
from dumpy.checking.report import verdict
from dumpy.errors import DumpyError
from dumpy.loading.registry import TODAY
from dumpy.migrating.install import Policy, migrating
from dumpy.writing.database import last_migrations

SHOWN = 10
"""How many rows that differ are shown of each table."""

# What loaddata raises for what is wrong with rows.
_OF_DJANGO = (CommandError, DeserializationError, ValidationError)
_ERRORS = (*_OF_DJANGO, DatabaseError, ValueError, OSError)

View = Callable[..., HttpResponse]


class UploadForm(forms.Form):
    """Asks for a dump."""

    dump = forms.FileField(help_text="A file that dumpdata --format=py wrote, also compressed.")


@dataclass
class ComparedTable:
    """A table in the database and in a dump.

    Attributes:
        here: the number of rows in the database, None if there is no such model.
        dumped: the number of rows in the dump.
        diff: how many rows differ.
        rows: the first of these.
    """

    label: str
    here: int | None
    dumped: int
    diff: ModelDiff = field(default_factory=ModelDiff)
    rows: list[RowDiff] = field(default_factory=list)

    @property
    def more(self) -> int:
        """How many rows differ that are not shown."""
        return self.diff.added + self.diff.changed + self.diff.removed - len(self.rows)


def for_superusers(view: View) -> View:
    """Return a view that refuses others; its queries are in no transaction of the request."""

    @wraps(view)
    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not getattr(request.user, "is_superuser", False):
            raise PermissionDenied
        return view(request, **kwargs)

    return transaction.non_atomic_requests(checked)


def with_upload(view: View) -> View:
    """Return a view for superusers of the upload that its token names."""

    @wraps(view)
    def found(request: HttpRequest, token: str) -> HttpResponse:
        try:
            upload = find(token, request.user)
        except DumpyError as error:
            messages.error(request, str(error))
            return redirect("dumpy:dumps")
        return view(request, upload)

    return for_superusers(found)


@for_superusers
def dumps(request: HttpRequest) -> HttpResponse:
    """Take an upload."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        try:
            upload = keep(form.cleaned_data["dump"], request.user)
            return redirect("dumpy:review", token=upload.token)
        except DumpyError as error:
            form.add_error("dump", str(error))
    return _page(request, "upload", "Load a dump", {"form": form})


@with_upload
def review(request: HttpRequest, upload: Upload) -> HttpResponse:
    """Show what is in a dump, and what differs; rehearse it, or discard it, on request."""
    if "discard" in request.POST:
        upload.discard()
        messages.success(request, f"The upload {upload.name} was removed.")
        return redirect("dumpy:dumps")
    with migrating(Policy()):
        found = check(upload.path, DEFAULT_DB_ALIAS, is_rehearsed=request.method == "POST")
    context = {
        "upload": upload,
        "found": found,
        "findings": [one for one in found.findings if one.kind != "model-added"],
        "verdict": verdict(found),
        "damages": [upload.said(error) for error in found.damages],
        "migrations": _other_migrations(upload),
        **_compared(upload, found.rows),
    }
    return _page(request, "review", upload.name, context)


@with_upload
def load(request: HttpRequest, upload: Upload) -> HttpResponse:
    """Show both sides, and load the dump when this is confirmed."""
    said, problem = StringIO(), ""
    if request.method == "POST":
        try:
            with transaction.atomic():
                call_command("loaddata", str(upload.path), stdout=said, stderr=said)
                LogEntry.objects.create(
                    user_id=request.user.pk,
                    action_flag=ADDITION,
                    object_repr=upload.name[:200],
                    change_message=f"Loaded the dump {upload.name} (sha256 {upload.sha256}).",
                )
        except _ERRORS as error:
            problem = upload.said(error)
        else:
            upload.discard()
            for line in [f"The dump {upload.name} was loaded.", *said.getvalue().splitlines()]:
                messages.success(request, upload.said(line))
            return redirect("dumpy:dumps")
    with reading.open(upload.path) as dump:
        rows: dict[str, int] = {}
        for table in dump.tables:
            rows[table.label] = rows.get(table.label, 0) + table.row_count
    context = {"upload": upload, "problem": problem, **_compared(upload, rows)}
    return _page(request, "load", f"Load {upload.name}?", context)


def _page(
    request: HttpRequest, template: str, title: str, context: Mapping[str, Any]
) -> HttpResponse:
    given = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"dumpy/{template}.html", given)


def _compared(upload: Upload, rows: Mapping[str, int]) -> dict[str, Any]:
    """Return the tables of a dump beside those of the database, or why this cannot be done."""
    try:
        return {"tables": list(_tables(upload, rows))}
    except (DumpyError, DatabaseError, OSError) as error:
        return {"uncompared": upload.said(error)}


def _tables(upload: Upload, rows: Mapping[str, int]) -> Iterator[ComparedTable]:
    tables = {label: ComparedTable(label, _count(label), count) for label, count in rows.items()}
    with comparing(f"{DATABASE}{DEFAULT_DB_ALIAS}", str(upload.path)) as diff:
        for row in diff.rows():
            shown = tables.setdefault(row.label, ComparedTable(row.label, None, 0)).rows
            if len(shown) < SHOWN:
                shown.append(row)
        for label, counts in diff.models.items():
            tables.setdefault(label, ComparedTable(label, None, 0)).diff = counts
    yield from tables.values()


def _count(label: str) -> int | None:
    model = TODAY.find(label)
    return None if model is None else QuerySet(model, using=DEFAULT_DB_ALIAS).count()


def _other_migrations(upload: Upload) -> list[tuple[str, str, str]]:
    """Return the apps whose last migration is another one in the dump: app, dump, database."""
    with reading.open(upload.path) as dump:
        here = last_migrations(DEFAULT_DB_ALIAS, dump.migrations)
        return [
            (app, name, here.get(app, "none"))
            for app, name in dump.migrations.items()
            if here.get(app) != name
        ]
