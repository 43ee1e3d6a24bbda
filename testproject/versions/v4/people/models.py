"""Who writes."""

from __future__ import annotations

from django.db import models


class Writer(models.Model):
    """Somebody who writes."""

    first_name = models.CharField(max_length=60, blank=True)
    last_name = models.CharField(max_length=60)
    email = models.EmailField(null=True, blank=True)
    phone = models.CharField(max_length=20, blank=True)
