"""Rows as applications have them: eleven columns, references, links, three levels of tables."""

from __future__ import annotations

from typing import Any

from django.db import models


class Category(models.Model):
    """What many items point at; a tree of its own."""

    name = models.CharField(max_length=60)
    parent = models.ForeignKey("self", models.CASCADE, null=True)


class Tag(models.Model):
    """The other side of the many-to-many links."""

    name = models.CharField(max_length=60)


class Columns(models.Model):
    """Eleven columns, with the primary key."""

    name = models.CharField(max_length=100)
    description = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2)
    quantity = models.IntegerField()
    is_active = models.BooleanField()
    released = models.DateField(null=True)
    created = models.DateTimeField()
    weight = models.FloatField()
    category = models.ForeignKey(Category, models.CASCADE)
    parent = models.ForeignKey("self", models.CASCADE, null=True)

    class Meta:
        abstract = True


class Item(Columns):
    """The row of eleven columns, with a link to one tag on the average."""

    tags = models.ManyToManyField(Tag)


class PlainItem(Columns):
    """The row of eleven columns, without a many-to-many field."""


class Place(models.Model):
    """The first of three levels of multi-table inheritance: three rows per object."""

    name = models.CharField(max_length=60)
    address = models.CharField(max_length=100)


class Shop(Place):
    """The second level."""

    opened = models.DateField()
    rating = models.FloatField()


class Supermarket(Shop):
    """The third level."""

    checkouts = models.IntegerField()
    turnover = models.DecimalField(max_digits=12, decimal_places=2)


class ChainManager(models.Manager["Chain"]):
    """Finds a row of a chain by its name."""

    def get_by_natural_key(self, name: str) -> Chain:
        return self.get(name=name)


class Chain(models.Model):
    """A row that needs the row before it, or behind it."""

    name = models.CharField(max_length=20, unique=True)
    needs = models.ForeignKey("self", models.CASCADE, null=True, blank=True)

    objects = ChainManager()

    def natural_key(self) -> tuple[Any, ...]:
        return (self.name,)
