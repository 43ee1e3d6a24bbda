"""Every scalar field of Django: required, nullable, automatic, chosen and generated."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from ..encoders import ExactDecoder, ExactEncoder

OPENING = datetime(2024, 1, 31, 9, 30, tzinfo=timezone.utc)


def photo_directory() -> str:
    """Return the directory with the photos, which differs from machine to machine."""
    return str(settings.MEDIA_ROOT)


class Checkup(models.Model):
    """One examination by the vet: every scalar field, none of them NULL."""

    integer = models.IntegerField(default=0)
    small_integer = models.SmallIntegerField(default=0)
    big_integer = models.BigIntegerField(default=0)
    positive_integer = models.PositiveIntegerField(default=0)
    positive_small_integer = models.PositiveSmallIntegerField(default=0)
    positive_big_integer = models.PositiveBigIntegerField(default=0)
    boolean = models.BooleanField(default=False)
    floating = models.FloatField(default=0.0)
    price = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal("0.00"))
    fine_decimal = models.DecimalField(max_digits=40, decimal_places=20, default=Decimal("0"))
    char = models.CharField(max_length=200, default="", blank=True)
    text = models.TextField(default="", blank=True)
    slug = models.SlugField(default="", blank=True)
    email = models.EmailField(default="", blank=True)
    url = models.URLField(default="", blank=True)
    uuid = models.UUIDField(default=uuid.UUID(int=0))
    day = models.DateField(default=date(2024, 1, 31))
    moment = models.DateTimeField(default=OPENING)
    hour = models.TimeField(default=time(9, 30))
    duration = models.DurationField(default=timedelta())
    ip = models.GenericIPAddressField(default="127.0.0.1")
    ipv4 = models.GenericIPAddressField(protocol="IPv4", default="127.0.0.1")
    xray = models.FileField(upload_to="xrays", default="", blank=True)
    photo = models.FilePathField(path=photo_directory, recursive=True, default="", blank=True)
    binary = models.BinaryField(default=b"")
    json = models.JSONField(default=dict)


class OptionalCheckup(models.Model):
    """An examination of which nothing need be known: every scalar field, all of them nullable."""

    integer = models.IntegerField(null=True, blank=True)
    small_integer = models.SmallIntegerField(null=True, blank=True)
    big_integer = models.BigIntegerField(null=True, blank=True)
    positive_integer = models.PositiveIntegerField(null=True, blank=True)
    positive_small_integer = models.PositiveSmallIntegerField(null=True, blank=True)
    positive_big_integer = models.PositiveBigIntegerField(null=True, blank=True)
    boolean = models.BooleanField(null=True, blank=True)
    floating = models.FloatField(null=True, blank=True)
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    fine_decimal = models.DecimalField(max_digits=40, decimal_places=20, null=True, blank=True)
    char = models.CharField(max_length=200, null=True, blank=True)
    text = models.TextField(null=True, blank=True)
    slug = models.SlugField(null=True, blank=True)
    email = models.EmailField(null=True, blank=True)
    url = models.URLField(null=True, blank=True)
    uuid = models.UUIDField(null=True, blank=True)
    day = models.DateField(null=True, blank=True)
    moment = models.DateTimeField(null=True, blank=True)
    hour = models.TimeField(null=True, blank=True)
    duration = models.DurationField(null=True, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    ipv4 = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True)
    xray = models.FileField(upload_to="xrays", null=True, blank=True)
    photo = models.FilePathField(path=photo_directory, recursive=True, null=True, blank=True)
    binary = models.BinaryField(null=True, blank=True)
    json = models.JSONField(null=True, blank=True)


class Diet(models.Model):
    """What an animal is fed, as JSON of every kind."""

    plan = models.JSONField()
    optional_plan = models.JSONField(null=True, blank=True)
    encoded_plan = models.JSONField(encoder=DjangoJSONEncoder, null=True, blank=True)
    exact_plan = models.JSONField(encoder=ExactEncoder, decoder=ExactDecoder, null=True, blank=True)


class SmallCounter(models.Model):
    """A thing counted in a SmallAutoField."""

    id = models.SmallAutoField(primary_key=True)
    label = models.CharField(max_length=40)


class Counter(models.Model):
    """A thing counted in an AutoField."""

    id = models.AutoField(primary_key=True)
    label = models.CharField(max_length=40)


class BigCounter(models.Model):
    """A thing counted in a BigAutoField."""

    id = models.BigAutoField(primary_key=True)
    label = models.CharField(max_length=40)


class Ticket(models.Model):
    """A ticket, with choices of both kinds and lazy labels."""

    class Kind(models.TextChoices):
        CHILD = "c", _("Child")
        ADULT = "a", _("Adult")

    class Zone(models.IntegerChoices):
        OUTDOOR = 1, _("Outdoor")
        TROPICAL = 2, _("Tropical house")

    kind = models.CharField(max_length=1, choices=Kind.choices, default=Kind.ADULT)
    zone = models.IntegerField(choices=Zone.choices, default=Zone.OUTDOOR)
    optional_zone = models.IntegerField(choices=Zone.choices, null=True, blank=True)


class Crate(models.Model):
    """A crate, whose area is generated and whose status the database fills in."""

    label = models.CharField(max_length=40)
    width = models.IntegerField()
    height = models.IntegerField()
    area = models.GeneratedField(
        expression=F("width") * F("height"),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    loud_label = models.GeneratedField(
        expression=Upper("label"), output_field=models.CharField(max_length=40), db_persist=True
    )
    status = models.CharField(max_length=20, db_default="new")
    packed_at = models.DateTimeField(db_default=Now())
    optional_rank = models.IntegerField(null=True, blank=True, default=7)
    optional_grade = models.IntegerField(null=True, blank=True, db_default=7)


class Journal(models.Model):
    """An entry that stamps itself."""

    text = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)
    created_day = models.DateField(auto_now_add=True)
    changed_day = models.DateField(auto_now=True)
    changed_hour = models.TimeField(auto_now=True)
