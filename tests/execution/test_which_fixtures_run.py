"""Which fixtures are run as programs, and which never are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core import serializers
from django.core.management.base import CommandError
from django.core.serializers.base import DeserializationError
from django.test import override_settings
from running import Project, dumped, loaded

from dumpy.errors import FixtureError
from dumpy.reading.source import require_first_line
from zoo import models as zoo
from zoo.fields import Point

pytestmark = pytest.mark.django_db

PROGRAM = """\
from pathlib import Path

from zoo.models import Species

Path({ran!r}).write_text("it was run")


def objects():
    yield Species(pk=1, latin="Lutra lutra")
"""
SCRIPT = "from pathlib import Path\n\nPath({ran!r}).write_text('it was run')\n"
COMPRESSED = [".gz", ".bz2", ".xz", ".lzma"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory the current one."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """Return the path of the file that exists when a program was run."""
    return tmp_path / "ran.txt"


@pytest.fixture
def program(here: Path, ran: Path) -> Path:
    """Put a fixture that is a program into the current directory."""
    path = here / "users.py"
    path.write_text(PROGRAM.format(ran=str(ran)))
    return path


@pytest.fixture
def edited_dump(here: Path, ran: Path) -> Path:
    """Put a dump with code in its skeleton into the current directory."""
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    text = dumped("zoo.Species")
    zoo.Species.objects.all().delete()
    code = f"open({str(ran)!r}, 'w').close()\n"
    path = here / "snapshot.py"
    path.write_text(text.replace("SOURCE_VERSION", f"{code}SOURCE_VERSION", 1))
    return path


@pytest.fixture
def dump_with_code_in_a_row(here: Path, ran: Path) -> Path:
    """Put a dump with code in one of its rows into the current directory."""
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    text = dumped("zoo.Species")
    zoo.Species.objects.all().delete()
    path = here / "rows.py"
    code = f"open({str(ran)!r}, 'w').name"
    path.write_text(text.replace("(1, 'Lutra lutra')", f"(1, {code})"))
    return path


def is_refused(*labels: object, **options: object) -> str:
    """Return the message with which a load is refused."""
    with pytest.raises(CommandError) as caught:
        loaded(*labels, **options)
    assert zoo.Species.objects.count() == 0
    return str(caught.value)


def test_a_program_in_the_current_directory_is_not_run_by_its_bare_name(
    program: Path, ran: Path
) -> None:
    message = is_refused("users")
    assert not ran.exists()
    assert "users.py:1: " in message
    assert "loaddata users.py" in message


def test_a_program_in_the_current_directory_is_run_when_named_with_its_ending(
    program: Path, ran: Path
) -> None:
    loaded("users.py")
    assert ran.exists()
    assert zoo.Species.objects.get().latin == "Lutra lutra"


def test_a_program_is_run_when_named_with_its_whole_path(program: Path, ran: Path) -> None:
    loaded(program)
    assert ran.exists()


def test_a_path_without_the_ending_does_not_name_a_program(program: Path, ran: Path) -> None:
    is_refused(program.with_suffix(""))
    assert not ran.exists()


def test_a_name_runs_no_other_program_than_the_one_it_names(program: Path, ran: Path) -> None:
    (program.parent / "other.py").write_text(
        "from zoo.models import Egg\n\n\ndef objects():\n    yield Egg(pk=1, weight=2)\n"
    )
    is_refused("other.py", "users")
    assert not ran.exists()


def test_a_named_program_is_not_allowed_for_the_next_load(program: Path, ran: Path) -> None:
    loaded("users.py")
    zoo.Species.objects.all().delete()
    ran.unlink()
    is_refused("users")
    assert not ran.exists()


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_a_compressed_program_is_not_run_by_its_bare_name(
    program: Path, ran: Path, suffix: str
) -> None:
    compress = {".gz": gzip.compress, ".bz2": bz2.compress}.get(suffix, lzma.compress)
    (program.parent / f"packed.py{suffix}").write_bytes(compress(program.read_bytes()))
    is_refused("packed")
    assert not ran.exists()


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_a_compressed_program_is_run_when_named_with_its_ending(
    program: Path, ran: Path, suffix: str
) -> None:
    compress = {".gz": gzip.compress, ".bz2": bz2.compress}.get(suffix, lzma.compress)
    (program.parent / f"packed.py{suffix}").write_bytes(compress(program.read_bytes()))
    loaded(f"packed.py{suffix}")
    assert ran.exists()


def test_a_zipped_program_is_run_when_named_with_its_ending(program: Path, ran: Path) -> None:
    with zipfile.ZipFile(program.parent / "packed.py.zip", "w") as archive:
        archive.write(program, "users.py")
    loaded("packed.py.zip")
    assert ran.exists()


def test_a_program_in_fixture_dirs_is_run_by_its_bare_name(
    program: Path, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with override_settings(FIXTURE_DIRS=[program.parent]):
        loaded("users")
    assert ran.exists()


def test_a_program_below_fixture_dirs_is_run_by_its_name(program: Path, ran: Path) -> None:
    with override_settings(FIXTURE_DIRS=[program.parent.parent]):
        loaded("here/users")
    assert ran.exists()


def test_a_link_in_fixture_dirs_to_a_program_elsewhere_is_no_fixture_of_theirs(
    program: Path, ran: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "fixtures"
    directory.mkdir()
    (directory / "linked.py").symlink_to(program)
    with override_settings(FIXTURE_DIRS=[directory]):
        is_refused("linked")
    assert not ran.exists()


def test_a_script_without_objects_is_not_run_even_when_named(here: Path, ran: Path) -> None:
    (here / "script.py").write_text(SCRIPT.format(ran=str(ran)))
    message = is_refused("script.py")
    assert not ran.exists()
    assert "script.py: it does not define objects()" in message


def test_a_script_without_objects_is_not_run_in_fixture_dirs(here: Path, ran: Path) -> None:
    (here / "script.py").write_text(SCRIPT.format(ran=str(ran)))
    with override_settings(FIXTURE_DIRS=[here.parent]):
        is_refused("here/script")
    assert not ran.exists()


@override_settings(DUMPY={"EXECUTE": False})
def test_with_execute_off_a_named_program_is_not_run(program: Path, ran: Path) -> None:
    message = is_refused("users.py")
    assert not ran.exists()
    assert "DUMPY['EXECUTE'] is False" in message


@override_settings(DUMPY={"EXECUTE": False})
def test_with_execute_off_a_program_in_fixture_dirs_is_not_run(program: Path, ran: Path) -> None:
    with override_settings(FIXTURE_DIRS=[program.parent.parent]):
        is_refused("here/users")
    assert not ran.exists()


@override_settings(DUMPY={"EXECUTE": False})
def test_with_execute_off_a_dump_loads(here: Path) -> None:
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    (here / "snapshot.py").write_text(dumped("zoo.Species"))
    zoo.Species.objects.all().delete()
    loaded("snapshot")
    assert zoo.Species.objects.count() == 1


def test_a_dump_in_the_current_directory_loads_by_its_bare_name(here: Path) -> None:
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    (here / "snapshot.py").write_text(dumped("zoo.Species"))
    zoo.Species.objects.all().delete()
    loaded("snapshot")
    assert zoo.Species.objects.count() == 1


def test_a_dump_with_code_in_it_is_not_run_by_its_bare_name(edited_dump: Path, ran: Path) -> None:
    message = is_refused("snapshot")
    assert not ran.exists()
    lines = edited_dump.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.startswith("open("))
    assert f"snapshot.py:{number}: " in message
    assert "holds no code" in message


@pytest.mark.parametrize("name", ["snapshot", "snapshot.py"])
def test_a_dump_with_code_in_it_is_refused_with_the_way_out(
    edited_dump: Path, ran: Path, name: str
) -> None:
    assert "write '# dumpy: program 1' as its first line" in is_refused(name)
    assert not ran.exists()


def test_a_dump_that_says_it_is_a_program_is_run_when_named(edited_dump: Path, ran: Path) -> None:
    make_program(edited_dump)
    assert "Running snapshot.py" in loaded("snapshot.py").out
    assert ran.exists()
    assert zoo.Species.objects.get().latin == "Lutra lutra"


def test_a_dump_that_says_it_is_a_program_is_not_run_by_its_bare_name(
    edited_dump: Path, ran: Path
) -> None:
    make_program(edited_dump)
    is_refused("snapshot")
    assert not ran.exists()


@override_settings(DUMPY={"EXECUTE": False})
def test_with_execute_off_no_program_is_run(edited_dump: Path, ran: Path) -> None:
    make_program(edited_dump)
    is_refused("snapshot.py")
    assert not ran.exists()


@pytest.mark.parametrize("name", ["snapshot", "snapshot.py"])
def test_a_dump_without_its_first_line_is_recognised_and_not_run(
    edited_dump: Path, ran: Path, name: str
) -> None:
    edited_dump.write_text(edited_dump.read_text().partition("\n")[2])
    assert "the first line is neither" in is_refused(name)
    assert not ran.exists()


def test_the_end_of_a_dump_is_recognised_wherever_it_lies_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "beheaded.py"
    for before in range(2**18 - 14, 2**18 + 2):
        path.write_bytes(b"\n".rjust(before, b"#") + b"# dumpy: end\n")
        with pytest.raises(FixtureError, match="its first line is not"):
            require_first_line(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    yield create_zoo_species(", "    create_zoo_species(", "the row has no yield"),
        ("'Lutra lutra'", "Decimal(0.33)", "takes no argument of type float"),
        ("(1, 'Lutra lutra')", "(1, 'Lutra lutra', 'lost')", "3 values"),
        ("(1, 'Lutra lutra')", "(1, str('Lutra lutra'))", "not a word"),
    ],
)
def test_what_is_no_row_makes_no_program(here: Path, old: str, new: str, reason: str) -> None:
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    text = dumped("zoo.Species")
    zoo.Species.objects.all().delete()
    (here / "typo.py").write_text(text.replace(old, new))
    assert reason in is_refused("typo.py")


def make_program(path: Path) -> None:
    """Write the first line of a program."""
    path.write_text(path.read_text().replace("# dumpy: format 1", "# dumpy: program 1", 1))


@override_settings(DUMPY={"EXECUTE": False})
def test_with_execute_off_a_dump_with_code_in_it_is_not_run(edited_dump: Path, ran: Path) -> None:
    is_refused("snapshot.py")
    assert not ran.exists()


@override_settings(DUMPY={"EXECUTE": False})
def test_with_execute_off_a_row_that_is_code_is_refused(
    dump_with_code_in_a_row: Path, ran: Path
) -> None:
    assert "rows.py:" in is_refused("rows.py")
    assert not ran.exists()


def test_a_row_that_is_code_is_not_run_by_the_bare_name_of_the_dump(
    dump_with_code_in_a_row: Path, ran: Path
) -> None:
    assert "rows.py:" in is_refused("rows")
    assert not ran.exists()


def test_a_row_that_is_code_is_run_in_a_program(dump_with_code_in_a_row: Path, ran: Path) -> None:
    make_program(dump_with_code_in_a_row)
    loaded("rows.py")
    assert zoo.Species.objects.get().latin == str(ran)


def test_a_line_of_a_program_may_be_more_than_a_row(dump_with_code_in_a_row: Path) -> None:
    make_program(dump_with_code_in_a_row)
    text = dump_with_code_in_a_row.read_text()
    row = next(line for line in text.splitlines() if "yield create_zoo_species(1" in line)
    rows = "    yield create_zoo_species(1, 'a'); yield create_zoo_species(2, 'b')"
    dump_with_code_in_a_row.write_text(text.replace(row, rows))
    loaded("rows.py")
    assert sorted(zoo.Species.objects.values_list("pk", "latin")) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("given", [str, str.encode, io.StringIO, lambda t: io.BytesIO(t.encode())])
def test_a_program_that_is_no_file_is_not_run(program: Path, ran: Path, given) -> None:
    with pytest.raises(DeserializationError, match="Only files are run"):
        list(serializers.deserialize("py", given(program.read_text())))
    assert not ran.exists()


def test_an_open_file_is_not_run_because_it_is_a_file(program: Path, ran: Path) -> None:
    with program.open("rb") as stream, pytest.raises(DeserializationError, match="users"):
        list(serializers.deserialize("py", stream))
    assert not ran.exists()


def test_a_member_of_an_archive_is_not_run_because_it_has_the_name_of_a_fixture(
    program: Path, ran: Path
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("users.py", program.read_text())
    program.write_text("def objects():\n    return []\n")
    with (
        override_settings(FIXTURE_DIRS=[str(program.parent)]),
        zipfile.ZipFile(archive).open("users.py") as member,
        pytest.raises(DeserializationError, match="Only files are run"),
    ):
        list(serializers.deserialize("py", member))
    assert not ran.exists()


def test_a_program_from_stdin_is_not_run(
    program: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(program.read_bytes()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert "<stdin>:1: " in is_refused("-", format="py")
    assert not ran.exists()


@pytest.mark.django_db(transaction=True)
def test_a_program_that_stdin_is_redirected_from_is_not_run(
    project: Project, program: Path, ran: Path
) -> None:
    with program.open() as stream:
        done = project.manage("loaddata", "--format=py", "-", stdin=stream)
    assert done.returncode == 1
    assert "Installed" not in done.stdout
    assert not ran.exists()


@pytest.mark.django_db(transaction=True)
def test_a_dump_that_comes_through_a_pipe_loads(project: Project) -> None:
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    text = dumped("zoo.Species")
    zoo.Species.objects.all().delete()
    done = project.manage("loaddata", "--format=py", "-", input=text)
    assert "Installed 1 object(s) from 1 fixture(s)" in done.stdout
    assert zoo.Species.objects.get().latin == "Lutra lutra"


def test_a_program_of_another_format_in_the_same_directory_is_no_reason_to_run_it(
    program: Path, ran: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "fixtures"
    directory.mkdir()
    row = '[{"model": "zoo.egg", "pk": 1, "fields": {"weight": 2}}]'
    (directory / "users.json").write_text(row)
    with override_settings(FIXTURE_DIRS=[directory]):
        loaded("users.json")
    assert zoo.Egg.objects.count() == 1
    assert not ran.exists()


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Path]:
    """Return a directory of fixtures that are run."""
    directory = tmp_path / "fixtures"
    directory.mkdir()
    with override_settings(FIXTURE_DIRS=[directory]):
        yield directory


SHAPES = {
    "a generator": "yield a\n    yield b",
    "a list": "return [a, b]",
    "a tuple": "return (a, b)",
    "nested lists": "return [[a], [[b]]]",
    "generators of generators": "yield (one for one in [a, b])",
    "yield from": "yield from [a, b]",
    "None between": "yield a\n    yield None\n    yield b",
    "FlushDeferredObjects": "yield a\n    yield FlushDeferredObjects\n    yield b",
    "FlushDeferredObjects()": "yield a\n    yield FlushDeferredObjects()\n    yield b",
    "a child before its parent": "yield [b, a]",
    "an unsaved parent": "return [b]",
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_objects_may_give_its_objects_as(counted: Path, body: str) -> None:
    (counted / "shapes.py").write_text(
        "from dumpy import FlushDeferredObjects\nfrom zoo.models import Animal, Species\n\n\n"
        "def objects():\n    a = Species(pk=1, latin='a')\n"
        f"    b = Animal(pk=1, name='b', species=a)\n    {body}\n"
    )
    loaded("shapes")
    assert zoo.Animal.objects.get().species.latin == "a"


def test_hand_written_objects_are_saved_with_their_own_save(counted: Path) -> None:
    (counted / "doors.py").write_text(
        "from zoo.models import Door\n\n\ndef objects():\n    yield Door(pk=1, name='front')\n"
    )
    loaded("doors")
    assert zoo.Door.objects.get().saves == 1
    assert zoo.DoorLog.objects.get().text == "saved front"


def test_hand_written_objects_send_signals(counted: Path) -> None:
    (counted / "keepers.py").write_text(
        "from zoo.models import Keeper\n\n\ndef objects():\n    yield Keeper(pk=1, name='Ada')\n"
    )
    loaded("keepers")
    assert zoo.KeeperProfile.objects.get().keeper_id == 1


def test_before_dumpy_save_may_take_the_loader_or_not(counted: Path) -> None:
    (counted / "meals.py").write_text(
        "from zoo.models import Meal, Snack, Species\n\n\ndef objects():\n"
        "    yield Meal(pk=1, name='fish', species_id=1)\n    yield Snack(pk=1, name='nuts')\n"
        "    yield Species(pk=1, latin='Lutra lutra')\n"
    )
    loaded("meals")
    assert zoo.Meal.objects.get().latin == "Lutra lutra"
    assert zoo.Snack.objects.get().shouted == "NUTS"


def test_hand_written_objects_are_counted(counted: Path) -> None:
    (counted / "species.py").write_text(
        "from zoo.models import Species\n\n\n"
        "def objects():\n    yield [Species(pk=1, latin='a'), Species(pk=2, latin='b')]\n"
    )
    assert loaded("species").out.endswith("Installed 2 object(s) from 1 fixture(s)\n")


def test_a_program_can_define_dataclasses(counted: Path) -> None:
    (counted / "classes.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from zoo.models import Species\n\n\n@dataclass\nclass Row:\n    latin: str\n\n\n"
        "def objects():\n    yield Species(pk=1, latin=Row('a').latin)\n"
    )
    loaded("classes")
    assert zoo.Species.objects.count() == 1


def test_a_program_leaves_no_module_behind(counted: Path) -> None:
    before = set(sys.modules)
    (counted / "nothing.py").write_text("def objects():\n    return []\n")
    with pytest.warns(RuntimeWarning, match="No fixture data found"):
        loaded("nothing")
    assert set(sys.modules) == before


def test_a_program_knows_its_file(counted: Path) -> None:
    (counted / "where.py").write_text(
        "from zoo.models import Species\n\n\n"
        "def objects():\n    yield Species(pk=1, latin=__file__[-8:])\n"
    )
    loaded("where")
    assert zoo.Species.objects.get().latin == "where.py"


POINT = "zoo.fields.PointField"


@pytest.mark.parametrize("named", [False, True])
def test_with_execute_off_texts_go_to_no_code_of_custom_fields(here: Path, named: bool) -> None:
    zoo.Waypoint.objects.create(pk=1, point=Point(1, 2))
    text = dumped("zoo.Waypoint").replace("stored('1,2')", "field_text('1,2')")
    (here / "map.py").write_text(text)
    zoo.Waypoint.objects.all().delete()
    with override_settings(DUMPY={"EXECUTE": False, "FIELD_TEXT": [POINT] if named else []}):
        if named:
            loaded("map")
        else:
            assert f"{POINT} would pass a text" in is_refused("map")
    assert zoo.Waypoint.objects.count() == named
