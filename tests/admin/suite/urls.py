"""The admin, with the page before it."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/dumps/", include("dumpy.admin.urls")),
    path("admin/", admin.site.urls),
]
