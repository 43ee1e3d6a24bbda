"""The bytes that a dump is, whatever the process around it is like."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import pytest
from django.core import serializers
from django.db import models
from django.test.utils import isolate_apps
from running import Project

from zoo import models as zoo
from zoo.fields import Colour
from zoo.fill import fill

pytestmark = pytest.mark.django_db(transaction=True)

DUMP = ("-m", "django", "dumpdata", "--all", "--format=py")
LOUD = "print('DEBUG: settings are read')\n"
LATIN = "Ελλάς 🦩 café"


def dump_bytes(project: Project, **env: str) -> bytes:
    """Return what a dump writes to stdout in a process with this environment."""
    done = project.new_python(*DUMP, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0"},
        {"TZ": "Pacific/Apia", "PYTHONHASHSEED": "1"},
        {"TZ": "America/St_Johns", "PYTHONHASHSEED": "4294967295"},
    ],
    ids=lambda environment: " ".join(f"{k}={v}" for k, v in environment.items()),
)
def test_a_dump_is_the_same_bytes_in_every_environment(
    project: Project, environment: dict[str, str]
) -> None:
    fill()
    target = project.directory / "dump.py"
    expected = dump_bytes(project, PYTHONHASHSEED="0", LC_ALL="C.UTF-8", TZ="UTC")
    done = project.new_python(*DUMP, "-o", target, **environment)
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == expected


def test_stdout_is_utf_8_where_it_can_be(project: Project) -> None:
    zoo.Country.objects.create(code=LATIN)
    assert f"'{LATIN}'".encode() in dump_bytes(project, PYTHONIOENCODING="utf-8")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_a_stdout_that_is_not_utf_8_gets_ascii_escapes(project: Project, encoding: str) -> None:
    zoo.Country.objects.create(code=LATIN)
    written = dump_bytes(project, PYTHONIOENCODING=encoding).decode(encoding)
    assert written.isascii()
    assert f"yield create_zoo_country({LATIN!a}, [])" in written


@isolate_apps("zoo")
def test_names_get_ascii_escapes_as_values_do() -> None:
    class Größe(models.Model):
        länge = models.IntegerField()

        class Meta:
            app_label = "zoo"

    stream = TextIOWrapper(BytesIO(), encoding="latin-1", write_through=True)
    serializers.serialize("py", [Größe(pk=1, länge=2)], stream=stream)
    written = stream.buffer.getvalue().decode("ascii")
    assert r"resolve_model('zoo.Gr\xf6\xdfe')" in written
    assert r"'l\xe4nge': " in written


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_what_stdout_got_loads_whatever_its_encoding_was(project: Project, encoding: str) -> None:
    zoo.Country.objects.create(code=LATIN)
    (project.directory / "dump.py").write_bytes(dump_bytes(project, PYTHONIOENCODING=encoding))
    zoo.Country.objects.all().delete()
    done = project.manage("loaddata", "dump.py")
    assert done.returncode == 0, done.stderr
    assert zoo.Country.objects.get().code == LATIN


def test_lines_end_in_a_single_line_feed(project: Project) -> None:
    zoo.Country.objects.create(code="ee")
    written = dump_bytes(project)
    assert b"\r" not in written
    assert written.endswith(b"\n# dumpy: end\n")


def test_what_the_settings_print_is_not_in_a_dump_that_goes_to_a_file(project: Project) -> None:
    project.configure(LOUD)
    done = project.manage("dumpdata", "zoo", "--format=py", "-o", "dump.py")
    assert done.stdout == "DEBUG: settings are read\n"
    assert (project.directory / "dump.py").read_text().startswith("# dumpy: format 1\n")


def test_what_the_settings_print_into_a_piped_dump_is_pointed_out_when_it_is_loaded(
    project: Project,
) -> None:
    project.configure(LOUD)
    target = project.directory / "dump.py"
    target.write_text(project.manage("dumpdata", "zoo", "--format=py").stdout)
    done = project.manage("loaddata", "dump.py")
    assert done.returncode == 1
    assert "dump.py:2: " in done.stderr
    assert "Something was printed into the file" in done.stderr


def test_a_failing_dump_has_exit_status_1_and_one_message(project: Project) -> None:
    zoo.Plumage.objects.create(pk=3, colour=Colour("red", "dark"))
    done = project.manage("dumpdata", "zoo.Plumage", "--format=py", "-o", "dump.py")
    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: ")
    assert "Traceback" not in done.stderr
    assert not (project.directory / "dump.py").exists()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (DUMP, 1),
        (("-u", *DUMP), 1),
        (("-m", "django", "diffdump", "--textconv", "dump.py"), 2),
        (("-m", "django", "checkdump", "dump.py"), 1),
    ],
    ids=["dumpdata", "unbuffered", "diffdump", "checkdump"],
)
def test_a_reader_that_has_gone_is_no_error_to_print(
    project: Project, command: tuple[str, ...], status: int
) -> None:
    project.succeed("dumpdata", "--all", "--format=py", "-o", "dump.py")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project.directory,
        env=project.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (status, b"")
