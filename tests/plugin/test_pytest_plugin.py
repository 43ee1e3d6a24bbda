"""The pytest plugin, as seen by a suite of its own: each test in `suite/` is a claim.

The suite runs once as it is, and then in every way that could mix its scopes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import suites
from sites import NewSite, Site, Version

FILES = suites.files(Path(__file__).with_name("suite"))
SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.sites", "dumpy", "shop"],
    "SITE_ID": 1,
}
CLAIMS = sorted(
    name
    for file, text in FILES.items()
    if file.startswith("check_")
    for name in suites.claims(text)
    if name != "test_a_skipped_one"
)

Ran = Callable[..., str]


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Site:
    """Return a project with the suite in it, and two databases that are never written."""
    return new_site("plugin", Version(FILES, SETTINGS), aliases=("default", "other"))


@pytest.fixture(scope="module")
def ran(site: Site) -> Ran:
    """Return a function that runs a suite, and returns what pytest prints."""

    def run(*args: str, files: str = "check_*.py") -> str:
        return suites.printed(site.directory, site.environment, *args, files=files)

    return run


@pytest.fixture(scope="module")
def once(ran: Ran) -> str:
    """Return what a run of the suite in its own order prints."""
    return ran()


@pytest.fixture(scope="module")
def faulty(ran: Ran) -> str:
    """Return what a run of marks that are wrong prints."""
    return ran(files="faulty_*.py")


def results(printed: str) -> list[str]:
    """Return the lines with the outcome of each test, but for those that have passed."""
    outcomes = re.findall(r"^(?:FAILED|ERROR) .*", printed, re.MULTILINE)
    return outcomes if re.search(r"^PASSED ", printed, re.MULTILINE) else [printed]


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_of_the_suite_holds(once: str, claim: str) -> None:
    assert suites.outcomes(once, claim) == {"PASSED"}, once


def test_fixtures_of_the_session_are_loaded_once_for_all_modules(once: str) -> None:
    # Twice more for two tests that load them for themselves.
    assert "milk was loaded 3 times" in once


@pytest.mark.sqlite
def test_scopes_hold_in_the_processes_of_xdist(ran: Ran) -> None:
    assert results(ran("-n", "2")) == []


@pytest.mark.sqlite
def test_scopes_hold_in_a_random_order(ran: Ran) -> None:
    assert results(ran("-p", "randomly", "--randomly-seed=1")) == []


@pytest.mark.sqlite
def test_a_database_that_is_used_again_holds_no_rows_of_a_scope(site: Site, ran: Ran) -> None:
    site.configure('DATABASES["default"]["TEST"] = {"NAME": "test_plugin_again"}\n')
    try:
        # A run that stops at a failure leaves its scopes, too.
        assert "1 failed" in ran("-x", "--reuse-db", "--create-db", "stopped.py")
        assert results(ran("--reuse-db", "check_unmarked.py", "check_session_one.py")) == []
        assert results(ran("--create-db", "check_unmarked.py")) == []
    finally:
        site.configure()


def test_a_project_without_django_does_not_notice_the_plugin(tmp_path: Path) -> None:
    code = "import sys\ndef test_it():\n    assert 'django' not in sys.modules\n"
    (tmp_path / "test_it.py").write_text(code)
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    said = suites.printed(tmp_path, environment, "-p", "no:django")
    assert "1 passed" in said, said


def test_without_pytest_django_the_mark_says_what_to_install(ran: Ran) -> None:
    assert "pip install pytest-django" in ran("-p", "no:django", "stopped.py")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_no_names", 'names no fixture. Write: @pytest.mark.dumpy("NAME")'),
        ("test_unknown_scope", "Write one of \"function\", \"class\", \"module\", \"session\"."),
        ("test_unknown_argument", "unknown argument 'database'. Write scope=… or databases=…."),
        ("test_unknown_database", "unknown database 'nowhere'. Write some of default, other."),
        ("test_unknown_fixture", "No fixture named 'green_tea' found.\nTo write it: python manage"),
        ("test_scope_of_a_method", "put it on the class."),
        ("test_database_of_a_class", "the class must have the database, too"),
        ("test_first", "name it, too: dumpy('tea', 'dangling', …)"),
        ("test_second", "name it, too: dumpy('tea', 'dangling', …)"),
        ("test_rows_of_another_fixture", "name it, too: dumpy('orders', 'tea', …)"),
        ("test_dangling_committed", "@pytest.mark.dumpy('dangling'): Problem installing"),
    ],
)  # fmt: skip
def test_a_mark_that_cannot_be_followed_says_why(faulty: str, name: str, said: str) -> None:
    (found,) = re.findall(rf"ERROR at setup of (?:\w+\.)?{name} _+\n(.*?)\n[_=]{{3}}", faulty, re.S)
    assert said in found


def test_rows_that_are_not_there_take_a_line_for_each_cause(faulty: str) -> None:
    assert len(re.findall(r"orders\.py:\d+: .* does not exist\.", faulty)) == 1
    assert "And 29 more like it." in faulty


def test_a_mark_is_not_told_of_options_that_it_does_not_have(faulty: str) -> None:
    assert "has no field 'title'" in faulty
    assert "--" not in faulty.partition("has no field 'title'")[2].partition("\n___")[0]


def test_a_load_that_fails_leaves_nothing_and_stops_no_other_test(faulty: str) -> None:
    assert "3 passed, 12 errors" in faulty
    assert "Traceback" not in faulty


def test_a_project_without_dumpy_in_its_apps_is_told_so(site: Site, ran: Ran) -> None:
    apps = [app for app in SETTINGS["INSTALLED_APPS"] if app != "dumpy"]
    site.configure(INSTALLED_APPS=apps)
    try:
        said = ran("-k", "test_names_may_be_a_list", files="check_functions.py")
    finally:
        site.configure()
    assert "No fixture named 'tea' found.\nAdd \"dumpy\" to INSTALLED_APPS" in said


def test_pytest_finds_the_plugin() -> None:
    (found,) = entry_points(group="pytest11", name="dumpy")
    assert found.value == "dumpy.pytest_plugin"
