"""Multi-table inheritance, three levels deep and from two sides, and a proxy."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericRelation
from django.db import models

from .keys import Chip


class Creature(models.Model):
    """The first level."""

    name = models.CharField(max_length=40)
    height = models.IntegerField(default=1)
    chips = models.ManyToManyField(Chip, blank=True)
    notes = GenericRelation("Note")


class Bird(Creature):
    """The second level."""

    wingspan = models.IntegerField()
    rivals = models.ManyToManyField("self", symmetrical=False, blank=True)


class Parrot(Bird):
    """The third level."""

    vocabulary = models.TextField(blank=True)


class Chick(Bird):
    """A proxy: birds, looked at as young ones."""

    class Meta:
        proxy = True


class Fish(Creature):
    """A child whose parent link is not called `creature_ptr`."""

    record = models.OneToOneField(Creature, models.CASCADE, parent_link=True, related_name="fish")
    fins = models.IntegerField()


class Snake(Creature):
    """A child with a primary key of its own beside the link to its parent."""

    creature = models.OneToOneField(Creature, models.CASCADE, parent_link=True)
    tag = models.IntegerField(primary_key=True)
    length = models.IntegerField()


class Crab(Creature):
    """A child without a column of its own."""


class Walker(models.Model):
    """The one parent of an amphibian."""

    walker_id = models.BigAutoField(primary_key=True)
    legs = models.IntegerField()


class Swimmer(models.Model):
    """The other parent of an amphibian."""

    swimmer_id = models.BigAutoField(primary_key=True)
    depth = models.IntegerField()


class Amphibian(Walker, Swimmer):
    """A child of two parents."""

    name = models.CharField(max_length=40)
