from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import models, transaction

from music.models import Track


def same(value: Any) -> Any:
    """Return the value as it is."""
    return value


def price(value: float) -> Decimal:
    """Return a price in cents, exactly."""
    return Decimal(str(value)).quantize(Decimal("0.01"))


def day(value: str) -> date:
    """Return the day of an ISO time."""
    return datetime.fromisoformat(value).date()


def moment(value: str) -> datetime:
    """Return an ISO time as one in UTC."""
    return datetime.fromisoformat(value).replace(tzinfo=timezone.utc)


READERS = {
    "UnitPrice": price,
    "Total": price,
    "BirthDate": day,
    "HireDate": day,
    "InvoiceDate": moment,
}
FIELDS = {
    "InvoiceDate": "invoiced_at",
    "ReportsTo": "reports_to_id",
    "SupportRepId": "support_rep_id",
}
TABLES = [
    "Genre", "MediaType", "Artist", "Album", "Playlist", "Track",
    "Employee", "Customer", "Invoice", "InvoiceLine",
]  # fmt: skip


def snake(name: str) -> str:
    """Return `UnitPrice` as `unit_price`."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


def field_name(table: str, column: str) -> str:
    """Return the attribute of our model that holds a column of the original."""
    return "id" if column == f"{table}Id" else FIELDS.get(column, snake(column))


def instance(table: str, row: dict[str, Any]) -> models.Model:
    """Return the model instance of one row of the original."""
    return apps.get_model("music", table)(
        **{
            field_name(table, column): READERS.get(column, same)(value)
            for column, value in row.items()
        }
    )


class Command(BaseCommand):
    """Fill the tables from the JSON export of Chinook (a list of rows for each table)."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)

    def handle(self, *, path: Path, **options: Any) -> None:
        tables = json.loads(path.read_text(encoding="utf-8"))
        with transaction.atomic():
            for table in TABLES:
                apps.get_model("music", table).objects.bulk_create(
                    [instance(table, row) for row in tables[table]]
                )
            links = Track.playlists.through
            links.objects.bulk_create(
                [
                    links(playlist_id=row["PlaylistId"], track_id=row["TrackId"])
                    for row in tables["PlaylistTrack"]
                ]
            )
