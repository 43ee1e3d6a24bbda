"""Foreign keys, one-to-ones and many-to-manys of every shape."""

from __future__ import annotations

from django.db import models

from .keys import Country


class Wing(models.Model):
    """A wing of the zoo; wing and curator may lack each other."""

    name = models.CharField(max_length=40)
    curator = models.ForeignKey(
        "Curator", models.SET_NULL, null=True, blank=True, related_name="headed_wings"
    )


class Curator(models.Model):
    """Someone who looks after a wing."""

    name = models.CharField(max_length=40)
    wing = models.ForeignKey(Wing, models.SET_NULL, null=True, blank=True, related_name="curators")


class Pond(models.Model):
    """A pond; it may lack a star, but an otter must have a pond."""

    name = models.CharField(max_length=40)
    star = models.ForeignKey(
        "Otter", models.SET_NULL, null=True, blank=True, related_name="starred_ponds"
    )


class Otter(models.Model):
    """An inhabitant of a pond."""

    name = models.CharField(max_length=40)
    pond = models.ForeignKey(Pond, models.CASCADE)


class Island(models.Model):
    """An island; it must have a chief, who must have an island."""

    name = models.CharField(max_length=40)
    chief = models.ForeignKey("Lemur", models.CASCADE, related_name="ruled_islands")


class Lemur(models.Model):
    """An inhabitant of an island."""

    name = models.CharField(max_length=40)
    island = models.ForeignKey(Island, models.CASCADE)


class Taxon(models.Model):
    """A node of the tree of life; the root has no parent."""

    name = models.CharField(max_length=40)
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )


class Region(models.Model):
    """A region within another; the root is within itself."""

    name = models.CharField(max_length=40)
    within = models.ForeignKey("self", models.CASCADE, related_name="parts")


class Species(models.Model):
    """A species, known by its Latin name."""

    latin = models.CharField(max_length=100, unique=True)


class Exhibit(models.Model):
    """A glass case; it refers to a species by its name, in a column with a name of its own."""

    species = models.ForeignKey(
        Species, models.CASCADE, to_field="latin", db_column="latin name", related_name="exhibits"
    )
    origin = models.ForeignKey(Country, models.SET_NULL, null=True, blank=True)
    weight = models.FloatField(db_column="weight in kg", null=True, blank=True)


class Perch(models.Model):
    """A perch; two birds may swap their places."""

    bird = models.CharField(max_length=40)
    place = models.IntegerField(unique=True)


class Passport(models.Model):
    """A passport, one to one with a species: the first of a chain."""

    species = models.OneToOneField(Species, models.CASCADE, primary_key=True)
    number = models.CharField(max_length=40)


class Visa(models.Model):
    """A visa, one to one with a passport."""

    passport = models.OneToOneField(Passport, models.CASCADE, primary_key=True)
    number = models.CharField(max_length=40)


class Stamp(models.Model):
    """A stamp, one to one with a visa."""

    visa = models.OneToOneField(Visa, models.CASCADE, primary_key=True)
    number = models.CharField(max_length=40)


class Sighting(models.Model):
    """A sighting of a species that may be gone: the database does not check the key."""

    species = models.ForeignKey(
        Species, models.DO_NOTHING, db_constraint=False, related_name="sightings"
    )
    place = models.CharField(max_length=40)


class Animal(models.Model):
    """An animal, with relations to other animals."""

    name = models.CharField(max_length=40)
    species = models.ForeignKey(Species, models.PROTECT, null=True, blank=True)
    friends = models.ManyToManyField("self", blank=True)
    prey = models.ManyToManyField("self", symmetrical=False, blank=True, related_name="hunters")
    introductions = models.ManyToManyField(
        "self",
        through="Introduction",
        through_fields=("animal", "other"),
        symmetrical=False,
        related_name="introduced_to",
    )
    seen_in = models.ManyToManyField(Country, blank=True, related_name="animals")


class Introduction(models.Model):
    """One animal was introduced to another: a through model that points three times at one side."""

    animal = models.ForeignKey(Animal, models.CASCADE, related_name="introductions_made")
    other = models.ForeignKey(Animal, models.CASCADE, related_name="introductions_had")
    witness = models.ForeignKey(
        Animal, models.SET_NULL, null=True, blank=True, related_name="introductions_seen"
    )
    went_well = models.BooleanField(null=True)


class Trough(models.Model):
    """A place where animals are fed, through a model with columns of its own."""

    name = models.CharField(max_length=40)
    animals = models.ManyToManyField(Animal, through="Feeding", related_name="troughs")


class Feeding(models.Model):
    """What one animal gets at one trough."""

    trough = models.ForeignKey(Trough, models.CASCADE)
    animal = models.ForeignKey(Animal, models.CASCADE)
    kilos = models.DecimalField(max_digits=6, decimal_places=3)
    fed_at = models.DateTimeField()
