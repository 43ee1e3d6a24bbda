"""Primary keys that are no numbers counted from one."""

from __future__ import annotations

import uuid

from django.db import models


class Chip(models.Model):
    """A chip under the skin; its key is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    label = models.CharField(max_length=40)


class Country(models.Model):
    """A country; its key is a text, which may look like anything."""

    code = models.CharField(max_length=100, primary_key=True)
    neighbours = models.ManyToManyField("self", blank=True)


class Locker(models.Model):
    """A locker; its key is a number that may be negative or zero."""

    number = models.IntegerField(primary_key=True)
    label = models.CharField(max_length=40)


class Star(models.Model):
    """A star that an animal is named after; its key may be as large as a database has it."""

    catalogue_number = models.BigIntegerField(primary_key=True)
    label = models.CharField(max_length=40)
    chips = models.ManyToManyField(Chip, blank=True)


class Holiday(models.Model):
    """A day on which the zoo is closed; its key is a date."""

    day = models.DateField(primary_key=True)
    label = models.CharField(max_length=40)


class Tariff(models.Model):
    """A price; its key is a Decimal."""

    amount = models.DecimalField(primary_key=True, max_digits=8, decimal_places=3)
    label = models.CharField(max_length=40)


class Padlock(models.Model):
    """A padlock; its key is a foreign key."""

    locker = models.ForeignKey(Locker, models.CASCADE, primary_key=True)
    code = models.CharField(max_length=40)


class Key(models.Model):
    """A key to a padlock; its key is a foreign key to a foreign key."""

    padlock = models.OneToOneField(Padlock, models.CASCADE, primary_key=True)
    keeper_name = models.CharField(max_length=40)


class Booking(models.Model):
    """A chip reader booked for a day; its key is composite, with a foreign key in it."""

    pk = models.CompositePrimaryKey("chip_id", "day")
    chip = models.ForeignKey(Chip, models.CASCADE)
    day = models.DateField()
    visitor = models.CharField(max_length=40)
