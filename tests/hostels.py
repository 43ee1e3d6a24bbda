"""A site whose beds refer to rooms by the two columns of a composite key."""

from __future__ import annotations

from sites import Version

_MODELS = """
from django.db import models


class Room(models.Model):
    pk = models.CompositePrimaryKey("house", "number")
    house = models.IntegerField()
    number = models.IntegerField()


class Bed(models.Model):
    house = models.IntegerField()
    number = models.IntegerField()
    room = models.ForeignObject(
        Room, models.CASCADE, from_fields=["house", "number"], to_fields=["house", "number"]
    )
"""
_FILL = """
from hostel.models import Bed, Room

for number in (7, 8):
    Bed.objects.create(pk=number, room=Room.objects.create(house=1, number=number))
"""


def hostel(fill: str = "") -> Version:
    """Return a site with beds in rooms 7 and 8; the code `fill` runs when they are saved."""
    settings = {"INSTALLED_APPS": ["dumpy", "hostel"]}
    return Version({"hostel/models.py": _MODELS}, settings, f"{_FILL}{fill}")
