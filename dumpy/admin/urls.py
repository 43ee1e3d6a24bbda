"""The URLs of the page, to be included before those of the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from dumpy.admin import page

app_name = "dumpy"
urlpatterns = [
    path("", admin.site.admin_view(page.dumps), name="dumps"),
    path("<str:token>/", admin.site.admin_view(page.review), name="review"),
    path("<str:token>/load/", admin.site.admin_view(page.load), name="load"),
]
