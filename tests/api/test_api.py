"""The functions of the package do what the commands do, and return what those print."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentParser
from decimal import Decimal
from inspect import signature
from pathlib import Path

import pytest
from django.db.utils import ConnectionDoesNotExist
from dumps import files
from running import called, contents

import dumpy
from dumpy.dump import natural
from dumpy.errors import DumpFailed, RestoreFailed
from dumpy.restoring.main import add_arguments
from music.models import Artist, Genre

pytestmark = pytest.mark.django_db(transaction=True)

PROGRAM = "# dumpy: program 1\n"
ALONE = """
import sys, dumpy
with dumpy.open(sys.argv[1]) as dump:
    print([(table.label, len(table), list(table.rows())) for table in dump.tables])
"""


SETTINGS_LATER = """
from django.conf import settings
from dumpy.conf import configuration
settings.configure(DUMPY={"EXECUTE": False})
print(configuration().execute)
"""


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A file with two genres."""
    Genre.objects.bulk_create([Genre(pk=1, name="Rock"), Genre(pk=2, name="Jazz")])
    dumpy.write(tmp_path / "snapshot.py", "music.Genre")
    return tmp_path / "snapshot.py"


def test_all_verbs_are_shown_before_they_are_used() -> None:
    assert {"open", "write", "restore", "check", "diff"} <= set(dir(dumpy))


def test_a_file_is_written_as_dumpdata_writes_it(snapshot: Path) -> None:
    called("dumpdata", "music.Genre", format="py", output=str(snapshot.parent / "other.py"))
    assert snapshot.read_bytes() == (snapshot.parent / "other.py").read_bytes()


def test_a_directory_is_written_as_dump2py_writes_it(snapshot: Path) -> None:
    one, other = snapshot.parent / "one", snapshot.parent / "other"
    dumpy.write(one, "music", exclude=["music.Artist"], max_row_count=1)
    called("dump2py", str(other), "music", exclude=["music.Artist"], max_row_count=1)
    assert files(one) == files(other)


def test_a_subset_is_written_as_dumpdata_writes_it(snapshot: Path) -> None:
    one, other = snapshot.parent / "one.py", snapshot.parent / "other.py"
    chosen = {"where": ["music.Genre:name=Jazz"], "with_children": ["music.Track"]}
    dumpy.write(one, only=["music.Genre:1"], needed=False, **chosen)
    called("dumpdata", only=["music.Genre:1"], needed=False, format="py", output=other, **chosen)
    assert one.read_bytes() == other.read_bytes()
    assert "'Jazz'" in one.read_text()


def test_labels_cannot_be_combined_with_a_subset(tmp_path: Path) -> None:
    with pytest.raises(DumpFailed, match="labels cannot be combined with --only or --where"):
        dumpy.write(tmp_path / "dump.py", "music", only=["music.Genre:1"])


def test_what_is_left_out_is_returned(tmp_path: Path) -> None:
    written = dumpy.write(tmp_path / "all", "zoo.Dodo", "music.Genre")
    assert str(written) == "zoo.Dodo is left out: the table 'zoo_dodo' does not exist."


def test_a_directory_is_replaced_only_if_that_is_said(tmp_path: Path) -> None:
    dumpy.write(tmp_path / "dump", "music.Genre")
    with pytest.raises(DumpFailed, match="already"):
        dumpy.write(tmp_path / "dump", "music.Genre")
    Artist.objects.create(pk=1, name="AC/DC")
    dumpy.write(tmp_path / "dump", "music.Artist", overwrite=True)
    with dumpy.open(tmp_path / "dump") as dump:
        assert [table.label for table in dump.tables] == ["music.Artist"]


def test_rows_are_read_by_the_names_of_their_fields(snapshot: Path) -> None:
    with dumpy.open(snapshot) as dump:
        (table,) = dump.tables
        assert (table.label, table.fields, len(table)) == ("music.Genre", ("id", "name"), 2)
        assert list(table.rows()) == [{"id": 1, "name": "Rock"}, {"id": 2, "name": "Jazz"}]


def test_a_value_that_an_edited_create_function_gives_is_a_value_of_each_row(
    snapshot: Path,
) -> None:
    text = snapshot.read_text().replace("name=name,", "name='Any',")
    snapshot.write_text(text)
    with dumpy.open(snapshot) as dump:
        assert [row["name"] for row in dump.tables[0].rows()] == ["Any", "Any"]


def test_references_by_natural_key_and_decimals_are_values() -> None:
    golden = Path(__file__).parents[1] / "migrating" / "golden" / "v1"
    with dumpy.open(golden) as dump:
        assert (dump.version, dump.migrations["press"]) == ("1.0", "0001_initial")
        assert dump.verify() == []
        rows = {table.label: next(table.rows()) for table in dump.tables}
    assert rows["press.Subscription"]["price"] == Decimal("9.90")
    kind = natural("contenttypes.ContentType", "auth", "permission")
    assert rows["auth.Permission"]["content_type_id"] == kind


def test_a_dump_is_read_without_settings_and_models(snapshot: Path) -> None:
    unset = {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, snapshot],
        env=environment, cwd=snapshot.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    rows = "[{'id': 1, 'name': 'Rock'}, {'id': 2, 'name': 'Jazz'}]"
    assert done.stdout == f"[('music.Genre', 2, {rows})]\n", done.stderr


def test_settings_that_come_after_a_dump_was_opened_count(snapshot: Path) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": ""}
    code = f"{ALONE}{SETTINGS_LATER}"
    done = subprocess.run(
        [sys.executable, "-c", code, snapshot],
        env=environment, cwd=snapshot.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[1:] == ["False"], done.stderr


def test_the_files_of_one_model_are_one_table(snapshot: Path) -> None:
    dumpy.write(snapshot.parent / "parts", "music.Genre", max_row_count=1)
    assert len([*(snapshot.parent / "parts").glob("music_genre*.py")]) == 2
    with dumpy.open(snapshot.parent / "parts") as dump:
        (table,) = dump.tables
        assert len(table) == 2
        assert [row["name"] for row in table.rows()] == ["Rock", "Jazz"]


def test_a_program_is_not_read(snapshot: Path) -> None:
    snapshot.write_text(snapshot.read_text().replace("# dumpy: format 1\n", PROGRAM, 1))
    with pytest.raises(dumpy.FixtureError, match="it is a program"):
        dumpy.open(snapshot)


def test_a_check_says_what_checkdump_says(snapshot: Path) -> None:
    checked = dumpy.check(snapshot)
    assert checked.is_fine
    assert f"{checked}\n" == called("checkdump", str(snapshot)).out


def test_a_check_without_a_rehearsal_looks_at_names(snapshot: Path) -> None:
    snapshot.write_text(snapshot.read_text().replace("name=name,", "title=name,"))
    checked = dumpy.check(snapshot, rehearsal=False)
    assert not checked.is_fine
    assert [(one.model, one.field) for one in checked.stopping] == [("music.Genre", "title")]


def test_a_comparison_says_what_diffdump_says(snapshot: Path) -> None:
    assert dumpy.diff(snapshot, "database:default").is_same
    Genre.objects.filter(pk=2).update(name="Swing")
    compared = dumpy.diff(snapshot, "database:default")
    assert [str(row) for row in compared.rows] == ["music.Genre(pk=2): name 'Jazz' → 'Swing'"]
    assert compared.models["music.Genre"].changed == 1
    assert str(compared).startswith("music.Genre(pk=2): name 'Jazz' → 'Swing'\nmusic.Genre ")


def test_a_restore_gives_the_rows_back(snapshot: Path) -> None:
    Genre.objects.all().delete()
    restored = dumpy.restore(snapshot)
    assert list(Genre.objects.order_by("pk").values_list("name", flat=True)) == ["Rock", "Jazz"]
    assert restored.report.tables["music.Genre"].inserted == 2
    assert str(restored).endswith("Restored.\n")


def test_a_dry_run_of_a_restore_changes_nothing(snapshot: Path) -> None:
    Genre.objects.all().delete()
    before = contents()
    assert "Dry run complete" in str(dumpy.restore(snapshot, dry_run=True))
    assert contents() == before


def test_a_restore_that_fails_says_what_became_of_the_database(snapshot: Path) -> None:
    Artist.objects.create(pk=1, name="AC/DC")
    snapshot.write_text(snapshot.read_text().replace("(2, 'Jazz')", "(1, 'Jazz')"))
    with pytest.raises(RestoreFailed, match=r"The database is as it was\."):
        dumpy.restore(snapshot)
    assert Artist.objects.count() == 1


def test_a_database_that_does_not_exist_is_an_error_that_can_be_caught(snapshot: Path) -> None:
    with pytest.raises(ConnectionDoesNotExist, match="nowhere"):
        dumpy.restore(snapshot, database="nowhere")


def test_two_ways_to_validate_are_refused(snapshot: Path) -> None:
    with pytest.raises(ValueError, match="cannot be used together"):
        dumpy.restore(snapshot, quick=True, full_clean=True)


def test_a_restore_takes_each_option_of_the_command() -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    options = {s.removeprefix("--") for s in parser._option_string_actions if s.startswith("--")}
    unasked = {"help", "noinput", "no-input"}
    parameters = {name.replace("_", "-") for name in signature(dumpy.restore).parameters}
    assert parameters - {"path"} == options - unasked


def test_files_of_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        dumpy.write(tmp_path / "dump", max_row_count=0)


def test_no_public_name_is_that_of_a_module_of_the_package() -> None:
    # The import of a module sets its name in the package, and would replace the function.
    modules = {path.stem for path in Path(dumpy.__file__).parent.iterdir()}
    assert modules & set(dumpy.__all__) == set()
