"""Receivers as they are written: none of them looks at ``raw``."""

from django.contrib.auth import get_user_model
from django.db.models.signals import post_save
from django.dispatch import receiver
from rest_framework.authtoken.models import Token

from catalogue.models import Book, Profile, SearchEntry


@receiver(post_save, sender=get_user_model())
def make_token_and_profile(sender, instance, created, **kwargs):
    if created:
        Token.objects.create(user=instance)
        Profile.objects.create(user=instance)


@receiver(post_save, sender=Book)
def index(sender, instance, created, **kwargs):
    SearchEntry.objects.create(
        book=instance, words=f"{instance.title} {SearchEntry.objects.count()}"
    )
