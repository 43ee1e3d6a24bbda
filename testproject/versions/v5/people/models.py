"""Who writes."""

from __future__ import annotations

from django.db import models


class Writer(models.Model):
    """Somebody who writes."""

    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60)
    email = models.EmailField(null=True, blank=True)
    born = models.DateField(null=True, blank=True)
    life = models.TextField(blank=True)
