"""The scripts that people have: they execute ``restore.py`` and single table files themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from sites import Site
from small_shop import data

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

REPAIR = """
import sys

__name__ = ""
execfile(sys.argv[1] + "/restore.py")


class Repair:
    pklist = []

    def save(self, obj):
        if obj.pk in self.pklist:
            print("would save" if not REALLY else "saves", type(obj).__name__, obj.pk)
            if REALLY:
                obj.save()

    def flush_deferred_objects(self):
        print("flushed")


REALLY = "really" in sys.argv
loader = Repair()
loader.pklist = [1, 7]
execfile(sys.argv[1] + "/shop_artist.py")
loader.pklist = [artist.pk + 2 for artist in shop_Artist.objects.filter(pk=7)]
execfile(sys.argv[1] + "/shop_album.py")
"""


@pytest.fixture
def script(site: Site, dump: Path) -> Path:
    """Return the script, beside the database of the dump, in which two artists are renamed."""
    site.restore(dump)
    site.execute("UPDATE shop_artist SET name = 'lost'")
    path = dump.parent / "repair.py"
    path.write_text(REPAIR)
    return path


def test_a_script_sees_the_rows_that_it_looks_for(site: Site, dump: Path, script: Path) -> None:
    before = site.contents()
    said = site.succeed("run", script, dump)
    assert said.splitlines() == [
        "would save Artist 1", "would save Artist 7", "flushed",
        "would save Album 9", "flushed",
    ]  # fmt: skip
    assert site.contents() == before


def test_a_script_repairs_rows(site: Site, dump: Path, script: Path) -> None:
    site.succeed("run", script, dump, "really")
    assert "lost" not in str(data(site))


def test_executing_restore_under_no_name_restores_nothing(
    site: Site, dump: Path, script: Path
) -> None:
    before = site.contents()
    script.write_text(
        "import sys\n__name__ = ''\nexecfile(sys.argv[1] + '/restore.py')\n"
        "print(create_shop_artist(3, 'new').name, TABLES)\n"
    )
    assert site.succeed("run", script, dump) == "new ['shop_artist.py', 'shop_album.py']\n"
    assert site.contents() == before


def test_a_script_may_put_its_own_function_and_rows_of_its_own(
    site: Site, dump: Path, script: Path
) -> None:
    table = dump / "shop_artist.py"
    rows = "loader.save(create_shop_artist(9, 'x' '8'))\n"
    table.write_text(table.read_text().replace("loader.save(", f"{rows}loader.save(", 1))
    script.write_text(
        "import sys\n__name__ = ''\nexecfile(sys.argv[1] + '/restore.py')\n"
        "create_shop_artist = lambda id, name: (id, name)\n"
        "class loader:\n    save = print\n    flush_deferred_objects = staticmethod(print)\n"
        "execfile(sys.argv[1] + '/shop_artist.py')\n"
    )
    assert site.succeed("run", script, dump).splitlines()[:2] == ["(9, 'x8')", "(1, 'Ada')"]


def test_a_loader_puts_back_rows_with_their_links(site: Site, dump: Path, script: Path) -> None:
    before = data(site)
    site.execute("DELETE FROM shop_album_similar")
    site.execute("DELETE FROM shop_album WHERE id IN (3, 6, 9)")
    script.write_text(
        "import sys\nfrom dumpy import Loader\n__name__ = ''\n"
        "execfile(sys.argv[1] + '/restore.py')\n"
        "class Repair(Loader):\n"
        "    def save(self, obj):\n"
        "        if obj.pk in (3, 6, 9):\n            super().save(obj)\n"
        "loader = Repair()\n"
        "execfile(sys.argv[1] + '/shop_album.py')\nloader.finish()\n"
    )
    site.succeed("run", script, dump)
    assert data(site) == before


def test_rows_that_become_nothing_are_not_given_to_a_loader(
    site: Site, dump: Path, script: Path
) -> None:
    script.write_text(
        "import sys\n__name__ = ''\nexecfile(sys.argv[1] + '/restore.py')\n"
        "create_shop_artist = lambda id, name: name if id > 1 else None\n"
        "class loader:\n    save = print\n    flush_deferred_objects = staticmethod(print)\n"
        "execfile(sys.argv[1] + '/shop_artist.py')\n"
    )
    assert site.succeed("run", script, dump).startswith("Bach")


def test_a_script_without_a_loader_is_told_what_to_set(
    site: Site, dump: Path, script: Path
) -> None:
    script.write_text(
        "import sys\n__name__ = ''\nexecfile(sys.argv[1] + '/restore.py')\n"
        "execfile(sys.argv[1] + '/shop_artist.py')\n"
    )
    said = site.fail("run", script, dump)
    assert "Set loader to an object with save(obj) and flush_deferred_objects() first." in said
    assert "Traceback" not in said


def test_a_table_file_that_was_cut_off_is_refused(site: Site, dump: Path, script: Path) -> None:
    """L5"""
    table = dump / "shop_album.py"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:9]))
    assert "shop_album.py:9: the file is truncated" in site.fail("run", script, dump)


@pytest.mark.slow
def test_many_rows_are_replayed_in_constant_memory(site: Site, dump: Path, script: Path) -> None:
    table = dump / "shop_artist.py"
    head, tail = table.read_text().split("loader.save", 1)[0], "\n# dumpy: end\n"
    with table.open("w") as file:
        file.write(head)
        for number in range(200_000):
            file.write(f"loader.save(create_shop_artist({number}, 'artist {number}'))\n")
        file.write(tail)
    script.write_text(
        "import resource, sys\n__name__ = ''\nexecfile(sys.argv[1] + '/restore.py')\n"
        "create_shop_artist = lambda id, name: id\n"
        "class loader:\n    total = 0\n"
        "    def save(self, id):\n        self.total += id\n"
        "    def flush_deferred_objects(self):\n        pass\n"
        "loader = loader()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "execfile(sys.argv[1] + '/shop_artist.py')\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(loader.total, (after - before) // 1024 < 16)\n"
    )
    assert site.succeed("run", script, dump) == f"{sum(range(200_000))} True\n"
