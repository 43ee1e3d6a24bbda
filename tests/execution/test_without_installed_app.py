"""dumpy with an entry in SERIALIZATION_MODULES only, under Django's own commands."""

from __future__ import annotations

import pytest
from running import Project, contents, shuffle_content_types

from zoo import models as zoo
from zoo.fill import fill

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

ONLY_THE_MODULE = """
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "dumpy"]
SERIALIZATION_MODULES = {"py": "dumpy.serializer"}
"""


@pytest.fixture
def plain(project: Project) -> Project:
    """The test project without the application dumpy."""
    project.configure(ONLY_THE_MODULE)
    return project


def test_a_full_database_is_the_same_after_dumpdata_and_loaddata(plain: Project) -> None:
    fill()
    shuffle_content_types("other")
    exclude = ["--exclude=zoo.Dodo", "--exclude=sessions", "--exclude=contenttypes"]
    dump = ["dumpdata", "--all", "--format=py", *exclude]
    first = plain.manage(*dump, "-o", "one.py")
    second = plain.manage("loaddata", "--database", "other", "one.py")
    third = plain.manage(*dump, "--database", "other", "-o", "two.py")
    assert [done.stderr for done in (first, second, third)] == ["", "", ""], second.stderr[-3000:]
    one, two = plain.directory / "one.py", plain.directory / "two.py"
    assert one.read_bytes() == two.read_bytes()


def test_a_refused_dump_leaves_the_database_as_it_was(plain: Project) -> None:
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    plain.manage("dumpdata", "zoo.Species", "--format=py", "-o", "one.py")
    path = plain.directory / "one.py"
    path.write_bytes(path.read_bytes()[:-5])
    before = contents()
    done = plain.manage("loaddata", "one.py")
    assert done.returncode == 1
    assert "one.py" in done.stderr
    assert "truncated" in done.stderr
    assert contents() == before


def test_a_program_in_the_current_directory_is_not_run(plain: Project) -> None:
    ran = plain.directory / "ran.txt"
    (plain.directory / "users.py").write_text(
        f"open({str(ran)!r}, 'w').close()\n\n\ndef objects():\n    return []\n"
    )
    assert plain.manage("loaddata", "users").returncode == 1
    assert not ran.exists()


def test_the_checks_find_nothing(plain: Project) -> None:
    assert plain.manage("check").returncode == 0
