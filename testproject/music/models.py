"""The Chinook music shop, as a Django developer would write it."""

from __future__ import annotations

from django.db import models


class Genre(models.Model):
    """A kind of music."""

    name = models.CharField(max_length=120, unique=True)

    def __str__(self) -> str:
        return self.name


class MediaType(models.Model):
    """A format in which tracks are sold."""

    name = models.CharField(max_length=120, unique=True)

    def __str__(self) -> str:
        return self.name


class Artist(models.Model):
    """A person, a band or an orchestra."""

    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name


class Album(models.Model):
    """A collection of tracks by one artist."""

    title = models.CharField(max_length=160)
    artist = models.ForeignKey(Artist, models.CASCADE, related_name="albums")

    def __str__(self) -> str:
        return self.title


class Playlist(models.Model):
    """A list of tracks."""

    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name


class Track(models.Model):
    """A piece of music that can be bought."""

    name = models.CharField(max_length=200)
    album = models.ForeignKey(Album, models.SET_NULL, null=True, blank=True, related_name="tracks")
    media_type = models.ForeignKey(MediaType, models.PROTECT, related_name="tracks")
    genre = models.ForeignKey(Genre, models.SET_NULL, null=True, blank=True, related_name="tracks")
    composer = models.CharField(max_length=220, blank=True)
    milliseconds = models.PositiveIntegerField()
    bytes = models.PositiveBigIntegerField(null=True, blank=True)
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)
    playlists = models.ManyToManyField(Playlist, blank=True, related_name="tracks")

    def __str__(self) -> str:
        return self.name


class Employee(models.Model):
    """Someone who works in the shop."""

    last_name = models.CharField(max_length=40)
    first_name = models.CharField(max_length=40)
    title = models.CharField(max_length=40)
    reports_to = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="reports"
    )
    birth_date = models.DateField()
    hire_date = models.DateField()
    address = models.CharField(max_length=70)
    city = models.CharField(max_length=40)
    state = models.CharField(max_length=40, blank=True)
    country = models.CharField(max_length=40)
    postal_code = models.CharField(max_length=10, blank=True)
    phone = models.CharField(max_length=24, blank=True)
    fax = models.CharField(max_length=24, blank=True)
    email = models.EmailField(unique=True)

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Customer(models.Model):
    """Someone who buys in the shop."""

    first_name = models.CharField(max_length=40)
    last_name = models.CharField(max_length=40)
    company = models.CharField(max_length=80, blank=True)
    address = models.CharField(max_length=70)
    city = models.CharField(max_length=40)
    state = models.CharField(max_length=40, blank=True)
    country = models.CharField(max_length=40)
    postal_code = models.CharField(max_length=10, blank=True)
    phone = models.CharField(max_length=24, blank=True)
    fax = models.CharField(max_length=24, blank=True)
    email = models.EmailField(unique=True)
    support_rep = models.ForeignKey(
        Employee, models.SET_NULL, null=True, blank=True, related_name="customers"
    )

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Invoice(models.Model):
    """What a customer bought at one time."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="invoices")
    invoiced_at = models.DateTimeField()
    billing_address = models.CharField(max_length=70)
    billing_city = models.CharField(max_length=40)
    billing_state = models.CharField(max_length=40, blank=True)
    billing_country = models.CharField(max_length=40)
    billing_postal_code = models.CharField(max_length=10, blank=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)

    def __str__(self) -> str:
        return f"invoice {self.pk}"


class InvoiceLine(models.Model):
    """One track of an invoice."""

    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="lines")
    track = models.ForeignKey(Track, models.PROTECT, related_name="invoice_lines")
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)
    quantity = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.quantity} × track {self.track_id}"
