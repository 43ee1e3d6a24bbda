"""The system checks, and the setting `DUMPY`."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import override_settings

from dumpy import Migrator
from dumpy.checks import check_format, check_migrator, check_settings
from dumpy.conf import Configuration, configuration
from dumpy.migrating.install import migrator_problems

WRONG: list[tuple[Any, str]] = [
    ({"EXECUTED": True}, "DUMPY has no key 'EXECUTED'"),
    ({"execute": True}, "DUMPY has no key 'execute'"),
    ({3: True}, "DUMPY has no key 3"),
    ({"EXECUTE": "yes"}, "DUMPY['EXECUTE'] must be True or False, not 'yes'"),
    ({"EXECUTE": 1}, "DUMPY['EXECUTE'] must be True or False, not 1"),
    ({"EXECUTE": None}, "DUMPY['EXECUTE'] must be True or False, not None"),
    ({"SIGNALS": "all"}, "DUMPY['SIGNALS'] must be None or 'raw', not 'all'"),
    ({"SIGNALS": True}, "DUMPY['SIGNALS'] must be None or 'raw', not True"),
    ({"SIGNALS": ["raw"]}, "DUMPY['SIGNALS'] must be None or 'raw', not ['raw']"),
    (
        {"VERSION": 2.3},
        "DUMPY['VERSION'] must be a version such as '1.2', or the dotted path of one",
    ),
    ({"VERSION": "latest"}, "DUMPY['VERSION'] must be a version such as '1.2'"),
    ({"MIGRATION_CLASS": "Shop"}, "DUMPY['MIGRATION_CLASS'] must be the dotted path of a class"),
    (["EXECUTE"], "The setting DUMPY must be a dict, not list"),
    (None, "The setting DUMPY must be a dict, not NoneType"),
]


@pytest.mark.parametrize(("value", "sentence"), WRONG)
def test_a_wrong_setting_is_error_e002_with_a_hint(value: Any, sentence: str) -> None:
    with override_settings(DUMPY=value):
        (found,) = check_settings(None)
    assert (found.id, found.level) == ("dumpy.E002", checks.ERROR)
    assert found.msg.startswith(sentence)
    keys = [f"DUMPY[{key!r}]" for key in value] if isinstance(value, dict) else ["DUMPY"]
    assert [found.hint] == [f"Correct or remove {key}." for key in keys]


@pytest.mark.parametrize(("value", "sentence"), WRONG)
def test_a_wrong_setting_stops_whoever_needs_it(value: Any, sentence: str) -> None:
    with override_settings(DUMPY=value), pytest.raises(ImproperlyConfigured) as caught:
        configuration()
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"EXECUTE": False},
        {"EXECUTE": True, "SIGNALS": "raw", "VERSION": "1.2"},
        {"SIGNALS": None},
        {"VERSION": "shop.__version__", "MIGRATION_CLASS": "shop.migrators.ShopMigrator"},
    ],
)
def test_a_right_setting_is_no_error(value: dict[str, Any]) -> None:
    with override_settings(DUMPY=value):
        assert check_settings(None) == []


def test_every_mistake_is_an_error_of_its_own() -> None:
    with override_settings(DUMPY={"EXECUTE": 1, "SIGNALS": 2, "OTHER": 3}):
        assert len(check_settings(None)) == 3


def test_an_unknown_key_is_told_with_the_keys_there_are() -> None:
    with override_settings(DUMPY={"EXECUTED": True}):
        (found,) = check_settings(None)
    assert "'EXECUTE', 'FIELD_TEXT', 'MASK_KEY', 'MAX_ROW_BYTES', 'MAX_SKELETON_BYTES'" in found.msg


def test_a_format_py_of_another_module_is_error_e001_with_a_hint() -> None:
    with override_settings(SERIALIZATION_MODULES={"py": "somewhere.else"}):
        (found,) = check_format(None)
    assert (found.id, found.level) == ("dumpy.E001", checks.ERROR)
    assert "'somewhere.else'" in found.msg
    assert "SERIALIZATION_MODULES" in found.hint


@pytest.mark.parametrize(
    "modules", [{}, {"py": "dumpy.serializer"}, {"csv": "somewhere.else"}, None]
)
def test_other_serialization_modules_are_no_error(modules: Any) -> None:
    with override_settings(SERIALIZATION_MODULES=modules):
        assert check_format(None) == []


# Since Django 6.1, some of its own checks ask the databases.
asks_databases = pytest.mark.django_db(databases=["default", "other"])


@asks_databases
def test_the_checks_are_part_of_manage_py_check() -> None:
    with (
        override_settings(DUMPY={"EXECUTED": True}),
        pytest.raises(Exception, match=r"dumpy\.E002"),
    ):
        call_command("check")


@asks_databases
def test_the_test_project_passes_the_checks() -> None:
    call_command("check", fail_level="WARNING")


def test_without_a_setting_programs_run_and_no_signals_are_sent() -> None:
    assert configuration() == Configuration(execute=True, signals=None, version=None)


def test_the_configuration_follows_the_setting_and_goes_back() -> None:
    before = configuration()
    with override_settings(DUMPY={"EXECUTE": False, "VERSION": "1.2"}):
        assert configuration() == Configuration(execute=False, version="1.2")
        with override_settings(DUMPY={"SIGNALS": "raw"}):
            assert configuration() == Configuration(signals="raw")
        assert configuration().execute is False
    assert configuration() == before


@pytest.mark.django_db
def test_the_version_of_the_setting_is_in_the_dump() -> None:
    from running import dumped

    with override_settings(DUMPY={"VERSION": "2.3.0"}):
        assert "\nSOURCE_VERSION = '2.3.0'\n" in dumped("zoo.Species")


class Careless(Migrator):
    """A migrator of which nothing would run as it was meant."""

    def migrate_from_1_0(self) -> str:
        """Forget a parameter."""
        return "1.1"

    def migrate_from_old(self, globals_dict: dict[str, Any]) -> str:
        """Name no version."""
        return "1.1"


class Careful(Migrator):
    """A migrator whose steps can be called."""

    def migrate_from_1_0(self, globals_dict: dict[str, Any]) -> str:
        """Lead to the next version."""
        return "1.1"


def test_nothing_is_wrong_with_a_migrator_that_nobody_has() -> None:
    assert list(migrator_problems()) == []


@pytest.mark.parametrize(
    ("version", "name", "sentences"),
    [
        ("2.0", "Careful", []),
        (None, "Careful", ["DUMPY['MIGRATION_CLASS'] is set, but DUMPY['VERSION'] is not"]),
        ("2.0", "Missing", ["DUMPY['MIGRATION_CLASS'] is 'test_system_checks.Missing', which can"]),
        ("2.0", "Configuration", ["DUMPY['MIGRATION_CLASS']: test_system_checks.Configuration is"]),
        (
            "2.0",
            "Careless",
            [
                "Careless.migrate_from_old names no version, unlike migrate_from_1_2.",
                "Careless.migrate_from_1_0 must take (self, globals_dict).",
            ],
        ),
    ],
)
def test_what_is_wrong_with_the_migrator_is_warning_w001(
    version: str | None, name: str, sentences: list[str]
) -> None:
    given = {"MIGRATION_CLASS": f"{__name__}.{name}", **({"VERSION": version} if version else {})}
    with override_settings(DUMPY=given):
        found = check_migrator(None)
    assert [one.id for one in found] == ["dumpy.W001"] * len(sentences)
    for one, sentence in zip(found, sentences, strict=True):
        assert one.msg.startswith(sentence)
