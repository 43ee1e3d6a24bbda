"""Models that do something when they are saved, or do not let everything in."""

from __future__ import annotations

from typing import Any

from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from .relations import Species


class Keeper(models.Model):
    """A keeper; a receiver that does not look at `raw` gives each new one a profile."""

    name = models.CharField(max_length=40)


class KeeperProfile(models.Model):
    """What a keeper likes; one for each."""

    keeper = models.OneToOneField(Keeper, models.CASCADE, related_name="profile")
    motto = models.CharField(max_length=80, blank=True)


class Door(models.Model):
    """A door; `save()` counts and leaves a line in the log."""

    name = models.CharField(max_length=40)
    saves = models.IntegerField(default=0)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, count and log."""
        self.saves += 1
        super().save(*args, **kwargs)
        DoorLog.objects.using(self._state.db).create(door=self, text=f"saved {self.name}")


class DoorLog(models.Model):
    """A line that the saving of a door left."""

    door = models.ForeignKey(Door, models.CASCADE, related_name="log")
    text = models.CharField(max_length=80)


class Meal(models.Model):
    """A meal; it completes itself before it is loaded."""

    name = models.CharField(max_length=40)
    species = models.ForeignKey(Species, models.CASCADE, null=True, blank=True)
    latin = models.CharField(max_length=100, blank=True)

    def before_dumpy_save(self, loader: Any) -> None:
        """Fill in the Latin name from the species, which must be there."""
        if self.species_id is not None:
            species = Species.objects.using(loader.using).get(pk=self.species_id)
            self.latin = species.latin


class Snack(models.Model):
    """A meal between meals; its `before_dumpy_save` is an old one, without a parameter."""

    name = models.CharField(max_length=40)
    shouted = models.CharField(max_length=40, blank=True)

    def before_dumpy_save(self) -> None:
        """Fill in the name in capitals."""
        self.shouted = self.name.upper()


class Nickname(models.Model):
    """A name that is unique whatever its case, where the engine can see to that."""

    text = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("text"), name="unique_nickname")]


class Weighing(models.Model):
    """A weight that the database checks."""

    kilos = models.IntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kilos__gte=0), name="no_negative_weight")]


class Berth(models.Model):
    """A place in a cage; only one in each is taken, where the engine can see to that."""

    cage = models.IntegerField()
    taken = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cage"], condition=Q(taken=True), name="one_taken_berth"
            )
        ]


class Permit(models.Model):
    """A permit; its database takes rows that `full_clean()` does not."""

    number = models.CharField(max_length=40, validators=[MinLengthValidator(5)])
    holder = models.CharField(max_length=40)

    class Meta:
        permissions = [("revoke_permit", "Can revoke permit")]
