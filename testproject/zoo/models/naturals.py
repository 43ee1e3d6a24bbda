"""Natural keys, also in a cycle, and generic foreign keys."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class NationManager(models.Manager["Nation"]):
    """Finds nations by name."""

    def get_by_natural_key(self, name: str) -> Nation:
        """Return the nation of that name."""
        return self.get(name=name)


class Nation(models.Model):
    """A nation, known by its name; it may have a mascot."""

    name = models.CharField(max_length=40, unique=True)
    mascot = models.ForeignKey(
        "Mascot", models.SET_NULL, null=True, blank=True, related_name="represents"
    )
    objects = NationManager()

    def natural_key(self) -> tuple[str]:
        """Return the name."""
        return (self.name,)


class MascotManager(models.Manager["Mascot"]):
    """Finds mascots by name and nation."""

    def get_by_natural_key(self, name: str, nation: str) -> Mascot:
        """Return the mascot of that name in that nation."""
        return self.get(name=name, nation__name=nation)


class Mascot(models.Model):
    """A mascot, known by its name and its nation: the two models form a cycle."""

    name = models.CharField(max_length=40)
    nation = models.ForeignKey(Nation, models.CASCADE, related_name="mascots")
    allies = models.ManyToManyField(Nation, blank=True, related_name="allied_mascots")
    objects = MascotManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "nation"], name="unique_mascot")]

    def natural_key(self) -> tuple[str, ...]:
        """Return the name and the natural key of the nation."""
        return (self.name, *self.nation.natural_key())

    natural_key.dependencies = ["zoo.nation"]  # type: ignore[attr-defined]


class Note(models.Model):
    """A note on any object."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveBigIntegerField()
    target = GenericForeignKey()
    text = models.TextField(blank=True)


class Label(models.Model):
    """A label on any object, or on none, whatever its primary key is."""

    kind = models.ForeignKey(
        ContentType, models.CASCADE, null=True, blank=True, related_name="zoo_labels"
    )
    key = models.CharField(max_length=100, blank=True)
    target = GenericForeignKey("kind", "key")
    text = models.CharField(max_length=40)


class FolderManager(models.Manager["Folder"]):
    """Finds folders by name and the name of their parent."""

    def get_by_natural_key(self, name: str, parent: str | None) -> Folder:
        """Return the folder of that name in a folder of that name."""
        return self.get(name=name, parent__name=parent)


class Folder(models.Model):
    """A folder in a tree, known by its name and that of its parent: a key that need not be one."""

    name = models.CharField(max_length=40)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )
    twin = models.OneToOneField(
        "self", models.SET_NULL, null=True, blank=True, related_name="twin_of"
    )
    code = models.CharField(max_length=40, unique=True)
    number = models.IntegerField(unique=True, null=True, blank=True)
    content = models.JSONField(null=True, blank=True)
    shortcuts = models.ManyToManyField(
        "self", symmetrical=False, blank=True, related_name="shortcuts_here"
    )
    objects = FolderManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "parent"], name="unique_folder")]

    def natural_key(self) -> tuple[str, str | None]:
        """Return the name and the name of the parent."""
        return self.name, self.parent.name if self.parent else None


class Archive(Folder):
    """A folder that holds copies of another one."""

    copied = models.ForeignKey(Folder, models.CASCADE, related_name="archives")


class Page(models.Model):
    """A page of a folder: its key is composite, with a foreign key in it."""

    pk = models.CompositePrimaryKey("folder_id", "number")
    folder = models.ForeignKey(Folder, models.CASCADE, related_name="pages")
    number = models.IntegerField()
    text = models.CharField(max_length=40)
