"""Field types of the zoo's own, with Python values that no dump format knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models


@dataclass(frozen=True)
class Point:
    """A place on the map of the zoo."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"{self.x!r},{self.y!r}"


class PointField(models.CharField):
    """A Point, stored as `x,y`; its text can be read back."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": 60, **kwargs})

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Point | None:
        """Return the Point of a stored text."""
        return self.to_python(value)

    def to_python(self, value: Any) -> Point | None:
        """Return a Point for its text, None for an empty one, and None and itself as they are."""
        if value is None or isinstance(value, Point):
            return value
        if value == "":
            return None
        x, y = value.split(",")
        return Point(float(x), float(y))

    def get_prep_value(self, value: Any) -> str | None:
        """Return the text to store."""
        return None if value is None else str(self.to_python(value))

    def value_to_string(self, obj: models.Model) -> str:
        """Return the text from which `to_python` makes the same Point."""
        return str(self.value_from_object(obj))


class SetField(models.TextField):
    """A set of words, stored with commas between them."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> set[str] | None:
        """Return the set of a stored text."""
        return self.to_python(value)

    def to_python(self, value: Any) -> set[str] | None:
        """Return a set for its text, for None and for itself."""
        return set(filter(None, value.split(","))) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> str | None:
        """Return the text to store."""
        return ",".join(sorted(value)) if isinstance(value, set) else value

    def value_to_string(self, obj: models.Model) -> str:
        """Return the text from which `to_python` makes the same set."""
        return str(self.get_prep_value(self.value_from_object(obj)))


class Size(models.IntegerChoices):
    """How large an animal is."""

    SMALL = 1
    LARGE = 2


class SizeField(models.SmallIntegerField):
    """A Size, whose `repr` is no Python expression."""

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> Size | None:
        """Return the Size of a stored number."""
        return self.to_python(value)

    def to_python(self, value: Any) -> Size | None:
        """Return a Size for its number, for None and for itself."""
        return None if value is None else Size(int(value))


@dataclass(frozen=True)
class Colour:
    """A colour and its shade."""

    name: str
    shade: str


class ColourField(models.CharField):
    """A Colour, stored as `name/shade`, that forgets the shade when it is serialized.

    It wraps its values in SQL, so that nobody else knows what is stored.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": 60, **kwargs})

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        """Return the SQL for a value."""
        return "%s"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Colour | None:
        """Return the Colour of a stored text."""
        return self.to_python(value)

    def to_python(self, value: Any) -> Colour | None:
        """Return a Colour for its text, for None and for itself."""
        if value is None or isinstance(value, Colour):
            return value
        name, _, shade = value.partition("/")
        return Colour(name, shade)

    def get_prep_value(self, value: Any) -> str | None:
        """Return the text to store."""
        return f"{value.name}/{value.shade}" if isinstance(value, Colour) else value

    def value_to_string(self, obj: models.Model) -> str:
        """Return the name alone: less than what is stored."""
        return str(self.value_from_object(obj).name)
