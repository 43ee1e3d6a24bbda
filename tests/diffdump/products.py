"""Dumps of products, which the project of the tests does not have."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from dumps import module, rows

BEFORE = [(1, "Saw", Decimal("1.00")), (2, "Axe", Decimal("2.00")), (3, "Nail", Decimal("3.00"))]
AFTER = [(1, "Saw", Decimal("7.00")), (3, "Nail", Decimal("3.00")), (4, "Bolt", Decimal("4.00"))]


def dump(
    path: Path, *values: Any, fields: str = "id name price", label: str = "shop.Product"
) -> Path:
    """Write a dump of products."""
    path.write_text(module(rows(label, fields, *values)), encoding="utf-8")
    return path
