"""What the shop sells, and to whom."""

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Tag(models.Model):
    """A word."""

    name = models.CharField(max_length=20, unique=True)


class Product(models.Model):
    """Something to drink."""

    name = models.CharField(max_length=20, unique=True)
    price = models.DecimalField(max_digits=6, decimal_places=2, default=1)
    tags = models.ManyToManyField(Tag)

    def __str__(self):
        return self.name


class Order(models.Model):
    """A product that somebody wants."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE)


class Gift(Order):
    """An order for somebody else."""

    text = models.CharField(max_length=20)


class Note(models.Model):
    """A note about any object."""

    kind = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    key = models.PositiveIntegerField()
    about = GenericForeignKey("kind", "key")


class Basket(models.Model):
    """What a user is going to buy."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
