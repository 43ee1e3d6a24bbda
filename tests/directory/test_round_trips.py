"""A dump, restored and dumped again: the same bytes, also on another engine."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from dumps import files
from engines import REACH, trouble
from running import Project, loaded
from sites import create_database, drop_database

from project import settings as project_settings
from zoo.fill import fill


def manage(project: Project, *args: object, **env: str) -> None:
    """Run a command, which must succeed."""
    done = project.manage(*args, env=env)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_zoo_is_restored_as_it_was(project: Project) -> None:
    """L2, L3: every field and relation, views, collations, and odd names."""
    # The model is gone, so its content type is made by the load, with the key that JSON may hold.
    ContentType.objects.create(pk=5000, app_label="zoo", model="moa")
    fill()
    first, second = project.directory / "first", project.directory / "second"
    manage(project, "dump2py", first, "--max-row-count", "3")
    manage(project, "run", first / "restore.py", "-b", "--database", "other")
    manage(project, "dump2py", second, "--max-row-count", "3", "--database", "other")
    assert files(second) == files(first)


OTHERS = [engine for engine in REACH if engine != settings.ENGINE]
NAME = f"{project_settings.NAME}_moved"
SMALL = """
INSTALLED_APPS = ["django.contrib.contenttypes", "dumpy", "music"]
import os
if "MOVE_TO" in os.environ:
    DATABASES["default"] = globals()[os.environ["MOVE_TO"]](os.environ["MOVE_NAME"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.django_db(transaction=True)
def test_the_music_shop_moves_to_another_engine(
    project: Project, engine: str, request: pytest.FixtureRequest
) -> None:
    if trouble(engine):
        pytest.skip(f"{engine}: {trouble(engine)}")
    loaded("chinook")
    project.configure(SMALL)
    first, second = project.directory / "first", project.directory / "second"
    manage(project, "dump2py", first, "music")
    create(engine, request)
    there = {"MOVE_TO": engine, "MOVE_NAME": NAME, "DUMPY_DATA_DIR": str(first.parent)}
    manage(project, "run", first / "restore.py", "-b", **there)
    manage(project, "dump2py", second, "music", **there)
    assert files(second) == files(first)


def create(engine: str, request: pytest.FixtureRequest) -> None:
    """Make an empty database on another engine, for the time of a test."""
    if engine != "sqlite":
        found = getattr(project_settings, engine)(NAME)
        create_database(found)
        request.addfinalizer(lambda: drop_database(found))
