"""The file of `dumpdata -o`: what was there before or a complete dump; more in tests/faults."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from running import Project, called, dumped, loaded

from dumpy.writing.publishing import replaced
from zoo import models as zoo
from zoo.fields import Colour

OLD = "# what was there before\n"
END = b"\n# dumpy: end\n"
ROWS = 10_000


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return the path of a file that holds something already."""
    path = tmp_path / "out" / "dump.py"
    path.parent.mkdir()
    path.write_text(OLD)
    return path


def leftovers(path: Path) -> list[Path]:
    """Return what lies beside the file."""
    return [other for other in path.parent.iterdir() if other != path]


def many_species() -> None:
    """Fill a table, so that its dump takes a while."""
    zoo.Species.objects.bulk_create(
        [zoo.Species(latin=f"Genus speciosus {number}") for number in range(ROWS)],
        batch_size=5000,
    )


LIMITED = """
import resource
import sys

from django.core.management import execute_from_command_line

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
execute_from_command_line(sys.argv[1:])
"""


@pytest.mark.django_db
def test_the_temporary_file_of_a_dump_that_still_runs_is_left_alone(output: Path) -> None:
    with replaced(output) as stream:
        stream.write("the slower one\n")
        called("dumpdata", "zoo.Species", format="py", output=str(output))
        assert len(leftovers(output)) == 1
    assert output.read_text() == "the slower one\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_a_dump_that_cannot_be_written_to_its_end_leaves_the_old_file(
    project: Project, output: Path, suffix: str
) -> None:
    """D5, F5"""
    many_species()
    target = output.with_name(f"dump.py{suffix}")
    arguments = ["dumpdata", "zoo.Species", "--format=py", "-o", target]
    project.manage(*arguments)
    half = target.stat().st_size // 2
    target.write_text(OLD)
    done = project.python("-c", LIMITED, half, *arguments)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert str(target) in done.stderr
    assert "Traceback" not in done.stderr
    assert target.read_text() == OLD
    assert [path.name for path in leftovers(output) if path != target] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.django_db
def test_a_full_disk_is_an_error_that_names_the_path() -> None:
    with pytest.raises(CommandError, match=r"No space left on device.*/dev/full"):
        called("dumpdata", "zoo.Species", format="py", output="/dev/full")


@pytest.mark.django_db
def test_a_directory_that_does_not_exist_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        called("dumpdata", "zoo.Species", format="py", output=str(tmp_path / "nowhere" / "d.py"))


@pytest.mark.django_db
def test_a_directory_in_the_place_of_the_file_is_an_error_that_names_the_path(
    tmp_path: Path,
) -> None:
    with pytest.raises(CommandError, match=str(tmp_path)):
        called("dumpdata", "zoo.Species", format="py", output=str(tmp_path))


@pytest.mark.django_db
def test_a_value_that_cannot_be_written_leaves_the_old_file(output: Path) -> None:
    zoo.Plumage.objects.create(pk=3, colour=Colour("red", "dark"))
    with pytest.raises(CommandError):
        called("dumpdata", "zoo", format="py", output=str(output))
    assert output.read_text() == OLD
    assert leftovers(output) == []


@pytest.mark.django_db
def test_only_the_owner_may_read_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        called("dumpdata", "zoo.Species", format="py", output=str(tmp_path / "dump.py"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "dump.py").stat().st_mode) == 0o600


@pytest.mark.django_db
def test_a_file_that_is_replaced_keeps_its_mode(output: Path) -> None:
    output.chmod(0o664)
    called("dumpdata", "zoo.Species", format="py", output=str(output))
    assert stat.S_IMODE(output.stat().st_mode) == 0o664


@pytest.mark.django_db
def test_a_symbolic_link_stays_and_its_target_is_replaced(output: Path) -> None:
    link = output.with_name("link.py")
    link.symlink_to(output)
    called("dumpdata", "zoo.Species", format="py", output=str(link))
    assert link.is_symlink()
    assert output.read_bytes().endswith(END)


@pytest.mark.django_db
def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.py"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        called("dumpdata", "zoo.Species", format="py", output=str(pipe))
        assert os.read(reader, 2**16) == dumped("zoo.Species").encode()
    finally:
        os.close(reader)


@pytest.mark.django_db
def test_a_name_with_wildcards_is_a_name_like_others(tmp_path: Path) -> None:
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    path = tmp_path / "d[1]*?.py"
    called("dumpdata", "zoo.Species", format="py", output=str(path))
    assert loaded(path).out.startswith("Installed 1 object(s)")
