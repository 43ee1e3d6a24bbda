"""What it costs to have dumpy among the installed applications."""

from __future__ import annotations

import os
import subprocess
import sys

import django
import pytest
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

# What `manage.py check` needs of dumpy, and no more.
CHEAP = {
    "dumpy",
    "dumpy.apps",
    "dumpy.checks",
    "dumpy.conf",
    "dumpy.errors",
}
CHECK = """
import sys
import django
django.setup()
from django.core.management import call_command
call_command("check")
print(*sorted(name for name in sys.modules if name.split(".")[0] == "dumpy"))
"""


def printed(code: str) -> str:
    """Return what a Python process with the settings of the tests prints."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "PYTHONPATH": str(settings.BASE_DIR),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1]


def test_manage_py_check_imports_none_of_the_parts_that_read_write_or_load() -> None:
    assert set(printed(CHECK).split()) <= CHEAP


def test_importing_dumpy_imports_neither_django_nor_any_part_of_dumpy() -> None:
    code = "import sys, dumpy; print('django' in sys.modules, 'dumpy.dump' in sys.modules)"
    assert printed(code) == "False False"


@pytest.mark.parametrize(
    "name", ["DumpyError", "FixtureError", "LoadError", "UnwritableField", "FlushDeferredObjects"]
)
def test_a_public_name_is_there_when_it_is_asked_for(name: str) -> None:
    import dumpy

    assert name in dumpy.__all__
    assert getattr(dumpy, name).__name__ == name


def test_a_name_that_dumpy_has_not_is_an_attribute_error() -> None:
    import dumpy

    with pytest.raises(AttributeError, match="unicorn"):
        dumpy.unicorn  # noqa: B018


def test_an_older_django_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django, "VERSION", (4, 2, 0, "final", 0))
    with pytest.raises(ImproperlyConfigured, match=r"needs Django 5\.2 or newer"):
        apps.get_app_config("dumpy").ready()
