"""A row of eleven columns, as in ``benchmarks.shop``, of kinds that Lino brings back whole."""

from __future__ import annotations

from django.db import models


class Category(models.Model):
    """What many items point at; a tree of its own."""

    name = models.CharField(max_length=60)
    parent = models.ForeignKey("self", models.CASCADE, null=True)


class Item(models.Model):
    """Eleven columns; Lino knows no FloatField, so that the weight is a decimal."""

    name = models.CharField(max_length=100)
    description = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2)
    quantity = models.IntegerField()
    is_active = models.BooleanField()
    released = models.DateField(null=True)
    created = models.DateTimeField()
    weight = models.DecimalField(max_digits=10, decimal_places=3)
    category = models.ForeignKey(Category, models.CASCADE)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
