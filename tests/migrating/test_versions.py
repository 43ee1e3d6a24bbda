"""The version of a dump against that of the project, and the way from one to the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.test import override_settings
from migrating_tools import Step, Table, dump, loaded, migrator
from packaging.version import Version
from running import contents, dumped
from sites import Site
from sites import Version as Code

from dumpy import MigrationError, Migrator
from dumpy.errors import ConfigurationError
from dumpy.migrating.chain import steps_of
from music.models import Genre

pytestmark = pytest.mark.django_db

GENRES: Table = ("music.Genre", "id name", [(1, "Rock")])
Load = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads a genre of a version into a project of another."""

    def load(source: str | None, target: str | None, steps: Any = None, **options: Any) -> str:
        return loaded(tmp_path, dump(source, GENRES), target, steps, **options)

    return load


@pytest.fixture
def refuse(load: Load) -> Load:
    """Return a function that loads what must be refused before the first write."""

    def refuse(*args: Any, **options: Any) -> str:
        Genre.objects.create(pk=77, name="there before")
        before = contents()
        with pytest.raises((MigrationError, ConfigurationError)) as caught:
            load(*args, **options)
        assert contents() == before
        return str(caught.value)

    return refuse


def is_loaded() -> bool:
    return Genre.objects.filter(pk=1).exists()


def to(version: str) -> Step:
    """Return a step that does nothing but lead to a version."""

    def step(self: Any, globals_dict: dict[str, Any]) -> str:
        return version

    step.__doc__ = f"Leads to {version}.\n\nIn two paragraphs."
    return step


def never(self: Any, globals_dict: dict[str, Any]) -> str:
    raise AssertionError("no step may be called")


NEVER = migrator(v1_0=never, v1_2=never, v2_0=never)

# Which versions are equal, older and newer


@pytest.mark.parametrize(
    ("source", "target"), [("1.2", "1.2"), ("1.2", "1.2.0"), ("1.2rc1", "1.2.rc1"), ("v1.2", "1.2")]
)
def test_of_equal_versions_nothing_is_migrated(load: Load, source: str, target: str) -> None:
    said = load(source, target, NEVER, verbosity=2)
    assert (
        f"The dump is of version {Version(source)}, like the project: no migration is needed."
        in (said)
    )
    assert is_loaded()


def test_that_nothing_is_needed_is_not_said_unless_asked_for(load: Load) -> None:
    assert "migration" not in load("1.2", "1.2", NEVER)


def test_an_unversioned_dump_is_said_and_loaded(load: Load) -> None:
    assert "The dump names no version: nothing is migrated." in load(None, "2.0", NEVER)
    assert is_loaded()


def test_a_person_may_say_the_version_of_an_unversioned_dump(load: Load) -> None:
    steps = migrator(v1_0=to("2.0"))
    assert "migrate_from_1_0: Leads to 2.0." in load(None, "2.0", steps, as_version="1.0")
    assert is_loaded()


@pytest.mark.parametrize(
    ("source", "version", "sentence"),
    [
        ("1.0", "1.2", "The dump is of version 1.0: --as-version is for a dump that names none."),
        (None, "old", "--as-version is 'old', which is not a version. Write '1.2'."),
    ],
)
def test_a_version_that_cannot_be_is_refused(
    refuse: Load, source: str | None, version: str, sentence: str
) -> None:
    assert refuse(source, "2.0", NEVER, as_version=version) == sentence


def test_an_unversioned_project_is_said_and_the_dump_loaded(load: Load) -> None:
    said = load("1.0", None, NEVER)
    assert "The dump is of version 1.0, the project names none: nothing is migrated.\n" in said
    assert is_loaded()


def test_where_nobody_has_versions_nothing_is_said(load: Load) -> None:
    assert "migrate_from" not in load(None, None, verbosity=2)
    assert is_loaded()


def test_an_older_dump_without_a_migrator_is_said_and_loaded(load: Load) -> None:
    said = load("1.0", "2.0")
    assert "The dump is of version 1.0, the project of 2.0. There is no DUMPY['MIG" in said
    assert is_loaded()


def test_a_version_that_is_none_is_refused(refuse: Load) -> None:
    assert refuse("of today", "2.0", NEVER).startswith("SOURCE_VERSION is 'of today', which is no")


NEWER = [("2.1", "2.0"), ("1.10", "1.9"), ("1.2", "1.2rc1"), ("1.2.1", "1.2"), ("1!0.1", "9.0")]


@pytest.mark.parametrize(("source", "target"), NEWER)
def test_a_newer_dump_is_refused_before_the_first_write(
    refuse: Load, source: str, target: str
) -> None:
    said = refuse(source, target, NEVER)
    assert said == (
        f"The dump is of version {source}, which is newer than that of the project, {target}. "
        "Update the project first."
    )


@pytest.mark.parametrize("steps", [None, NEVER])
def test_a_newer_dump_can_be_allowed(load: Load, steps: type[Migrator] | None) -> None:
    said = load("2.1", "2.0", steps, allow_version_mismatch=True)
    assert "The dump is of version 2.1, the project of 2.0, which is allowed.\n" in said
    assert is_loaded()


# The chain


def test_the_docstring_of_each_step_is_said_by_its_first_line(load: Load) -> None:
    steps = migrator(v1_0=to("1.1"), v1_1=to("2.0"), v0_9=never)
    said = load("1.0", "2.0", steps)
    assert "migrate_from_1_0: Leads to 1.1.\nmigrate_from_1_1: Leads to 2.0.\n" in said
    assert "paragraphs" not in said


def test_a_step_without_a_docstring_is_named_too(load: Load) -> None:
    assert "migrate_from_1_0: it has no docstring." in load(
        "1.0", "2.0", migrator(v1_0=lambda self, globals_dict: "2.0")
    )


@pytest.mark.parametrize(
    ("source", "target", "steps"),
    [
        ("1.2", "2.0", {"v1_2_0": to("2.0")}),
        ("1.2.0", "2.0", {"v1_2": to("2.0")}),
        ("1.9", "1.11", {"v1_9": to("1.10"), "v1_10": to("1.11"), "v1_1": never}),
        ("1.2rc1", "1.2", {"v1_2rc1": to("1.2")}),
        ("1.2.dev3", "1.2", {"v1_2_dev3": to("1.2")}),
        ("1.0", "2.0", {"v1_0": to("2.0.0")}),
        ("1.0", "3.0", {"v1_0": to("2.5"), "v2_0": never, "v2_5": to("3.0")}),
    ],
)
def test_a_step_is_found_by_the_version_that_it_starts_from(
    load: Load, source: str, target: str, steps: dict[str, Step]
) -> None:
    said = load(source, target, migrator(**steps))
    assert said.count("migrate_from_") == sum(step is not never for step in steps.values())
    assert is_loaded()


def test_steps_are_known_in_the_order_of_their_versions() -> None:
    names = ("1_10", "1_2rc1", "1_2", "1_9")
    steps = migrator(**{f"v{name}": never for name in names}, base=never)
    assert list(steps_of(steps).values()) == [
        "migrate_from_1_2rc1", "migrate_from_1_2", "migrate_from_1_9", "migrate_from_1_10",
    ]  # fmt: skip


def test_a_chain_that_does_not_arrive_lists_the_steps(refuse: Load) -> None:
    steps = migrator(v1_0=to("1.1"), v1_2=never)
    said = refuse("1.0", "2.0", steps)
    assert said == (
        "The dump is of version 1.0, the project of 2.0, but TestMigrator has no step from 1.1; "
        "its steps are: migrate_from_1_0, migrate_from_1_2. "
        "Write a method migrate_from_1_1(self, globals_dict) that returns the version it leads to."
    )


def test_a_migrator_without_any_step_says_so(refuse: Load) -> None:
    assert "TestMigrator has no step from 1.0; its steps are: none." in refuse(
        "1.0", "2.0", migrator()
    )


@pytest.mark.parametrize("source", ["1.2rc1", "1.2.post1", "1.2+local", "1!1.2"])
def test_the_step_that_is_missing_is_named_as_it_would_be_found(
    source: str, load: Load, refuse: Load
) -> None:
    name = refuse(source, "1!2.0", migrator()).split("Write a method ")[1].split("(")[0]
    assert name.isidentifier()
    steps = type("M", (Migrator,), {name: to("1!2.0")})
    assert f"{name}: " in load(source, "1!2.0", steps)


def test_a_chain_that_does_not_arrive_can_be_allowed(load: Load) -> None:
    def upper(self: Any, globals_dict: dict[str, Any]) -> str:
        self.change_values("music.Genre", "name", str.upper)
        return "1.1"

    said = load("1.0", "2.0", migrator(v1_0=upper), allow_version_mismatch=True)
    assert "TestMigrator has no step from 1.1" in said
    assert Genre.objects.get().name == "ROCK"


def test_steps_may_come_from_a_base_class(load: Load) -> None:
    base = migrator(v1_0=to("1.1"))
    steps = type("Derived", (base,), {"migrate_from_1_1": to("2.0")})
    assert load("1.0", "2.0", steps).count("migrate_from_") == 2


def test_without_the_line_that_installs_them_no_step_is_called(tmp_path: Path) -> None:
    text = dump("1.0", GENRES)
    assert "\ninstall_migrations(globals())\n" in text
    text = text.replace("\ninstall_migrations(globals())", "\n# install_migrations(globals())")
    said = loaded(tmp_path, text, "2.0", NEVER, verbosity=2)
    assert "migrate_from" not in said
    assert is_loaded()


@pytest.mark.parametrize(
    ("source", "target", "is_said"),
    [("1.0", "2.0", True), ("2.0", "2.0", False), (None, "2.0", False), ("1.0", None, False)],
)
def test_that_the_line_is_missing_is_said_where_versions_differ(
    source: str | None, target: str | None, is_said: bool, tmp_path: Path
) -> None:
    text = dump(source, GENRES).replace("\ninstall_migrations(globals())", "")
    said = loaded(tmp_path, text, target, NEVER)
    assert ("without the line install_migrations(globals())" in said) is is_said
    assert is_loaded()


def test_without_the_line_a_newer_dump_is_taken_as_it_is(tmp_path: Path) -> None:
    text = dump("3.0", GENRES).replace("\ninstall_migrations(globals())", "")
    loaded(tmp_path, text, "2.0", NEVER)
    assert is_loaded()


def test_two_steps_from_the_same_version_are_refused(refuse: Load) -> None:
    said = refuse("1.0", "2.0", migrator(v1_0=to("2.0"), v1_0_0=to("2.0")))
    assert {"migrate_from_1_0", "migrate_from_1_0_0"} <= set(re.findall(r"migrate_from_\w+", said))


def test_a_migrator_that_cannot_be_made_is_named(refuse: Load) -> None:
    class Unmakeable(migrator(v1_0=never)):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

    assert "Unmakeable" in refuse("1.0", "2.0", Unmakeable)


def test_an_app_that_a_step_renames_must_be_there(refuse: Load) -> None:
    def step(self: Any, globals_dict: dict[str, Any]) -> str:
        self.rename_app("mus", "music")
        return "2.0"

    said = refuse("1.0", "2.0", migrator(v1_0=step))
    assert said.startswith("migrate_from_1_0: neither the dump nor the project has an app 'mus'.")


def test_each_step_is_called_once_though_the_dump_is_a_program(tmp_path: Path) -> None:
    calls = []

    def step(self: Any, globals_dict: dict[str, Any]) -> str:
        calls.append("step")
        self.change_values("music.Genre", "name", str.upper)
        return "2.0"

    text = dump("1.0", ("music.Genre", "id name", [(1, "Rock"), (2, "Jazz")]))
    text = text.replace("format 1", "program 1").replace("(2, 'Jazz')", "(2, 'Ja' + 'zz')")
    loaded(tmp_path, text, "2.0", migrator(v1_0=step))
    assert sorted(Genre.objects.values_list("name", flat=True)) == ["JAZZ", "ROCK"]
    assert calls == ["step"]


# DUMPY["VERSION"]

VERSION = "2.5"
NOTHING = None
NUMBER = 2.5


def version() -> str:
    """Return the version of the project."""
    return "2.5"


def failing() -> str:
    """Raise what nobody expects."""
    raise KeyError("no such package")


@pytest.mark.parametrize("given", ["2.5", "test_versions.VERSION", "test_versions.version"])
def test_the_version_is_a_text_or_the_path_of_one_or_of_what_returns_one(given: str) -> None:
    Genre.objects.create(pk=1, name="Rock")
    with override_settings(DUMPY={"VERSION": given}):
        assert "\nSOURCE_VERSION = '2.5'\n" in dumped("music.Genre")


WRONG_PATHS = {
    "no.such.module.VERSION": "cannot be imported: ModuleNotFoundError: No module named 'no'",
    "test_versions.MISSING": "cannot be imported: ImportError: ",
    "test_versions.NOTHING": "which is None, not a version such as '1.2'.",
    "test_versions.NUMBER": "which is 2.5, not a version such as '1.2'.",
    "test_versions.failing": "KeyError: 'no such package'",
}


@pytest.mark.parametrize(("given", "reason"), WRONG_PATHS.items())
def test_a_path_that_leads_to_no_version_is_refused_by_a_load(
    refuse: Load, given: str, reason: str
) -> None:
    said = refuse("1.0", given)
    assert "DUMPY['VERSION'] " in said
    assert repr(given) in said
    assert reason in said


@pytest.mark.parametrize(("given", "reason"), WRONG_PATHS.items())
def test_a_path_that_leads_to_no_version_is_refused_by_a_dump(given: str, reason: str) -> None:
    with override_settings(DUMPY={"VERSION": given}), pytest.raises(CommandError) as caught:
        dumped("music.Genre")
    assert reason in str(caught.value)


# In processes of their own

MODELS = """
from django.db import models


class Note(models.Model):
    text = models.CharField(max_length=60)
"""
FILL = """
from shop.models import Note
Note.objects.create(pk=5, text="kept")
"""
MIGRATORS = """
from dumpy import Migrator


class ShopMigrator(Migrator):
    def migrate_from_1_0(self, globals_dict):
        '''Notes are loud.'''
        self.change_values("shop.Note", "text", str.upper)
        return "1.1"


class Other:
    pass
"""
BEFORE = Code({"shop/models.py": MODELS}, {"DUMPY": {"VERSION": "1.0"}}, FILL)
AFTER = Code({"shop/migrators.py": MIGRATORS})


def configure(shop: Site, version: str, name: str = "shop.migrators.ShopMigrator") -> None:
    shop.configure(DUMPY={"VERSION": version, "MIGRATION_CLASS": name})


def notes(shop: Site) -> list[tuple[Any, ...]]:
    return shop.rows("shop_note", "id", "text")


def test_restore_says_that_no_migration_is_needed(shop: Site) -> None:
    configure(shop, "1.0.0")
    said = shop.restore(shop.the_dump)
    assert "The dump is of version 1.0, like the project: no migration is needed.\n" in said
    assert notes(shop) == [(5, "kept")]


def test_restore_says_each_step(shop: Site) -> None:
    configure(shop, "1.1")
    assert "\nmigrate_from_1_0: Notes are loud.\n" in f"\n{shop.restore(shop.the_dump)}"
    assert notes(shop) == [(5, "KEPT")]


def test_restore_refuses_a_newer_dump_unless_it_is_allowed(shop: Site) -> None:
    configure(shop, "0.9")
    said = shop.refuse(shop.the_dump)
    assert "The dump is of version 1.0, which is newer than that of the project, 0.9." in said
    assert "To load the rows as they are, use --allow-version-mismatch." in said
    assert "The database is as it was." in said
    shop.restore(shop.the_dump, "--allow-version-mismatch")
    assert notes(shop) == [(5, "kept")]


def test_a_load_of_a_dump_without_a_version_says_where_to_name_it(shop: Site) -> None:
    configure(shop, "1.2")
    edits = ("SOURCE_VERSION = '1.0'", "SOURCE_VERSION = None"), ("        text=", "        word=")
    shop.edit("dump.py", *edits)
    said = shop.refused("loaddata", shop.the_file)
    assert "write it into SOURCE_VERSION of " in said
    assert "dump.py or use --as-version." in said
    assert ", or use --ignorenonexistent." in said


def test_a_repair_from_a_dump_without_a_version_says_where_to_name_it(shop: Site) -> None:
    configure(shop, "1.2")
    edits = ("SOURCE_VERSION = '1.0'", "SOURCE_VERSION = None"), ("        text=", "        word=")
    shop.edit("dump.py", *edits)
    said = shop.refused("repair", shop.the_file, "shop.Note", "5")
    assert "dump.py or use --as-version." in said


def test_restore_of_a_file_refuses_a_chain_that_does_not_arrive_unless_it_is_allowed(
    shop: Site,
) -> None:
    configure(shop, "1.2")
    said = shop.refused("restore", shop.the_file, "-b")
    assert "its steps are: migrate_from_1_0." in said
    assert "To load the rows as they are, use --allow-version-mismatch." in said
    shop.succeed("restore", shop.the_file, "-b", "--allow-version-mismatch")
    assert notes(shop) == [(5, "KEPT")]


WRONG_CLASSES = {
    "a module that is not there": ("shop.nowhere.ShopMigrator", "", "ModuleNotFoundError"),
    "a class that is not there": ("shop.migrators.Missing", "", "Missing"),
    "a module with a syntax error": ("shop.migrators.ShopMigrator", "class M(:\n", "SyntaxError"),
    "a module that raises": ("shop.migrators.ShopMigrator", "1 / 0\n", "ZeroDivisionError"),
    "a module that ends the process": ("shop.migrators.ShopMigrator", "exit(0)\n", "exit"),
    "no migrator": ("shop.migrators.Other", "", "is not a subclass of dumpy.Migrator"),
    "no class": ("shop.migrators.Migrator.add_field", "", "shop.migrators.Migrator.add_field"),
}


@pytest.mark.parametrize(("name", "code", "reason"), WRONG_CLASSES.values(), ids=WRONG_CLASSES)
def test_a_migrator_that_cannot_be_had_is_one_sentence(
    shop: Site, name: str, code: str, reason: str
) -> None:
    shop.write({"shop/migrators.py": MIGRATORS + code})
    configure(shop, "1.1", name)
    said = shop.refuse(shop.the_dump)
    assert name in said
    assert reason in said


@pytest.mark.parametrize("command", ["loaddata", "checkdump"])
def test_a_migrator_with_a_syntax_error_is_one_sentence_for_any_command(
    shop: Site, command: str
) -> None:
    shop.write({"shop/migrators.py": "class M(:\n"})
    configure(shop, "1.1")
    assert "SyntaxError" in shop.refused(command, shop.the_file)


def test_a_version_that_cannot_be_had_is_one_sentence(shop: Site) -> None:
    configure(shop, "shop.nowhere.VERSION")
    assert "DUMPY['VERSION'] is 'shop.nowhere.VERSION'" in shop.refuse(shop.the_dump)
    assert "DUMPY['VERSION'] is 'shop.nowhere.VERSION'" in shop.refused("dump2py", "another")
