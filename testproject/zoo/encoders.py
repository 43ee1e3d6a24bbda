"""JSON with more types than JSON has."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


class ExactEncoder(json.JSONEncoder):
    """Write a Decimal as an object that ExactDecoder knows."""

    def default(self, o: Any) -> Any:
        """Return what stands for a value that JSON does not have."""
        return {"decimal": str(o)} if isinstance(o, Decimal) else super().default(o)


def exact(value: dict[str, Any]) -> Any:
    """Return the Decimal that an object stands for, or the object."""
    return Decimal(value["decimal"]) if set(value) == {"decimal"} else value


class ExactDecoder(json.JSONDecoder):
    """Read what ExactEncoder wrote."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "object_hook": exact})
