"""Managers that hide rows, fetch more than was asked for, or refuse."""

from __future__ import annotations

from contextvars import ContextVar

from django.db import models

tenant_required: ContextVar[bool] = ContextVar("tenant_required", default=False)


class NoTenantError(RuntimeError):
    """Raised when visits are asked for while a tenant is required and none is set."""


class LivingManager(models.Manager["Resident"]):
    """Hides the residents that have left."""

    def get_queryset(self) -> models.QuerySet[Resident]:
        """Return the residents that are here."""
        return super().get_queryset().filter(left=False)


class Resident(models.Model):
    """An animal that may have left; the default manager does not show it then."""

    name = models.CharField(max_length=40)
    left = models.BooleanField(default=False)
    companion = models.ForeignKey("self", models.SET_NULL, null=True, blank=True)

    objects = LivingManager()
    everyone = models.Manager()


class VisibleManager(models.Manager["Relic"]):
    """Hides the relics that are in store."""

    def get_queryset(self) -> models.QuerySet[Relic]:
        """Return the relics on show."""
        return super().get_queryset().filter(in_store=False)


class Relic(models.Model):
    """A thing of the museum; its base manager, too, hides rows."""

    name = models.CharField(max_length=40)
    in_store = models.BooleanField(default=False)

    objects = VisibleManager()

    class Meta:
        base_manager_name = "objects"


class Tree(models.Model):
    """A tree with nests; its manager is not called `objects`."""

    name = models.CharField(max_length=40)

    trees = models.Manager()


class NestManager(models.Manager["Nest"]):
    """Fetches the trees and the eggs with the nests."""

    def get_queryset(self) -> models.QuerySet[Nest]:
        """Return the nests, the highest first, with trees and eggs."""
        nests = super().get_queryset().select_related("tree").prefetch_related("eggs")
        return nests.order_by("-height")


class Egg(models.Model):
    """An egg."""

    weight = models.IntegerField()


class Nest(models.Model):
    """A nest in a tree."""

    tree = models.ForeignKey(Tree, models.CASCADE)
    height = models.IntegerField()
    eggs = models.ManyToManyField(Egg, blank=True)

    objects = NestManager()

    class Meta:
        ordering = ["-height"]


class VisitManager(models.Manager["Visit"]):
    """Refuses when a tenant is required (see `tenant_required`)."""

    def get_queryset(self) -> models.QuerySet[Visit]:
        """Return the visits, or raise NoTenantError."""
        if tenant_required.get():
            raise NoTenantError("no tenant is set")
        return super().get_queryset()


class Visit(models.Model):
    """A visit; its default manager can be made to raise."""

    visitor = models.CharField(max_length=40)

    objects = VisitManager()
