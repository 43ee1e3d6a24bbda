"""What the README and the documentation show is what happens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import doc_pages
import pytest
from pytest_django.plugin import DjangoDbBlocker
from sites import Database, create_database, database, drop_database, name_on_server

pytestmark = pytest.mark.slow

TUTORIAL = doc_pages.ROOT / "docs" / "tutorial.md"
OTHER_ENGINE = doc_pages.ROOT / "docs" / "howto" / "another-engine.md"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project that the tutorial has before its first dump, with which guides begin."""
    directory = tmp_path_factory.mktemp("project")
    environment = doc_pages.environment(directory)
    doc_pages.run(TUTORIAL, directory, environment, end="The first dump")
    return directory


@pytest.fixture
def directory(project: Path, tmp_path: Path) -> Path:
    """Return a copy of the project."""
    return shutil.copytree(project, tmp_path / "library")


@pytest.fixture
def new_database(
    tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """Return the settings of an empty database on the engine of the tests."""
    found = database(name_on_server("docs_new"), tmp_path)
    with django_db_blocker.unblock():
        create_database(found)
        yield found
        drop_database(found)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "page",
    [page for page in doc_pages.PAGES if page not in (TUTORIAL, OTHER_ENGINE)],
    ids=lambda page: page.relative_to(doc_pages.ROOT).as_posix(),
)
def test_a_page_shows_what_happens(page: Path, directory: Path) -> None:
    doc_pages.run(page, directory, doc_pages.environment(directory))


@pytest.mark.sqlite
def test_the_tutorial_shows_what_happens(tmp_path: Path) -> None:
    doc_pages.run(TUTORIAL, tmp_path, doc_pages.environment(tmp_path))


@pytest.mark.sql
def test_data_move_to_another_engine_as_shown(directory: Path, new_database: Database) -> None:
    environment = {"NEW_DATABASE": json.dumps(new_database, default=str)}
    doc_pages.run(OTHER_ENGINE, directory, doc_pages.environment(directory) | environment)
