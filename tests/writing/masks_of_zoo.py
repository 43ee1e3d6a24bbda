"""Masks of the zoo, for the tests of masked dumps."""

from __future__ import annotations

from typing import Any

from dumpy import masks


class ArtistMask(masks.Mask):
    """A mask of a unique text."""

    class Meta:
        """The model."""

        model = "music.Artist"

    def name(self, value: str) -> str:
        """Return a pseudonym."""
        return str(masks.token(value))


class AlbumMask(masks.Mask):
    """A mask of a text that is written elsewhere, too."""

    class Meta:
        """The model."""

        model = "music.Album"

    def title(self, value: str) -> str:
        """Return a pseudonym."""
        return str(masks.token(value))


class _Checkup(masks.Mask):
    email = staticmethod(masks.email)
    text = staticmethod(masks.text)
    char = staticmethod(masks.name)
    slug = staticmethod(masks.token)
    day = staticmethod(masks.date)
    moment = staticmethod(masks.date)
    xray = staticmethod(masks.file)
    json = staticmethod(masks.text)

    def integer(self, value: int) -> int:
        """Return another number."""
        return masks.number(value, 1, 90)

    def price(self, value: Any) -> Any:
        """Return another price."""
        return masks.number(value, 1, 90)

    def floating(self, value: float) -> float:
        """Return another float."""
        return masks.number(value, 1, 90)


class CheckupMask(_Checkup):
    """A mask of fields of all kinds."""

    class Meta:
        """The model."""

        model = "zoo.Checkup"


class OptionalMask(_Checkup):
    """The same for fields that may be NULL."""

    class Meta:
        """The model."""

        model = "zoo.OptionalCheckup"
