"""What a stream can take."""

from __future__ import annotations

import codecs
from typing import Any


def needs_ascii(stream: Any) -> bool:
    """Whether a text stream cannot take every character: one that has an encoding, not utf-8."""
    encoding = getattr(stream, "encoding", None)
    return isinstance(encoding, str) and codecs.lookup(encoding).name != "utf-8"
