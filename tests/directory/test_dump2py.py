"""`dump2py`: what a directory holds, and what its options do."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from io import StringIO
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management.base import OutputWrapper
from dumps import files
from sites import Site

from dumpy import console, reading
from dumpy.errors import DumpFailed
from dumpy.management.commands import dump2py
from dumpy.text.manifest import NAME, RESTORE, FileEntry, Manifest, from_text, to_text
from dumpy.text.outline import FIRST_LINE
from dumpy.writing import publishing
from dumpy.writing.publishing import locked, published

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

FILES = ["manifest.json", "restore.py", "shop_album.py", "shop_artist.py"]


def fill(path: Path, version: str) -> None:
    """Fill a directory with what is taken for a dump of a version."""
    text = f"{FIRST_LINE}\n"
    (path / RESTORE).write_text(text)
    entry = FileEntry(RESTORE, len(text), sha256(text.encode()).hexdigest())
    manifest = Manifest("0.1", "5.2", version, {}, entry, (), {})
    (path / NAME).write_text(to_text(manifest))


def version_of(path: Path) -> str | None:
    """Return the version of a dump."""
    return from_text((path / NAME).read_text()).version


def leftovers(path: Path) -> list[str]:
    """Return the names of what lies aside."""
    return [other.name for other in path.parent.iterdir() if ".dumpy-" in other.name]


@pytest.mark.sql
def test_a_directory_holds_a_file_for_each_table_and_says_what_to_do(dump: Path) -> None:
    assert sorted(files(dump)) == FILES
    text = (dump / "restore.py").read_text()
    assert "TABLES = [\n    'shop_artist.py',\n    'shop_album.py',\n]\n" in text
    assert "def create_shop_album(id, title, artist_id, price, similar):\n" in text
    assert "if __name__ == '__main__':\n    main()\n" in text
    rows = (dump / "shop_artist.py").read_text().splitlines()
    assert "loader.save(create_shop_artist(7, \"Bach \\u2028 'quoted'\"))" in rows
    assert rows[-3:] == ["loader.flush_deferred_objects()", "", "# dumpy: end"]


def test_only_the_owner_may_read_a_dump(site: Site) -> None:
    """L12, F22"""
    mask = os.umask(0)
    try:
        path = site.dump("private")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}


@pytest.mark.sql
def test_the_same_data_give_the_same_bytes(site: Site, dump: Path) -> None:
    site.restore(dump)
    again = site.dump("again")
    assert files(again) == files(dump)


@pytest.mark.sql
def test_a_table_is_cut_into_ranges_of_primary_keys(site: Site, dump: Path) -> None:
    """L6"""
    site.restore(dump)
    path = site.dump("parts", "--max-row-count", "10")
    parts = [f"shop_album_{number}.py" for number in (1, 2, 3)]
    keys = [
        [int(key) for key in re.findall(r"create_shop_album\((\d+)", (path / name).read_text())]
        for name in parts
    ]
    assert [len(part) for part in keys] == [10, 10, 5]
    assert list(chain(*keys)) == [3 * number for number in range(1, 26)]
    assert list(reading.open(path).skeleton.files) == ["shop_artist.py", *parts]


def test_labels_choose_what_is_dumped(site: Site) -> None:
    path = site.dump("chosen", "shop.Artist")
    assert sorted(files(path)) == ["manifest.json", "restore.py", "shop_artist.py"]


def test_exclude_leaves_out(site: Site) -> None:
    path = site.dump("excluded", "--exclude", "shop.Album")
    assert sorted(files(path)) == ["manifest.json", "restore.py", "shop_artist.py"]


@pytest.mark.sql
def test_another_database_is_dumped(site_with_other: Site) -> None:
    path = site_with_other.dump("others", "shop.Artist", "--database", "other")
    rows = (path / "shop_artist.py").read_text()
    assert "(1, 'by a migration')" in rows
    assert "Ada" not in rows


def test_a_line_for_each_table_says_rows_and_bytes(site: Site, dump: Path) -> None:
    site.restore(dump)
    said = site.succeed("dump2py", "said", "--overwrite")
    size = (site.directory / "said" / "shop_album.py").stat().st_size
    assert re.search(rf"shop.Album +25 rows +{size:,} bytes +\d+\.\d\d s\n", said)
    assert re.search(r"2 tables +27 rows", said)


@pytest.mark.parametrize("count", ["0", "-1"])
def test_parts_have_rows(site: Site, count: str) -> None:
    assert "must be at least 1" in site.fail("dump2py", "none", "--max-row-count", count)


def test_a_dump_that_is_there_stays_without_overwrite(site: Site, dump: Path) -> None:
    before = files(dump)
    assert "Use --overwrite (in code: overwrite=True) to replace it." in site.fail(
        "dump2py", dump, "--noinput"
    )
    assert files(dump) == before


def test_overwrite_leaves_no_stale_file(site: Site, dump: Path) -> None:
    """L12"""
    site.succeed("dump2py", dump, "shop.Artist", "--overwrite")
    assert sorted(files(dump)) == ["manifest.json", "restore.py", "shop_artist.py"]
    assert leftovers(dump) == []


def test_what_is_no_dump_is_never_overwritten(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").touch()
    assert "exists and is not a dump" in site.fail("dump2py", other, "--overwrite")
    assert (other / "cat.jpg").exists()


def test_what_has_a_manifest_of_another_kind_is_never_overwritten(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "app.js").touch()
    assert "exists and is not a dump" in site.fail("dump2py", tmp_path, "--overwrite")
    assert (tmp_path / "app.js").exists()


def test_what_lies_in_a_dump_and_is_not_of_it_is_never_overwritten(site: Site, dump: Path) -> None:
    (dump / "NOTES.txt").write_text("mine")
    (dump / "restore.py.bak").touch()
    before = files(dump)
    said = site.fail("dump2py", dump, "--overwrite")
    assert "in this form: NOTES.txt, restore.py.bak." in said
    assert files(dump) == before


def test_a_file_is_never_overwritten(site: Site, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    assert "exists and is not a dump" in site.fail("dump2py", tmp_path / "notes", "-o")
    assert (tmp_path / "notes").read_text() == "mine"


def test_an_empty_directory_is_filled(site: Site, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    site.succeed("dump2py", tmp_path / "empty")
    assert sorted(files(tmp_path / "empty")) == FILES


def test_a_directory_without_a_parent_is_refused(site: Site, tmp_path: Path) -> None:
    assert "Create it first" in site.fail("dump2py", tmp_path / "no" / "dump")


@pytest.fixture
def unreadable(site: Site) -> object:
    """Take a column away, as if a migration were missing."""
    site.execute("ALTER TABLE shop_album RENAME COLUMN price TO cost")
    yield
    site.execute("ALTER TABLE shop_album RENAME COLUMN cost TO price")


@pytest.mark.sql
def test_a_table_that_cannot_be_read_fails_the_dump(
    site: Site, dump: Path, unreadable: object
) -> None:
    before = files(dump)
    assert "price" in site.fail("dump2py", dump, "--overwrite")
    assert files(dump) == before
    assert leftovers(dump) == []


@pytest.mark.sql
def test_tolerate_leaves_it_out_and_says_so(site: Site, tmp_path: Path, unreadable: object) -> None:
    """L12"""
    done = site.manage("dump2py", tmp_path / "most", "--tolerate")
    assert done.returncode == 1
    assert "shop.Album is left out: " in done.stderr
    assert "is complete except for shop.Album." in done.stderr
    assert sorted(files(tmp_path / "most")) == ["manifest.json", "restore.py", "shop_artist.py"]
    assert "# shop.Album is left out: " in (tmp_path / "most" / "restore.py").read_text()
    assert list(reading.open(tmp_path / "most").manifest.left_out) == ["shop.Album"]


@pytest.fixture
def gone(site: Site) -> Iterator[Callable[[str], object]]:
    """Return a function that takes a table away, for the time of the test."""
    with ExitStack() as stack:

        def take(table: str) -> None:
            site.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")
            stack.callback(site.execute, f"ALTER TABLE gone_{table} RENAME TO {table}")

        yield take


@pytest.mark.sql
def test_a_table_that_migrations_should_have_made_is_missed(
    site: Site, tmp_path: Path, gone: Callable[[str], object]
) -> None:
    gone("shop_album")
    done = site.manage("dump2py", tmp_path / "most")
    assert done.returncode == 1
    assert "shop.Album is left out: the table 'shop_album' does not exist." in done.stderr
    assert "is complete except for shop.Album." in done.stderr
    assert sorted(files(tmp_path / "most")) == ["manifest.json", "restore.py", "shop_artist.py"]


@pytest.mark.sql
def test_a_database_without_the_tables_does_not_replace_a_dump(
    site: Site, dump: Path, gone: Callable[[str], object]
) -> None:
    gone("shop_album")
    gone("shop_artist")
    before = files(dump)
    assert "none of the tables to dump" in site.fail("dump2py", dump, "shop", "--overwrite")
    assert files(dump) == before


def test_a_test_of_a_dump_names_the_database_that_has_no_tables(
    site: Site, dump: Path, gone: Callable[[str], object]
) -> None:
    gone("shop_album")
    gone("shop_artist")
    said = site.fail("ddt", dump)
    assert "none of the tables to dump" in said
    assert "scratch" not in said


@pytest.mark.postgresql
def test_tolerate_leaves_out_what_may_not_be_read(site: Site, tmp_path: Path) -> None:
    (site.directory / "reader.py").write_text(
        "from django.core.management import call_command\n"
        "from django.db import connection\n"
        "connection.cursor().execute('SET ROLE dumpy_reader')\n"
        f"call_command('dump2py', {str(tmp_path / 'most')!r}, 'shop', tolerate=True)\n"
    )
    site.execute("CREATE ROLE dumpy_reader")
    site.execute("GRANT SELECT ON shop_artist, django_migrations TO dumpy_reader")
    try:
        assert "complete except for shop.Album" in site.fail("run", "reader.py")
    finally:
        site.execute("DROP OWNED BY dumpy_reader")
        site.execute("DROP ROLE dumpy_reader")
    assert sorted(files(tmp_path / "most")) == ["manifest.json", "restore.py", "shop_artist.py"]


@pytest.mark.postgresql
def test_a_user_from_whom_rows_are_hidden_can_neither_dump_nor_restore(
    site: Site, dump: Path, tmp_path: Path
) -> None:
    (site.directory / "tenant.py").write_text(
        "import sys\n"
        "from django.core.management import call_command\n"
        "from django.db import connection\n"
        "connection.cursor().execute('SET ROLE dumpy_tenant')\n"
        "call_command(*sys.argv[1:], interactive=False)\n"
    )
    site.execute("CREATE ROLE dumpy_tenant")
    site.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO dumpy_tenant")
    site.execute("ALTER TABLE shop_artist ENABLE ROW LEVEL SECURITY")
    site.execute("CREATE POLICY own ON shop_artist TO dumpy_tenant USING (id = 1)")
    before = site.contents()
    try:
        said = site.fail("run", "tenant.py", "dump2py", tmp_path / "part")
        assert 'would be affected by row-level security policy for table "shop_artist"' in said
        said = site.fail("run", "tenant.py", "restore", dump)
        assert "Row-level security of the table shop_artist applies to the database user" in said
    finally:
        site.execute("DROP OWNED BY dumpy_tenant")
        site.execute("DROP ROLE dumpy_tenant")
    assert site.contents() == before
    assert not (tmp_path / "part").exists()


def test_a_dump_that_could_not_be_read_again_is_not_published(site: Site, tmp_path: Path) -> None:
    (site.directory / "small.py").write_text(
        "import sys\nfrom django.core.management import call_command\n"
        "from dumpy.text import parsing\nparsing._MAX_TOKENS = 100\n"
        "call_command(*sys.argv[1:])\n"
    )
    said = site.fail("run", "small.py", "dump2py", str(tmp_path / "much"))
    assert "The dump could not be read again: there are more than 100 tokens" in said
    assert "Use a larger --max-row-count" in said
    said = site.fail("run", "small.py", "dumpdata", "--format=py", "-o", str(tmp_path / "much.py"))
    assert "The dump could not be read again: there are more than 100 tokens" in said
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_was_left_out_midway_leaves_no_file(site: Site, tmp_path: Path) -> None:
    """L12: the value of the last row cannot be read; what was written before goes, too."""
    (site.directory / "broken.py").write_text(
        "from shop.models import Album\n"
        "def fail(self, value, expression, connection):\n"
        "    assert value != 'Album 25', 'cannot be\\nread'\n"
        "    return value\n"
        "kind = type(Album._meta.get_field('title'))\n"
        "kind.from_db_value = fail\n"
        "kind.select_format = lambda self, compiler, sql, params: (sql, params)\n"
        "from django.core.management import call_command\n"
        f"call_command('dump2py', {str(tmp_path / 'most')!r}, tolerate=True)\n"
    )
    assert "complete except for shop.Album" in site.fail("run", "broken.py")
    assert sorted(files(tmp_path / "most")) == ["manifest.json", "restore.py", "shop_artist.py"]
    assert "'title' cannot be read: AssertionError: cannot be read." in (
        tmp_path / "most" / "restore.py"
    ).read_text(encoding="utf-8")
    assert json.loads((tmp_path / "most" / "manifest.json").read_text())["left_out"]


def test_the_next_dump_removes_what_a_killed_one_has_left(tmp_path: Path) -> None:
    left = tmp_path / ".dump.dumpy-x.tmp"
    left.mkdir()
    (left / "shop_album.py").touch()
    with published(tmp_path / "dump", overwrite=False):
        assert not left.exists()


def test_two_dumps_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """F21: one wins, the other says so."""
    with ExitStack() as stack:
        first = stack.enter_context(published(tmp_path / "dump", overwrite=False))
        with published(tmp_path / "dump", overwrite=False) as second:
            fill(second, "second")
        fill(first, "first")
        with pytest.raises(DumpFailed, match="already contains a dump"):
            stack.close()
    assert version_of(tmp_path / "dump") == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_a_dump_is_replaced_in_one_step(tmp_path: Path) -> None:
    with published(tmp_path / "dump", overwrite=False) as aside:
        fill(aside, "old")
    with published(tmp_path / "dump", overwrite=True) as aside:
        fill(aside, "new")
        old = (tmp_path / "dump").stat().st_ino
        assert version_of(tmp_path / "dump") == "old"
    assert (tmp_path / "dump").stat().st_ino != old
    assert version_of(tmp_path / "dump") == "new"


def test_a_dump_is_replaced_where_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_exchange", lambda first, second: False)
    for text in ("old", "new"):
        with published(tmp_path / "dump", overwrite=True) as aside:
            fill(aside, text)
    assert version_of(tmp_path / "dump") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


DIES_BETWEEN_THE_RENAMES = """
import os, signal, sys
from pathlib import Path
from dumpy.writing import publishing

path, replace = Path(sys.argv[1]), os.replace

def die_before_the_new_one(one, other):
    if Path(other) == path:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(one, other)

publishing._exchange = lambda first, second: False
with publishing.published(path, overwrite=True) as aside:
    (aside / "restore.py").write_text("# dumpy: format 1\\n")
    (aside / "manifest.json").write_text("new")
    os.replace = die_before_the_new_one
"""


@pytest.fixture
def taken_away(site: Site, tmp_path: Path) -> Path:
    """Return the path of a dump whose place was about to be taken when the process was killed."""
    path = tmp_path / "dumps" / "dump"
    path.mkdir(parents=True)
    fill(path, "old")
    (site.directory / "dies.py").write_text(DIES_BETWEEN_THE_RENAMES)
    assert site.manage("run", "dies.py", path).returncode == -signal.SIGKILL
    assert not path.exists()
    return path


def test_a_dump_that_was_taken_away_by_a_killed_process_comes_back(taken_away: Path) -> None:
    with pytest.raises(OSError, match="full"), published(taken_away, overwrite=True):
        raise OSError("the disk is full")
    assert version_of(taken_away) == "old"
    assert [path.name for path in taken_away.parent.iterdir()] == ["dump"]


def test_a_dump_that_has_come_back_is_not_overwritten_unasked(taken_away: Path) -> None:
    with (
        pytest.raises(DumpFailed, match="already contains a dump"),
        published(taken_away, overwrite=False),
    ):
        pytest.fail("the new dump was begun")
    assert version_of(taken_away) == "old"


def test_an_old_dump_does_not_come_back_where_there_is_another(taken_away: Path) -> None:
    taken_away.mkdir()
    fill(taken_away, "another")
    with pytest.raises(OSError, match="full"), published(taken_away, overwrite=True):
        raise OSError("the disk is full")
    assert version_of(taken_away) == "another"
    assert [path.name for path in taken_away.parent.iterdir()] == ["dump"]


def test_two_processes_do_not_take_one_dump_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_exchange", lambda first, second: False)
    target = tmp_path / "dump"
    with published(target, overwrite=False) as first:
        fill(first, "old")
    with (
        pytest.raises(DumpFailed, match="being replaced"),
        locked(target),
        published(target, overwrite=True) as aside,
    ):
        fill(aside, "new")
    assert version_of(target) == "old"


@pytest.mark.skipif(sys.platform != "linux", reason="the numbers are those of Linux")
def test_names_are_exchanged_where_the_library_has_no_function_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = SimpleNamespace(syscall=ctypes.CDLL(None, use_errno=True).syscall)
    monkeypatch.setattr(ctypes, "CDLL", lambda *args, **options: library)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert publishing._exchange(tmp_path / "one", tmp_path / "other")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["other"]
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["one"]


def test_where_files_cannot_be_locked_or_exchanged_a_dump_is_replaced_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*args: object, **options: object) -> None:
        raise TypeError("Windows has no library without a name.")

    monkeypatch.setattr(ctypes, "CDLL", unknown)
    monkeypatch.setattr("dumpy.writing.publishing.fcntl", None)
    for text in ("old", "new"):
        with published(tmp_path / "dump", overwrite=True) as aside:
            fill(aside, text)
    assert version_of(tmp_path / "dump") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


@pytest.mark.parametrize(("typed", "status"), [(b"y\n", 0), (b"\n", 1)])
def test_on_a_terminal_it_asks_before_it_replaces(
    site: Site, dump: Path, typed: bytes, status: int
) -> None:
    keyboard, terminal = os.openpty()
    os.write(keyboard, typed)
    done = site.manage("dump2py", dump, "shop.Artist", stdin=terminal)
    assert "already contains a dump. Replace it? [y/N]" in done.stdout
    assert done.returncode == status
    assert (dump / "shop_album.py").exists() == bool(status)


def test_on_a_terminal_a_line_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(console, "_SECONDS", -1)
    watcher = dump2py.TableProgress(OutputWrapper(stream), 1, 200)
    watcher.begin("shop.Album")
    watcher.rows(50)
    assert re.fullmatch(
        r"\r\x1b\[Kshop.Album: 50 of 200 rows, [\d,]+/s, \d+ s left", stream.getvalue()
    )


def test_a_dump_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    with published(tmp_path / "dump", overwrite=False) as aside:
        fill(aside, "old")
    with pytest.raises(OSError, match="full"), published(tmp_path / "dump", overwrite=True):
        raise OSError("the disk is full")
    assert version_of(tmp_path / "dump") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("shop_artist.py", "shop_artist.py."),
        ("restore.py", "restore.py."),
        ("manifest.json", "manifest.json, restore.py, shop_album.py, shop_artist.py."),
    ],
)
def test_overwrite_removes_only_what_dump2py_has_written(
    name: str, named: str, site: Site, dump: Path
) -> None:
    with (dump / name).open("a") as file:
        file.write("# mine\n")
    before = files(dump)
    assert f"in this form: {named}" in site.fail("dump2py", dump, "--overwrite")
    assert files(dump) == before
