"""`checkdump --write-migrator`: from a dump that does not fit to one that is restored."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from codecs import BOM_UTF8
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from textwrap import indent

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from drifting_site import FILL, NEW, OLD, configure, dump, write_models
from dumps import module, rows
from packaging.version import Version
from sites import NewSite, Site

from dumpy.checking.migrator import NotWritten, Step, write_step

DUMP = module(
    rows("music.Genre", "id title colour", (1, "Rock", "red"), (2, "Rock", "")),
    rows("music.Brass", "id maker", (1, "Conn")),
    rows("zoo.Ticket", "id kind zone", (1, "x", 1), (2, "a", None)),
    rows("music.Album", "id title", (1, "Powerage")),
    version="1.0",
)
METHOD = '''\
def migrate_from_1_0(self, globals_dict):
    """Version 1.0 becomes 1.1."""
    # music.Brass: there is no such model (1 row, 2 values)
    self.remove_model("music.Brass")
    # music.Genre.title: may have been renamed to name (2 rows, 2 values)
    self.rename_field("music.Genre", "title", "name")
    # music.Genre.colour: there is no such field (2 rows, 1 value)
    self.remove_field("music.Genre", "colour")
    # music.Album.artist: is new, and needs a value
    # self.add_field("music.Album", "artist_id", ...)
    return "1.1"
'''
LINKS = module(rows("zoo.Trough", "id name animals", (1, "A", [1, 2])), version="1.0")
OTHER = '''\
from dumpy import Migrator


class MusicMigrator(Migrator):
    """Ours."""

    def migrate_from_0_9(self, globals_dict):
        return "1.0"  # at last


LAST = 1
'''
INHERITED = """\
from dumpy import Migrator


class Base(Migrator):
    def migrate_from_1_0(self, globals_dict):
        return "1.1"


class MusicMigrator(Base):
    LAST = 1
"""
DOCSTRING = '    """Brings dumps of older versions to the current models."""'
BY_CODE = '''\
from dumpy import Migrator, override
from dumpy.dump import new


class Ours(Migrator):
    """Ours."""

    def migrate_from_1_0(self, globals_dict):
        """Clients are customers."""
        Customer = globals_dict["shop_Customer"]
        self.remove_model("shop.Cache")

        @override(globals_dict)
        def create_shop_client(id, title, friends, **others):
            return new(Customer, id=id, name=title.upper(), friends=friends)

        return "2.0"
'''
Write = Callable[..., str]
STEP = Step("migrate_from_1_0", Version("1.0"), METHOD)
OPTIONS = ("--write-migrator", "--write", "--no-rehearsal")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a package in which a migrator can be written, called as nothing that is imported."""
    package = tmp_path / f"written_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


@pytest.fixture
def write(package: Path) -> Write:
    """Check a dump and write a migrator for it into the package; return what is said."""
    dump = package.parent / "dump.py"

    def check(text: str = DUMP, version: str = "1.1") -> str:
        dump.write_text(text, encoding="utf-8")
        out = StringIO()
        chosen = {"VERSION": version, "MIGRATION_CLASS": f"{package.name}.migrators.MusicMigrator"}
        with override_settings(DUMPY=chosen), pytest.raises(CommandError) as end:
            call_command("checkdump", str(dump), *OPTIONS, stdout=out)
        return f"{out.getvalue()}{end.value}"

    return check


def indented(text: str) -> str:
    """Return the text of a method as it stands in a class."""
    return indent(text, "    ")


def test_links_that_have_a_model_of_their_own_today_are_not_dropped(
    write: Write, package: Path
) -> None:
    write(LINKS)
    text = (package / "migrators.py").read_text(encoding="utf-8")
    assert "# zoo.Trough.animals: there is no such field, but zoo.Feeding, which is new," in text
    assert '# self.remove_field("zoo.Trough", "animals")\n' in text


def test_a_new_file_has_a_class_with_the_step(write: Write, package: Path) -> None:
    said = write()
    written = (package / "migrators.py").read_text(encoding="utf-8")
    assert written.endswith(f"class MusicMigrator(Migrator):\n{DOCSTRING}\n\n{indented(METHOD)}")
    assert f"Wrote migrate_from_1_0() into {package / 'migrators.py'}" in said
    assert "cannot be imported" not in said


def test_a_step_is_printed_unless_it_is_to_be_written(package: Path) -> None:
    dump = package.parent / "dump.py"
    dump.write_text(DUMP, encoding="utf-8")
    options, out, report = ("--write-migrator", "--no-rehearsal"), StringIO(), StringIO()
    with override_settings(DUMPY={"VERSION": "1.1"}):
        with pytest.raises(CommandError):
            call_command("checkdump", str(dump), *options, stdout=out)
        with pytest.raises(SystemExit):
            call_command("checkdump", str(dump), *options, "--json", stdout=report)
    assert f"\n{METHOD}\nTo add it to the project, use --write.\n" in out.getvalue()
    assert json.loads(report.getvalue())["migrator"].startswith(METHOD)
    assert [path.name for path in package.iterdir()] == ["__init__.py"]


def test_a_dump_that_names_no_version_is_of_the_one_that_a_person_names(package: Path) -> None:
    dump, out = package.parent / "dump.py", StringIO()
    dump.write_text(DUMP.replace("'1.0'", "None"), encoding="utf-8")
    options = ("--write-migrator", "--no-rehearsal", "--as-version", "1.0")
    with override_settings(DUMPY={"VERSION": "1.1"}), pytest.raises(CommandError):
        call_command("checkdump", str(dump), *options, stdout=out)
    assert METHOD in out.getvalue()


def test_what_is_written_is_as_ruff_wants_it(write: Write, package: Path) -> None:
    write()
    for command in (["check", "--select=E,F,I,W,UP,B,SIM"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", str(package / "migrators.py")],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if "No module named" in done.stderr:
            pytest.skip("ruff is not installed")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_class_that_is_there_gets_the_step_at_its_end(
    write: Write, package: Path, newline: str
) -> None:
    before = OTHER.replace("\n", newline).encode()
    (package / "migrators.py").write_bytes(before)
    write()
    method = f"\n{indented(METHOD)}".replace("\n", newline).encode()
    end = before.index(b"# at last") + len(b"# at last") + len(newline)
    assert (package / "migrators.py").read_bytes() == before[:end] + method + before[end:]


def test_a_file_with_a_byte_order_mark_keeps_it(write: Write, package: Path) -> None:
    (package / "migrators.py").write_text(OTHER, encoding="utf-8-sig")
    write()
    text = (package / "migrators.py").read_bytes()
    assert text.startswith(BOM_UTF8)
    assert text.count(BOM_UTF8) == 1
    assert indented(METHOD).encode() in text


def test_a_file_is_replaced_with_its_mode_and_not_written_in_place(
    write: Write, package: Path
) -> None:
    path = package / "migrators.py"
    path.write_text(OTHER, encoding="utf-8")
    path.chmod(0o640)
    with path.open(encoding="utf-8") as before:
        write()
        assert before.read() == OTHER
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_not_utf_8_is_left_as_it_is(write: Write, package: Path) -> None:
    before = f"# coding: latin-1\n{OTHER}".encode("latin-1")
    (package / "migrators.py").write_bytes(before)
    assert "is iso-8859-1: save it as UTF-8" in write()
    assert (package / "migrators.py").read_bytes() == before


def test_settings_that_are_no_module_have_no_place_for_a_migrator() -> None:
    with (
        override_settings(DUMPY={"VERSION": "1.1"}, SETTINGS_MODULE=None),
        pytest.raises(NotWritten, match="Name a class in DUMPY"),
    ):
        write_step(STEP)


def test_a_package_that_is_not_there_is_named() -> None:
    with (
        override_settings(DUMPY={"MIGRATION_CLASS": "nowhere.migrators.MusicMigrator"}),
        pytest.raises(NotWritten, match="There is no package 'nowhere'"),
    ):
        write_step(STEP)


@pytest.mark.parametrize(
    ("field", "lines"),
    [
        ("x" * 40, [f'self.remove_field("music.Genre", "{"x" * 40}")']),
        ("x" * 55, ["self.remove_field(", f'    "music.Genre", "{"x" * 55}"', ")"]),
        ("x" * 80, ["self.remove_field(", '    "music.Genre",', f'    "{"x" * 80}",', ")"]),
    ],
)
def test_a_long_step_is_written_as_formatters_have_it(
    write: Write, package: Path, field: str, lines: list[str]
) -> None:
    write(module(rows("music.Genre", f"id name {field}", (1, "Rock", "red")), version="1.0"))
    text = (package / "migrators.py").read_text(encoding="utf-8")
    assert indent("\n".join(lines), " " * 8) in text


def test_the_step_begins_where_those_that_are_there_end(write: Write, package: Path) -> None:
    (package / "migrators.py").write_text(OTHER, encoding="utf-8")
    said = write(DUMP.replace("'1.0'", "'0.9'"))
    text = (package / "migrators.py").read_text(encoding="utf-8")
    assert "def migrate_from_1_0(self" in text
    assert "Write a method" not in said
    assert said.endswith("4 differences must be resolved: a restore would fail.")


def test_a_step_that_was_all_that_was_missing_is_enough(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / "migrators.py").write_text(OTHER, encoding="utf-8")
    dump = package.parent / "dump.py"
    dump.write_text(module(rows("music.Genre", "id name", (1, "Rock")), version="1.0"))
    chosen = {"VERSION": "1.1", "MIGRATION_CLASS": f"{package.name}.migrators.MusicMigrator"}
    with override_settings(DUMPY=chosen):
        call_command("checkdump", str(dump), *OPTIONS)
    assert "Wrote migrate_from_1_0()" in capsys.readouterr().out


def test_a_class_at_the_end_of_a_file_without_a_line_end_gets_the_step(
    write: Write, package: Path
) -> None:
    before = OTHER.partition("  # at last")[0]
    (package / "migrators.py").write_text(before, encoding="utf-8")
    write()
    text = (package / "migrators.py").read_text(encoding="utf-8")
    assert text == f"{before}\n\n{indented(METHOD)}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            OTHER.replace("0_9", "1_0").replace('"1.0"', '"1.1"'),
            "has the step migrate_from_1_0 already",
        ),
        (OTHER.replace("MusicM", "M"), "has no class MusicMigrator"),
        ("class MusicMigrator: pass\n", "on lines of its own"),
        ("class MusicMigrator(\n", "'(' was never closed"),
    ],
)
def test_a_file_that_a_step_cannot_be_added_to_is_left_as_it_is(
    write: Write, package: Path, text: str, reason: str
) -> None:
    (package / "migrators.py").write_text(text, encoding="utf-8")
    assert reason in write()
    assert (package / "migrators.py").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            OTHER.replace("0_9", "1_0_0").replace('"1.0"', '"1.1"'),
            "MusicMigrator has the step migrate_from_1_0_0 already",
        ),
        (INHERITED, "MusicMigrator has the step migrate_from_1_0 already"),
    ],
)
def test_a_second_step_from_the_same_version_is_not_written(
    write: Write, package: Path, text: str, reason: str
) -> None:
    """One by another name would end every load, and one in a subclass hide the first."""
    (package / "migrators.py").write_text(text, encoding="utf-8")
    said = write()
    assert reason in said
    assert "def migrate_from_1_0(self, globals_dict):" in said
    assert (package / "migrators.py").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("dumped", "version", "reason"),
    [
        ("None", "1.1", "The dump names no version"),
        ("'1.1'", "1.1.0", "The dump is of version 1.1, the project of 1.1.0"),
        ("'1.2'", "1.1", "The dump is of version 1.2, the project of 1.1"),
    ],
)
def test_a_step_that_would_not_run_is_not_written(
    write: Write, package: Path, dumped: str, version: str, reason: str
) -> None:
    assert reason in write(DUMP.replace("'1.0'", dumped), version)
    assert not (package / "migrators.py").exists()


@pytest.mark.parametrize("version", ["1.0+g1234", "1!1.0"])
def test_a_step_is_named_after_what_the_chain_looks_for(
    write: Write, package: Path, version: str
) -> None:
    write(DUMP.replace("'1.0'", repr(version)), "1!1.1" if "!" in version else "1.1")
    text = (package / "migrators.py").read_text(encoding="utf-8")
    assert "    def migrate_from_1_0(self, globals_dict):\n" in text


HOSTILE = ["a\u2028import os", "b\rimport os", "c\nimport os", "d\x0cimport os", "e\x85x", '"""']


@pytest.mark.parametrize("name", HOSTILE)
def test_names_in_a_dump_are_no_code_of_the_migrator(
    write: Write, package: Path, name: str
) -> None:
    table = rows("music.Genre", "id name OLD", (1, "Rock", "x"))
    text = module(table, version="1.0").replace("OLD=OLD", f"**{{{name!r}: OLD}}")
    said = write(text)
    written = (package / "migrators.py").read_bytes().split(b"\n")
    lines = [line.strip() for line in written if line.strip()]
    assert [line for line in lines if line.startswith((b"import", b"x"))] == []
    assert "\u2028" not in said
    (method,) = ast.parse(b"\n".join(written)).body[-1].body[1:]  # type: ignore[attr-defined]
    assert [type(statement) for statement in method.body] == [ast.Expr, ast.Expr, ast.Return]


@pytest.fixture
def empty_site(new_site: NewSite, unblocked: None) -> Site:
    """Return a project without models."""
    return new_site("drifting", settings="corner_shop.settings")


@pytest.fixture
def site(empty_site: Site) -> Site:
    """Return a project of version 2.0 that has a backup from 1.0, of other models."""
    dump(empty_site, OLD, FILL)
    write_models(empty_site, NEW)
    configure(empty_site, VERSION="2.0")
    return empty_site


@pytest.mark.sqlite
def test_a_dump_that_does_not_fit_is_restored_with_the_migrator_that_was_written(
    site: Site,
) -> None:
    done = site.manage("checkdump", "backup", "--write-migrator", "--write")
    assert done.returncode == 1
    assert (
        'DUMPY = {"MIGRATION_CLASS": "corner_shop.migrators.CornerShopMigrator", …}' in done.stdout
    )
    configure(site, VERSION="2.0", MIGRATION_CLASS="corner_shop.migrators.CornerShopMigrator")
    assert "The dump is complete, fits the models, and can be restored." in site.succeed(
        "checkdump", "backup"
    )
    again = site.succeed("checkdump", "backup", "--write-migrator", "--write")
    assert "The dump needs no other migrator step." in again
    site.succeed("run", "backup/restore.py", "--noinput")
    assert site.shell(
        "from shop.models import Customer\n"
        "for one in Customer.objects.order_by('pk'): print(one.name, one.friends.count())"
    ).split("\n") == ["Ada 1", "Bach 1", ""]


@pytest.mark.sqlite
def test_rows_that_go_through_code_of_a_migrator_are_rehearsed(site: Site) -> None:
    (site.directory / "corner_shop" / "migrators.py").write_text(BY_CODE, encoding="utf-8")
    configure(site, VERSION="2.0", MIGRATION_CLASS="corner_shop.migrators.Ours")
    said = site.succeed("checkdump", "backup")
    assert "migrate_from_1_0: Clients are customers." in said
    assert "shop.Customer" not in said  # not as a model whose rows a restore deletes
    assert "The dump is complete, fits the models, and can be restored." in said
    broken = BY_CODE.replace("name=title.upper()", "name=None")
    (site.directory / "corner_shop" / "migrators.py").write_text(broken, encoding="utf-8")
    assert re.search(
        r"shop.Customer\n  name .*backup/shop_client.py:\d+: pk 1", refused(site), re.S
    )


SPLIT = """
from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=100)
    friends = models.ManyToManyField("self")


class Address(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)
    city = models.CharField(max_length=100)
"""
PARENT = """
from django.db import models


class Thing(models.Model):
    pass


class Customer(Thing):
    name = models.CharField(max_length=100)
"""
FLAT = """
from django.db import models


class Thing(models.Model):
    pass


class Customer(models.Model):
    name = models.CharField(max_length=100)
"""


def refused(site: Site) -> str:
    """Return what is said of a dump that would not be restored."""
    done = site.manage("checkdump", "backup")
    assert done.returncode == 1
    return f"{done.stdout}{done.stderr}"


def step_for(site: Site, old: str, new: str, fill: str) -> str:
    """Return the step that is written for a dump of other models."""
    dump(site, old, fill)
    configure(site, VERSION="2.0", MIGRATION_CLASS="corner_shop.migrators.Ours")
    write_models(site, new)
    site.manage("checkdump", "backup", "--write-migrator", "--write")
    return (site.directory / "corner_shop" / "migrators.py").read_text(encoding="utf-8")


def test_values_that_a_new_model_may_have_taken_over_are_not_dropped(empty_site: Site) -> None:
    fill = "from shop.models import Customer; Customer.objects.create(name='Ada', city='Paris')"
    old = NEW.replace("email = models.EmailField()", "email = models.EmailField(default='a@b.c')")
    written = step_for(empty_site, old, SPLIT, fill)
    assert "but shop.Address, which is" in written
    assert '        # self.remove_field("shop.Customer", "city")\n' in written
    assert '        self.remove_field("shop.Customer", "email")\n' in written


def test_a_key_that_was_a_link_to_a_parent_is_the_key_of_today(empty_site: Site) -> None:
    fill = "from shop.models import *; Thing.objects.create(); Customer.objects.create(name='Ada')"
    written = step_for(empty_site, PARENT, FLAT, fill)
    assert 'self.rename_field("shop.Customer", "thing_ptr_id", "id")' in written


def test_a_field_that_no_migration_makes_is_found(site: Site) -> None:
    configure(site, VERSION="1.0")
    write_models(site, OLD)
    assert site.manage("checkdump", "backup").returncode == 0
    models = site.directory / "shop" / "models.py"
    models.write_text(f"{OLD}    extra = models.IntegerField(default=1)\n", encoding="utf-8")
    done = site.manage("checkdump", "backup")
    assert "no migration makes it" in done.stdout
    assert "run manage.py makemigrations" in done.stdout
    assert done.returncode == 1
