"""A receiver as most people write them: it does not look at `raw`."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from .models import Keeper, KeeperProfile


@receiver(post_save, sender=Keeper)
def create_profile(instance: Keeper, created: bool, using: str, **kwargs: Any) -> None:
    """Give a new keeper a profile."""
    if created:
        KeeperProfile.objects.using(using).create(keeper=instance)
