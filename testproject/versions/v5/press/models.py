"""Articles and who reads them."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

from people.models import Writer


class Section(models.Model):
    """A part of the newspaper."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True)


class Topic(models.Model):
    """What an article is about."""

    name = models.CharField(max_length=30, unique=True)

    class Meta:
        db_table = "press_keyword"


class Article(models.Model):
    """A text in a section."""

    STATES = [("draft", "Draft"), ("review", "In review"), ("published", "Published")]
    LANGUAGES = [("eng", "English"), ("est", "Estonian")]

    title = models.CharField(max_length=100)
    subtitle = models.CharField(max_length=100, null=True, blank=True)
    text = models.TextField()
    language = models.CharField(max_length=3, choices=LANGUAGES, default="eng")
    section = models.ForeignKey(Section, models.PROTECT)
    writer = models.ForeignKey(Writer, models.SET_NULL, null=True, blank=True)
    published = models.DateField(null=True, blank=True)
    words = models.IntegerField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=STATES, default="draft")
    topics = models.ManyToManyField(Topic, through="Placement", blank=True)


class Placement(models.Model):
    """An article has a topic; the first is the one that matters most."""

    article = models.ForeignKey(Article, models.CASCADE)
    topic = models.ForeignKey(Topic, models.CASCADE)
    position = models.PositiveIntegerField()


class Medium(models.Model):
    """A picture or a film beside an article."""

    KINDS = [("photo", "Photo"), ("video", "Video")]

    article = models.ForeignKey(Article, models.CASCADE)
    kind = models.CharField(max_length=5, choices=KINDS, default="photo")
    file = models.CharField(max_length=200)
    caption = models.CharField(max_length=100, blank=True)
    seconds = models.IntegerField(null=True, blank=True)


class Reader(models.Model):
    """Somebody who pays."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=60)
    email = models.EmailField(unique=True)


class Address(models.Model):
    """Where a reader lives."""

    reader = models.OneToOneField(Reader, models.CASCADE, primary_key=True)
    street = models.CharField(max_length=60, blank=True)
    city = models.CharField(max_length=60, blank=True)


class Subscription(models.Model):
    """A reader gets a section."""

    reader = models.ForeignKey(Reader, models.CASCADE)
    section = models.ForeignKey(Section, models.CASCADE)
    started = models.DateField()
    price = models.DecimalField(max_digits=6, decimal_places=2)
    cancelled = models.DateField(null=True, blank=True)


class Note(models.Model):
    """What somebody in the office says about any object."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    about = GenericForeignKey()
    author = models.ForeignKey(User, models.CASCADE)
    text = models.TextField()
    written = models.DateTimeField()
