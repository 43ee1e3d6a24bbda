"""The page of the admin where superusers review a dump and load it."""

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
from dumpy.reading.dump import IS_MASKED
from dumpy.writing.database import last_migrations

SHOWN = 10
"""The maximum number of different rows that are shown for a table."""

# The exceptions of loaddata for wrong rows.
_DJANGO_ERRORS = (CommandError, DeserializationError, ValidationError)
_ERRORS = (*_DJANGO_ERRORS, DatabaseError, ValueError, OSError)

View = Callable[..., HttpResponse]


class UploadForm(forms.Form):
    """Asks for a dump."""

    dump = forms.FileField(help_text="A file that dumpdata --format=py wrote, also compressed.")


@dataclass
class ComparedTable:
    """A table in the database and in a dump.

    Attributes:
        existing: the number of rows in the database, None if there is no such model.
        dumped: the number of rows in the dump.
        diff: the numbers of different rows.
        rows: the first different rows.
    """

    label: str
    existing: int | None
    dumped: int
    diff: ModelDiff = field(default_factory=ModelDiff)
    rows: list[RowDiff] = field(default_factory=list)

    @property
    def more(self) -> int:
        """The number of different rows that are not shown."""
        return self.diff.added + self.diff.changed + self.diff.removed - len(self.rows)


def for_superusers(view: View) -> View:
    """Return a view for superusers only, without a transaction for the request."""

    @wraps(view)
    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not getattr(request.user, "is_superuser", False):
            raise PermissionDenied
        return view(request, **kwargs)

    return transaction.non_atomic_requests(checked)


def with_upload(view: View) -> View:
    """Return a view for superusers that takes an upload instead of its token."""

    @wraps(view)
    def checked(request: HttpRequest, token: str) -> HttpResponse:
        try:
            upload = find(token, request.user)
        except DumpyError as error:
            messages.error(request, str(error))
            return redirect("dumpy:dumps")
        return view(request, upload)

    return for_superusers(checked)


@for_superusers
def dumps(request: HttpRequest) -> HttpResponse:
    """Show the form for an upload, and keep an uploaded dump."""
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
    """Show the content of a dump, and the differences; rehearse or discard it on request."""
    if "discard" in request.POST:
        upload.discard()
        messages.success(request, f"The upload {upload.name} was removed.")
        return redirect("dumpy:dumps")
    with migrating(Policy(offers_options=False)):
        result = check(upload.path, DEFAULT_DB_ALIAS, is_rehearsed=request.method == "POST")
    context = {
        "upload": upload,
        "check": result,
        "findings": [finding for finding in result.findings if finding.kind != "model-added"],
        "verdict": verdict(result),
        "damages": [upload.with_name(error) for error in result.damages],
        "migrations": _other_migrations(upload),
        **_compared(upload, result.rows),
    }
    return _page(request, "review", upload.name, context)


@with_upload
def load(request: HttpRequest, upload: Upload) -> HttpResponse:
    """Show the differences, and load the dump after confirmation."""
    output, problem = StringIO(), ""
    if request.method == "POST":
        try:
            with transaction.atomic():
                call_command("loaddata", str(upload.path), stdout=output, stderr=output)
                LogEntry.objects.create(
                    user_id=request.user.pk,
                    action_flag=ADDITION,
                    object_repr=upload.name[:200],
                    change_message=f"Loaded the dump {upload.name} (sha256 {upload.sha256}).",
                )
        except _ERRORS as error:
            problem = upload.with_name(error)
        else:
            upload.discard()
            for line in [f"The dump {upload.name} was loaded.", *output.getvalue().splitlines()]:
                messages.success(request, upload.with_name(line))
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
    page_context = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, f"dumpy/{template}.html", page_context)


def _compared(upload: Upload, rows: Mapping[str, int]) -> dict[str, Any]:
    """Compare the tables of a dump with the database; return the context for the template."""
    with reading.open(upload.path) as dump:
        masked = IS_MASKED if dump.is_masked else ""
        context = {"masked": masked, "is_subset": dump.is_subset}
    try:
        return {**context, "tables": list(_tables(upload, rows))}
    except (DumpyError, DatabaseError, OSError) as error:
        return {**context, "uncompared": upload.with_name(error)}


def _tables(upload: Upload, rows: Mapping[str, int]) -> Iterator[ComparedTable]:
    tables = {label: ComparedTable(label, _count(label), count) for label, count in rows.items()}
    with comparing(f"{DATABASE}{DEFAULT_DB_ALIAS}", str(upload.path)) as diff:
        for row in diff.rows():
            table = tables.setdefault(row.label, ComparedTable(row.label, None, 0))
            if len(table.rows) < SHOWN:
                table.rows.append(row)
        for label, counts in diff.models.items():
            tables.setdefault(label, ComparedTable(label, None, 0)).diff = counts
    yield from tables.values()


def _count(label: str) -> int | None:
    model = TODAY.find(label)
    return None if model is None else QuerySet(model, using=DEFAULT_DB_ALIAS).count()


def _other_migrations(upload: Upload) -> list[tuple[str, str, str]]:
    """Return app, migration of the dump, and migration of the database where they differ."""
    with reading.open(upload.path) as dump:
        current = last_migrations(DEFAULT_DB_ALIAS, dump.migrations)
        return [
            (app, name, current.get(app, "none"))
            for app, name in dump.migrations.items()
            if current.get(app) != name
        ]
