"""Models with the zoo's own field types."""

from __future__ import annotations

from django.db import models

from ..fields import ColourField, PointField, SetField, SizeField


class Waypoint(models.Model):
    """A place on the map: a value with a text that can be read back."""

    point = PointField()
    optional_point = PointField(null=True, blank=True)


class Basket(models.Model):
    """A basket of fruit: a value that is a set."""

    fruits = SetField()
    optional_fruits = SetField(null=True, blank=True)


class Collar(models.Model):
    """A collar: a value that is an enum."""

    size = SizeField()
    optional_size = SizeField(null=True, blank=True)


class Plumage(models.Model):
    """Plumage: a value with a text that cannot be read back; `fill` leaves it empty."""

    colour = ColourField()
