"""Articles, who writes them, and who reads them."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Section(models.Model):
    """A part of the newspaper."""

    name = models.CharField(max_length=30)
    slug = models.SlugField()


class Writer(models.Model):
    """Somebody who writes."""

    full_name = models.CharField(max_length=60)
    email = models.EmailField(null=True, blank=True)
    phone = models.CharField(max_length=20, blank=True)


class Biography(models.Model):
    """What is told of a writer."""

    writer = models.OneToOneField(Writer, models.CASCADE, primary_key=True)
    born = models.DateField(null=True, blank=True)
    text = models.TextField()


class Tag(models.Model):
    """A word that an article is found by."""

    name = models.CharField(max_length=30, unique=True)


class Article(models.Model):
    """A text in a section."""

    STATES = [("d", "Draft"), ("r", "In review"), ("p", "Published")]

    title = models.CharField(max_length=100)
    text = models.TextField()
    section = models.ForeignKey(Section, models.PROTECT)
    writer = models.ForeignKey(Writer, models.SET_NULL, null=True, blank=True)
    published = models.CharField(max_length=10, blank=True, help_text="2024-01-31")
    words = models.CharField(max_length=10, blank=True)
    state = models.CharField(max_length=1, choices=STATES, default="d")
    tags = models.ManyToManyField(Tag, blank=True)


class Photo(models.Model):
    """A picture beside an article."""

    article = models.ForeignKey(Article, models.CASCADE)
    file = models.CharField(max_length=100)
    caption = models.CharField(max_length=100, blank=True)


class Video(models.Model):
    """A film beside an article."""

    article = models.ForeignKey(Article, models.CASCADE)
    url = models.URLField()
    title = models.CharField(max_length=100, blank=True)
    seconds = models.IntegerField(null=True, blank=True)


class Reader(models.Model):
    """Somebody who pays."""

    name = models.CharField(max_length=60)
    email = models.EmailField(unique=True)
    street = models.CharField(max_length=60, blank=True)
    city = models.CharField(max_length=60, blank=True)


class Subscription(models.Model):
    """A reader gets a section."""

    reader = models.ForeignKey(Reader, models.CASCADE)
    section = models.ForeignKey(Section, models.CASCADE)
    since = models.DateField()
    price = models.DecimalField(max_digits=6, decimal_places=2)


class Note(models.Model):
    """What somebody in the office says about any object."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    about = GenericForeignKey()
    author = models.ForeignKey(User, models.CASCADE)
    text = models.TextField()
    written = models.DateTimeField()
