"""Every field of django.contrib.postgres."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import (
    ArrayField,
    BigIntegerRangeField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
    HStoreField,
    IntegerRangeField,
    RangeOperators,
)
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models


class Catalogue(models.Model):
    """Arrays of every kind, and an HStore."""

    tags = ArrayField(models.TextField(null=True), default=list)
    grid = ArrayField(ArrayField(models.IntegerField()), default=list)
    days = ArrayField(models.DateField(), default=list)
    moments = ArrayField(models.DateTimeField(), default=list)
    durations = ArrayField(models.DurationField(), default=list)
    prices = ArrayField(models.DecimalField(max_digits=10, decimal_places=2), default=list)
    ids = ArrayField(models.UUIDField(), default=list)
    ratios = ArrayField(models.FloatField(), default=list)
    flags = ArrayField(models.BooleanField(), size=3, default=list)
    spans = ArrayField(IntegerRangeField(), default=list)
    plans = ArrayField(models.JSONField(), default=list)
    optional_tags = ArrayField(models.TextField(), null=True, blank=True)
    labels = HStoreField(default=dict)
    optional_labels = HStoreField(null=True, blank=True)


class Season(models.Model):
    """Ranges of every kind."""

    numbers = IntegerRangeField(null=True, blank=True)
    big_numbers = BigIntegerRangeField(null=True, blank=True)
    prices = DecimalRangeField(null=True, blank=True)
    moments = DateTimeRangeField(null=True, blank=True)
    days = DateRangeField(null=True, blank=True)


class Shift(models.Model):
    """A shift that may not overlap another."""

    days = DateRangeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="no_overlapping_shifts", expressions=[("days", RangeOperators.OVERLAPS)]
            )
        ]


class Alias(models.Model):
    """A name that is unique whatever its case, by its collation."""

    text = models.CharField(max_length=40, unique=True, db_collation="case_insensitive")


class Leaflet(models.Model):
    """A text with its search vector."""

    text = models.TextField()
    search = SearchVectorField(null=True)

    class Meta:
        indexes = [GinIndex(fields=["search"], name="leaflet_search")]
