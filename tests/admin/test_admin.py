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
from sites import NewSite, Site, Version

SUITE = Path(__file__).with_name("suite")
FILES = {
    path.relative_to(SUITE).as_posix(): path.read_text(encoding="utf-8")
    for path in SUITE.rglob("*.py")
}
# Under that name pytest would import it here, where there is no shop.
FILES["conftest.py"] = "from shared import *\n"
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
PYTEST = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "no:cacheprovider"]


def claims(file: str) -> list[str]:
    """Return the names of the tests in a file of the suite."""
    return re.findall(r"^def (test_\w+)\(", FILES[file], re.MULTILINE)


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Site:
    """Return a project with the suite in it."""
    site = new_site("admin")
    site.values = dict(SETTINGS)
    site.become(Version(FILES, SETTINGS))
    site.succeed("makemigrations", "shop", "-v0")
    return site


def printed(site: Site, files: str) -> str:
    """Return what pytest prints of some files of the suite."""
    options = ["-rA", "--rootdir=.", "--ds", site.settings, "-p", "no:randomly", "-p", "no:faker"]
    done = subprocess.run(
        [*PYTEST, *options, "-o", f"python_files={files}"],
        cwd=site.directory, env=site.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def quick(site: Site) -> str:
    """Return what a run of the suite without the browser prints."""
    return printed(site, "check_page.py check_action.py")


@pytest.mark.parametrize("claim", claims("check_page.py") + claims("check_action.py"))
def test_a_claim_of_the_suite_holds(quick: str, claim: str) -> None:
    outcomes = re.findall(rf"^(\w+) .*::{claim}\b", quick, re.MULTILINE)
    assert set(outcomes) == {"PASSED"}, quick


@pytest.mark.slow
@pytest.mark.sqlite
def test_a_person_with_a_browser_loads_a_dump_and_downloads_rows(site: Site) -> None:
    said = printed(site, "check_browser.py")
    if skipped := re.search(r"^SKIPPED .*: (needs .*|could not import .*)$", said, re.MULTILINE):
        pytest.skip(skipped[1])
    assert "4 passed" in said, said


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
