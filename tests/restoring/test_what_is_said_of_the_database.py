"""A restore says which database it replaces, and what has become of it."""

from __future__ import annotations

import pytest
from django.conf import settings
from sites import Site

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

FULL_DISK = """
from django.core.management import call_command


class FullDisk:
    def write(self, text):
        if {sentence!r} in text:
            raise OSError(28, "No space left on device")


call_command("restore", {path!r}, "-b", stdout=FullDisk())
"""


def fail_to_say(site: Site, sentence: str) -> str:
    """Restore with an output that has no place for a sentence; return what is said on stderr."""
    code = FULL_DISK.format(path=str(site.the_file), sentence=sentence)
    return site.fail("shell", "-v0", "-c", code)


def test_who_cannot_say_that_all_is_done_does_not_say_that_nothing_was(first: Site) -> None:
    said = fail_to_say(first, "Restored.")
    assert "The database is restored, but that cannot be written: [Errno 28]" in said
    assert "as it was" not in said
    assert first.execute("SELECT id, price FROM shop_product ORDER BY id") == [(1, 11), (7, 22)]


def test_who_cannot_say_what_it_does_changes_nothing(first: Site) -> None:
    before = first.contents()
    assert "The database is as it was." in fail_to_say(first, "checking references")
    assert first.contents() == before


@pytest.mark.mysql
def test_the_database_may_be_named_by_a_file_of_options(first: Site) -> None:
    given = dict(first.databases["default"])
    options = first.directory / "my.cnf"
    lines = [f"{key} = {given.pop(name)}" for key, name in [
        ("database", "NAME"), ("host", "HOST"), ("port", "PORT"), ("user", "USER"),
        ("password", "PASSWORD"),
    ]]  # fmt: skip
    options.write_text("\n".join(["[client]", *filter(lambda s: not s.endswith("= "), lines)]))
    given["OPTIONS"] = {**given["OPTIONS"], "read_default_file": str(options)}
    text = (first.directory / "site_settings.py").read_text()
    first.write({"site_settings.py": f"{text}DATABASES = {{'default': {given!r}}}\n"})
    done = first.manage("restore", first.the_file, typed="y\n")
    assert f"the contents of the database {first.databases['default']['NAME']} on " in done.stdout
    assert done.returncode == 0, done.stderr
    assert first.execute("SELECT id, price FROM shop_product ORDER BY id") == [(1, 11), (7, 22)]


@pytest.mark.mysql
def test_who_may_not_make_a_database_aside_is_told_what_to_grant(first: Site) -> None:
    name = first.databases["default"]["NAME"]
    first.execute("CREATE OR REPLACE USER dumpy_modest@'%' IDENTIFIED BY 'modest'")
    first.execute(f"GRANT ALL ON {name}.* TO dumpy_modest@'%'")
    given = {**first.databases["default"], "USER": "dumpy_modest", "PASSWORD": "modest"}
    text = (first.directory / "site_settings.py").read_text()
    first.write({"site_settings.py": f"{text}DATABASES = {{'default': {given!r}}}\n"})
    said = first.refuse_file()
    first.execute("DROP USER dumpy_modest@'%'")
    assert f"GRANT ALL ON `{name}_dumpy_%`.* TO …".replace("_", r"\_") in said


def test_the_question_names_the_host(first: Site) -> None:
    host = first.databases["default"].get("HOST") or "this machine"
    name = first.databases["default"]["NAME"]
    done = first.manage("restore", first.the_file, typed="n\n")
    assert f"Replace the contents of the database {name} on {host}?" in done.stdout
    assert settings.ENGINE == "sqlite" or host != "this machine"
