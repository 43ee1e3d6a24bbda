"""Models that use all the packages."""

import uuid

import reversion
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from djmoney.models.fields import MoneyField
from easy_thumbnails.fields import ThumbnailerImageField
from mptt.models import MPTTModel, TreeForeignKey, TreeManyToManyField
from picklefield.fields import PickledObjectField
from polymorphic.models import PolymorphicModel
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager
from taggit.models import GenericUUIDTaggedItemBase, TaggedItemBase
from treebeard.al_tree import AL_Node
from treebeard.mp_tree import MP_Node
from treebeard.ns_tree import NS_Node


class Genre(MPTTModel):
    name = models.CharField(max_length=50, unique=True)
    parent = TreeForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )

    class MPTTMeta:
        order_insertion_by = ["name"]


class Place(MP_Node):
    name = models.CharField(max_length=50)
    node_order_by = ["name"]


class Department(NS_Node):
    name = models.CharField(max_length=50)


class Topic(AL_Node):
    name = models.CharField(max_length=50)
    parent = models.ForeignKey(
        "self", related_name="children_set", null=True, db_index=True, on_delete=models.CASCADE
    )
    sib_order = models.PositiveIntegerField()
    node_order_by = []


class Asset(PolymorphicModel):
    title = models.CharField(max_length=100)
    tags = TaggableManager(blank=True)
    related = models.ManyToManyField("self", blank=True)


class Film(Asset):
    minutes = models.PositiveSmallIntegerField()
    price = MoneyField(max_digits=14, decimal_places=4, default_currency="EUR", null=True)


class Serial(Film):
    episodes = models.IntegerField(default=0)


class Painting(Asset):
    image = ThumbnailerImageField(upload_to="paintings", blank=True)
    palette = PickledObjectField(null=True)
    settings = PickledObjectField(null=True, compress=True)


class UUIDTag(GenericUUIDTaggedItemBase, TaggedItemBase):
    pass


class Book(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=100)
    blurb = models.TextField(blank=True)
    genres = TreeManyToManyField(Genre, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    data = models.JSONField(default=dict)
    changed = models.DateTimeField(auto_now=True)
    tags = TaggableManager(through=UUIDTag, blank=True)
    history = HistoricalRecords(
        m2m_fields=[genres], history_id_field=models.UUIDField(default=uuid.uuid4)
    )

    class Meta:
        permissions = [("lend_book", "Can lend a book")]


class Sign(models.Model):
    title = models.CharField(max_length=100)
    text = models.TextField(blank=True)


class ActiveManager(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(is_deleted=False)


@reversion.register()
class Note(models.Model):
    text = models.TextField()
    is_deleted = models.BooleanField(default=False)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.CharField(max_length=64)
    target = GenericForeignKey()

    objects = ActiveManager()


class Profile(models.Model):
    """Made by a receiver that does not ask for ``raw``."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    greeting = models.CharField(max_length=100, default="hello")


class SearchEntry(models.Model):
    """Made by a receiver for each book; unique."""

    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    words = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["words"], name="unique_words")]
