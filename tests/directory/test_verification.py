"""A damaged directory is refused with its own message, before the first write."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from dumps import resealed
from sites import Site

from dumpy import reading
from dumpy.errors import FixtureError
from dumpy.restoring.main import is_run_by_restore
from dumpy.text.manifest import RESTORE

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

ALBUMS = "shop_album.py"
ARTISTS = "shop_artist.py"


def truncate_at_a_line_end(path: Path) -> None:
    """L5"""
    lines = (path / ALBUMS).read_text().splitlines(keepends=True)
    (path / ALBUMS).write_text("".join(lines[:10]))


def flip_a_bit(path: Path) -> None:
    data = bytearray((path / ALBUMS).read_bytes())
    data[len(data) // 2] ^= 1
    (path / ALBUMS).write_bytes(bytes(data))


def put_zeros(path: Path) -> None:
    (path / ALBUMS).write_bytes(bytes((path / ALBUMS).stat().st_size))


def empty(path: Path) -> None:
    (path / ALBUMS).write_bytes(b"")


def lose(path: Path) -> None:
    (path / ALBUMS).unlink()


def add(path: Path) -> None:
    (path / "shop_album_2.py").write_bytes((path / ALBUMS).read_bytes())


def swap(path: Path) -> None:
    (path / ALBUMS).rename(path / "x")
    (path / ARTISTS).rename(path / ALBUMS)
    (path / "x").rename(path / ARTISTS)


def rename(path: Path) -> None:
    (path / ALBUMS).rename(path / "shop_albums.py")


def link_to_it(path: Path) -> None:
    (path / ALBUMS).rename(path.parent / "x")
    (path / ALBUMS).symlink_to("../x")


def make_it_a_pipe(path: Path) -> None:
    (path / ALBUMS).unlink()
    os.mkfifo(path / ALBUMS)


def lose_the_manifest(path: Path) -> None:
    (path / "manifest.json").unlink()


def truncate_the_manifest(path: Path) -> None:
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text[:-20])


def edit_the_manifest(path: Path) -> None:
    content = json.loads((path / "manifest.json").read_text())
    content["tables"][0]["rows"] += 1
    (path / "manifest.json").write_text(json.dumps(content))


def link_to_the_manifest(path: Path) -> None:
    (path / "manifest.json").rename(path / "x")
    (path / "manifest.json").symlink_to("../x")


def make_the_manifest_a_pipe(path: Path) -> None:
    (path / "manifest.json").unlink()
    os.mkfifo(path / "manifest.json")


def blow_up_the_manifest(path: Path) -> None:
    os.truncate(path / "manifest.json", 2**40)


def nest_the_manifest(path: Path) -> None:
    (path / "manifest.json").write_text("[" * 1_000_000)


def give_another_format(path: Path) -> None:
    content = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**content, "format": 2}))


def list_a_strange_file(path: Path) -> None:
    text = (path / "restore.py").read_text()
    (path / "restore.py").write_text(text.replace(f"'{ALBUMS}'", "'../x.py'"))


def truncate_restore(path: Path) -> None:
    """L4, L5"""
    text = (path / "restore.py").read_text()
    (path / "restore.py").write_text(text[: len(text) // 2])


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (truncate_at_a_line_end, "shop_album.py: it has "),
    (flip_a_bit, "shop_album.py: its content does not match the manifest"),
    (put_zeros, "shop_album.py: its content does not match the manifest"),
    (empty, "shop_album.py: it has 0 bytes"),
    (lose, "shop_album.py: it cannot be opened: No such file"),
    (add, "shop_album_2.py: it is not in the manifest. Move it out of the directory."),
    (swap, "shop_artist.py: it has "),
    (rename, "shop_albums.py: it is not in the manifest."),
    (link_to_it, "shop_album.py: it cannot be opened"),
    (make_it_a_pipe, "shop_album.py: it is not a regular file."),
    (lose_the_manifest, "it is not a dump: it has no manifest.json."),
    (link_to_the_manifest, "manifest.json: the manifest cannot be read: it cannot be opened"),
    (
        make_the_manifest_a_pipe,
        "manifest.json: the manifest cannot be read: it is not a regular file.",
    ),
    (blow_up_the_manifest, "manifest.json: the manifest cannot be read: it has more than"),
    (nest_the_manifest, "manifest.json: it has more than"),
    (truncate_the_manifest, "manifest.json: it is not a complete manifest of a dump."),
    (edit_the_manifest, "manifest.json: it was edited or damaged"),
    (give_another_format, "manifest.json: its format is 2"),
    (list_a_strange_file, "the file '../x.py' is not in the manifest."),
    (truncate_restore, "restore.py"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=lambda v: getattr(v, "__name__", ""))
def test_a_damaged_directory_is_refused(
    damage: Callable[[Path], None], message: str, dump: Path
) -> None:
    damage(dump)
    with pytest.raises(FixtureError) as caught:
        reading.open(dump).listed()
    assert message in str(caught.value)


@pytest.mark.parametrize("damage", [truncate_at_a_line_end, lose_the_manifest, truncate_restore])
def test_a_damaged_directory_leaves_the_database_as_it_was(
    damage: Callable[[Path], None], site: Site, dump: Path
) -> None:
    """L4, L5"""
    damage(dump)
    site.refuse(dump)


def test_a_restore_script_that_is_cut_anywhere_is_not_run_but_refused(
    site: Site, dump: Path
) -> None:
    """L5: what is left of it may be a program that does nothing."""
    script = dump / RESTORE
    lines = script.read_text().splitlines(keepends=True)
    for number in range(len(lines)):
        script.write_text("".join(lines[:number]))
        assert is_run_by_restore(script, [])
        with pytest.raises(FixtureError):
            reading.open(dump)
    script.write_text("".join(lines[:5]))
    assert "restore.py:5: the file is truncated" in site.refuse(dump)


def test_no_bit_of_a_table_file_can_flip_unseen(dump: Path) -> None:
    """D12"""
    data = (dump / ARTISTS).read_bytes()
    for position in random.Random(1).sample(range(len(data)), 60):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        (dump / ARTISTS).write_bytes(bytes(flipped))
        with pytest.raises(FixtureError):
            reading.open(dump)


def test_no_bit_of_a_manifest_can_flip_unseen(dump: Path) -> None:
    data = (dump / "manifest.json").read_bytes()
    for position in random.Random(1).sample(range(len(data)), 60):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        (dump / "manifest.json").write_bytes(bytes(flipped))
        with pytest.raises(FixtureError):
            reading.open(dump)


def test_no_prefix_of_a_table_file_is_taken_for_the_whole(dump: Path) -> None:
    """D12, L5"""
    data = (dump / ARTISTS).read_bytes()
    for size in range(0, len(data), 7):
        (dump / ARTISTS).write_bytes(data[:size])
        with pytest.raises(FixtureError):
            reading.open(dump)


@pytest.mark.parametrize("name", ["more.py", "django", "_speedups.so"])
def test_what_python_could_import_is_refused(dump: Path, name: str) -> None:
    (dump / name).mkdir()
    with pytest.raises(FixtureError, match="not in the manifest"):
        reading.open(dump)


def test_what_python_cannot_import_may_lie_beside_the_files(dump: Path) -> None:
    (dump / "restore.py.bak").touch()
    (dump / ".gitattributes").touch()
    assert not reading.open(dump).is_edited


def test_line_ends_that_git_has_changed_are_named(dump: Path) -> None:
    (dump / ARTISTS).write_bytes((dump / ARTISTS).read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(FixtureError, match="end with CRLF"):
        reading.open(dump)


def test_a_table_file_that_calls_itself_a_program_is_refused(dump: Path) -> None:
    text = (dump / ARTISTS).read_text()
    (dump / ARTISTS).write_text(text.replace("# dumpy: format 1", "# dumpy: program 1"))
    resealed(dump, ARTISTS)
    with pytest.raises(FixtureError, match=r"shop_artist.py:1: a table file cannot be a program"):
        reading.open(dump)


def test_a_large_file_that_is_damaged_at_its_beginning_is_called_damaged(dump: Path) -> None:
    text = (dump / ALBUMS).read_text()
    size = 2**20
    (dump / ALBUMS).write_text(f"<<<<<<< HEAD\n{text}#{'x' * size}\n")
    with pytest.raises(FixtureError, match=r"bytes, the manifest says [0-9]+: damaged or edited"):
        reading.open(dump)


def test_a_file_that_changes_while_it_is_read_is_refused(dump: Path) -> None:
    tables = reading.open(dump).tables
    data = (dump / ALBUMS).read_bytes()
    (dump / ALBUMS).write_bytes(data.replace(b"Album 25", b"Album 99"))
    with pytest.raises(FixtureError, match="changed while it was read"):
        [row for table in tables for row in table.rows()]


def test_a_directory_may_have_more_files_than_a_process_may_open(site: Site) -> None:
    path = site.dump("many", "--max-row-count", "1")
    script = site.directory / "limited.py"
    script.write_text(
        "import resource, sys\nfrom pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n"
        "from dumpy import reading\n"
        "print(sum(1 for t in reading.open(Path(sys.argv[1])).tables for _ in t.rows()))\n"
    )
    files = len(list(path.glob("shop_*.py")))
    assert files > 20
    assert int(site.succeed("run", script, path)) == files
