"""What the shop sells."""

from django.db import models


class Product(models.Model):
    """Something to drink."""

    name = models.CharField(max_length=20, unique=True)


class Order(models.Model):
    """A product that somebody wants."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE)
