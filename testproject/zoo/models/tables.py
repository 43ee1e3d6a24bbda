"""Tables with odd names, odd columns, no rows, or no table at all."""

from __future__ import annotations

from django.db import models


class FeedingLog(models.Model):
    """A model whose table needs quotes."""

    text = models.CharField(max_length=40)

    class Meta:
        db_table = "zoo feeding-log"


class Dodo(models.Model):
    """An unmanaged model without a table."""

    name = models.CharField(max_length=40)

    class Meta:
        managed = False
        db_table = "zoo_dodo"


class TallCreature(models.Model):
    """A view of the creatures that are tall; a migration creates it."""

    name = models.CharField(max_length=40)
    height = models.IntegerField()

    class Meta:
        managed = False
        db_table = "zoo_tallcreature"


class Void(models.Model):
    """A table that nobody fills."""

    name = models.CharField(max_length=40)


class Vocabulary(models.Model):
    """A model whose fields have the names that the dump format uses itself."""

    new = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="newer")
    natural = models.ManyToManyField("self", symmetrical=False, blank=True)
    resolve_model = models.CharField(max_length=40, blank=True)
    Decimal = models.DecimalField(max_digits=6, decimal_places=2)
    UUID = models.UUIDField()
    date = models.DateField()
    datetime = models.DateTimeField()
    time = models.TimeField()
    timedelta = models.DurationField()
    utc = models.DateTimeField()
    zoo_Vocabulary = models.IntegerField(default=0)
    create_zoo_vocabulary = models.IntegerField(default=0)
    loader = models.IntegerField(default=0)
    model = models.CharField(max_length=40, blank=True)
    args = models.IntegerField(default=0)
    kw = models.IntegerField(default=0)
    kwargs = models.IntegerField(default=0)
    cls = models.IntegerField(default=0)
    order = models.IntegerField(default=0)
    match = models.IntegerField(default=0)
    type = models.IntegerField(default=0)
    print = models.IntegerField(default=0)
    größe = models.IntegerField(default=0)
