"""dumpy in Django's admin, which imports this package: an action here, a page in ``urls``."""

from __future__ import annotations

from django.contrib import admin

from dumpy.admin.action import download_as_python

admin.site.add_action(download_as_python)
