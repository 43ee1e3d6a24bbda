"""A project of packages that have nothing to do with each other."""

from base_settings import *  # noqa: F403
from base_settings import CONTRIB_APPS, MIDDLEWARE

INSTALLED_APPS = [
    "modeltranslation",
    *CONTRIB_APPS,
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "django_celery_beat",
    "djmoney",
    "easy_thumbnails",
    "guardian",
    "mptt",
    "polymorphic",
    "rest_framework",
    "rest_framework.authtoken",
    "reversion",
    "simple_history",
    "taggit",
    "treebeard",
    "catalogue",
]
MIGRATION_MODULES = {"catalogue": "own_migrations"}
MIDDLEWARE = [
    *MIDDLEWARE,
    "simple_history.middleware.HistoryRequestMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
LANGUAGES = [("en", "English"), ("et", "Eesti"), ("ja", "日本語")]
MODELTRANSLATION_DEFAULT_LANGUAGE = "en"
THUMBNAIL_ALIASES = {"": {"small": {"size": (20, 20), "crop": True}}}
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
