"""The page and the action in the admin, as a project sees them.

Each test in `suite/` is a claim.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import suites
from sites import NewSite, Site, Version

FILES = suites.files(Path(__file__).with_name("suite"))
# Under that name pytest would import it here, where there is no shop.
FILES["conftest.py"] = "from shared import *\n"
CLAIMS = suites.claims(FILES["check_page.py"] + FILES["check_action.py"])
SETTINGS = {
    "INSTALLED_APPS": [
        "dumpy",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
        "shop",
    ],
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    "ROOT_URLCONF": "urls",
    "STATIC_URL": "static/",
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
}


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Site:
    """Return a project with the suite in it."""
    site = new_site("admin")
    site.values = dict(SETTINGS)
    site.become(Version(FILES, SETTINGS))
    site.succeed("makemigrations", "shop", "-v0")
    return site


@pytest.fixture(scope="module")
def quick(site: Site) -> str:
    """Return what a run of the suite without the browser prints."""
    files = "check_page.py check_action.py"
    return suites.printed(site.directory, site.environment, files=files)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_of_the_suite_holds(quick: str, claim: str) -> None:
    assert suites.outcomes(quick, claim) == {"PASSED"}, quick


@pytest.mark.slow
@pytest.mark.sqlite
def test_a_person_with_a_browser_loads_a_dump_and_downloads_rows(site: Site) -> None:
    said = suites.printed(site.directory, site.environment, files="check_browser.py")
    if skipped := re.search(r"^SKIPPED .*: (needs .*|could not import .*)$", said, re.MULTILINE):
        pytest.skip(skipped[1])
    for claim in suites.claims(FILES["check_browser.py"]):
        assert suites.outcomes(said, claim) == {"PASSED"}, said


def test_nothing_of_the_admin_is_imported_where_it_is_not_installed() -> None:
    code = (
        "import django, sys; django.setup()\n"
        "names = ('dumpy.admin', 'django.contrib.admin')\n"
        "print([one for one in sys.modules if one.startswith(names)])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings"}
    root = Path(__file__).resolve().parents[2]
    environment["PYTHONPATH"] = os.pathsep.join([str(root), str(root / "testproject")])
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
