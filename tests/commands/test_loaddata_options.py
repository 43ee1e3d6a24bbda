"""What `loaddata` does with dumps, option by option."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.core import serializers
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import TestCase, override_settings
from running import Said, contents, dumped, loaded, shuffle_content_types

from dumpy.errors import LoadError
from zoo import models as zoo
from zoo.fill import fill

pytestmark = pytest.mark.django_db(databases=["default", "other"])

FIXTURES = Path(__file__).parent / "fixtures"


def zipped(data: bytes) -> bytes:
    """Return a zip file with one member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("dump.py", data)
    return file.getvalue()


COMPRESSIONS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    ".zip": zipped,
}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Return the path of a dump of two species and an animal, which are deleted then."""
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    zoo.Species.objects.create(pk=2, latin="Panthera leo")
    zoo.Animal.objects.create(pk=1, name="Olli", species_id=1)
    path = tmp_path / "dump.py"
    path.write_text(dumped("zoo"), encoding="utf-8")
    zoo.Animal.objects.all().delete()
    zoo.Species.objects.all().delete()
    return path


def edited(path: Path, *replacements: tuple[str, str]) -> Path:
    """Replace texts that must be in a file."""
    text = path.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def line_of(path: Path, text: str) -> str:
    """Return `name:line` of the first line of a file with a text in it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return f"{path.name}:{next(n for n, line in enumerate(lines, 1) if text in line)}"


def test_a_dump_loads_into_a_fresh_migrated_database_without_flags(tmp_path: Path) -> None:
    fill()
    path = tmp_path / "dump.py"
    text = dumped(use_base_manager=True, output=str(path)) or path.read_text(encoding="utf-8")
    loaded(path, database="other")
    assert dumped(use_base_manager=True, database="other") == text


@pytest.mark.sql
def test_a_dump_loads_where_content_types_and_permissions_have_other_keys(tmp_path: Path) -> None:
    fill()
    text = dumped(use_base_manager=True)
    path = tmp_path / "dump.py"
    path.write_text(text, encoding="utf-8")
    shuffle_content_types("other")
    loaded(path, database="other")
    assert dumped(use_base_manager=True, database="other") == text


def test_a_dump_with_code_in_it_loads_where_permissions_have_other_keys(tmp_path: Path) -> None:
    fill()
    text = dumped(use_base_manager=True)
    path = tmp_path / "dump.py"
    program = text.replace("# dumpy: format 1", "# dumpy: program 1", 1)
    path.write_text(program.replace("SOURCE_VERSION", "import sys\nSOURCE_VERSION", 1), "utf-8")
    shuffle_content_types("other")
    loaded(path, database="other")
    assert dumped(use_base_manager=True, database="other") == text


@pytest.mark.sql
def test_the_grants_of_a_user_are_the_same_after_a_load(tmp_path: Path) -> None:
    fill()
    path = tmp_path / "dump.py"
    path.write_text(dumped(use_base_manager=True), encoding="utf-8")
    shuffle_content_types("other")
    loaded(path, database="other")
    names = [
        sorted(User.objects.using(using).get(username="ada").get_all_permissions())
        for using in ("default", "other")
    ]
    assert names[0] == names[1] != []


def test_no_permission_is_there_twice_after_a_load(tmp_path: Path) -> None:
    path = tmp_path / "dump.py"
    path.write_text(dumped("auth"), encoding="utf-8")
    shuffle_content_types("other")
    loaded(path, database="other")
    assert Permission.objects.using("other").count() == Permission.objects.count()


@pytest.mark.sql
def test_database_says_where_the_rows_go(dump: Path) -> None:
    loaded(dump, database="other")
    assert zoo.Animal.objects.using("other").count() == 1
    assert zoo.Animal.objects.count() == 0


def test_the_output_tells_objects_and_fixtures(dump: Path) -> None:
    assert loaded(dump).out == "Installed 3 object(s) from 1 fixture(s)\n"


def test_verbosity_0_says_nothing(dump: Path) -> None:
    said = loaded(dump, verbosity=0)
    assert (said.out, said.err) == ("", "")


def test_verbosity_2_tells_rows_and_lane_of_each_table(dump: Path) -> None:
    out = loaded(dump, verbosity=2).out
    assert "zoo.Species (rows): 2 inserted" in out
    assert "zoo.Animal (rows): 1 inserted" in out


def test_loading_twice_changes_nothing_and_says_so(dump: Path) -> None:
    loaded(dump)
    before = contents()
    assert loaded(dump).out == "Installed 3 object(s) from 1 fixture(s)\n  3 unchanged\n"
    assert contents() == before


@pytest.mark.sql
def test_loading_a_full_dump_twice_changes_nothing(tmp_path: Path) -> None:
    fill()
    path = tmp_path / "dump.py"
    path.write_text(dumped(use_base_manager=True), encoding="utf-8")
    loaded(path, database="other")
    before = contents("other")
    out = loaded(path, database="other").out
    assert contents("other") == before
    assert "inserted" not in out


@pytest.mark.sql
def test_rows_that_differ_are_updated_and_counted(dump: Path) -> None:
    zoo.Species.objects.create(pk=1, latin="wrong")
    zoo.Species.objects.create(pk=2, latin="Panthera leo")
    assert "  1 inserted, 1 updated, 1 unchanged\n" in loaded(dump).out
    assert zoo.Species.objects.get(pk=1).latin == "Lutra lutra"


def test_rows_that_the_dump_does_not_name_stay(dump: Path) -> None:
    zoo.Species.objects.create(pk=99, latin="Strix aluco")
    loaded(dump)
    assert zoo.Species.objects.count() == 3


def test_two_rows_with_the_same_key_are_refused_with_both_lines(dump: Path) -> None:
    row = "    yield create_zoo_species(1, 'Lutra lutra')\n"
    edited(dump, (row, row.replace("Lutra lutra", "first") + row))
    line = dump.read_text(encoding="utf-8").split("\n").index(row.rstrip("\n")) + 1
    with pytest.raises(LoadError) as caught:
        loaded(dump)
    assert f"dump.py:{line}: zoo.Species" in str(caught.value)
    assert f"dump.py:{line - 1} has a row with the same key" in str(caught.value)


def test_an_excluded_model_is_not_loaded(dump: Path) -> None:
    out = loaded(dump, exclude=["zoo.Animal"]).out
    assert zoo.Animal.objects.count() == 0
    assert "Installed 2 object(s) (of 3) from 1 fixture(s)" in out


def test_objects_of_an_excluded_model_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "objects.py"
    path.write_text(
        "from zoo.models import Animal, Species\n\n\ndef objects():\n"
        "    yield Animal(pk=1, name='Olli')\n    yield Species(pk=1, latin='Lutra lutra')\n",
        encoding="utf-8",
    )
    out = loaded(path, exclude=["zoo.Animal"]).out
    assert "Installed 1 object(s) (of 2) from 1 fixture(s)" in out
    assert (zoo.Animal.objects.count(), zoo.Species.objects.count()) == (0, 1)


def test_an_excluded_app_is_not_loaded(dump: Path) -> None:
    loaded(dump, exclude=["zoo"])
    assert zoo.Species.objects.count() == 0


def test_an_unknown_model_to_exclude_is_an_error(dump: Path) -> None:
    with pytest.raises(CommandError, match="Unicorn"):
        loaded(dump, exclude=["zoo.Unicorn"])


def test_a_removed_field_is_an_error_that_says_where_and_what_to_do(dump: Path) -> None:
    edited(dump, ("latin=latin", "nickname=latin"))
    with pytest.raises(CommandError, match=r"zoo\.Species has no field 'nickname'") as caught:
        loaded(dump)
    assert line_of(dump, "nickname=") in str(caught.value)
    # Code cannot use an option of the command line.
    assert "--ignorenonexistent" not in str(caught.value)


def test_ignorenonexistent_leaves_out_a_removed_field_and_says_so(dump: Path) -> None:
    edited(dump, ("        name=name,\n", "        name=name,\n        cage=species_id,\n"))
    said = loaded(dump, ignore=True)
    assert zoo.Animal.objects.get().name == "Olli"
    assert line_of(dump, "cage=") in said.err
    assert "zoo.Animal has no field 'cage'. It is left out." in said.err


def test_ignorenonexistent_leaves_out_a_removed_model_and_says_so(dump: Path) -> None:
    edited(dump, ("resolve_model('zoo.Animal')", "resolve_model('zoo.Unicorn')"))
    said = loaded(dump, ignore=True)
    assert zoo.Species.objects.count() == 2
    assert line_of(dump, "zoo_Animal = resolve_model(") in said.err
    assert "there is no model 'zoo.Unicorn'. Its rows are left out." in said.err


def test_a_field_whose_line_is_commented_out_is_left_out(dump: Path) -> None:
    edited(dump, ("        species_id=species_id,\n", "        # species_id=species_id,\n"))
    loaded(dump)
    assert zoo.Animal.objects.get().species is None


def test_a_field_that_was_renamed_gets_the_values_of_the_old_one(dump: Path) -> None:
    edited(dump, ("def create_zoo_species(id, latin)", "def create_zoo_species(id, old)"),
           ("latin=latin", "latin=old"))  # fmt: skip
    loaded(dump)
    assert zoo.Species.objects.get(pk=1).latin == "Lutra lutra"


def test_a_table_whose_line_is_commented_out_in_objects_is_left_out(dump: Path) -> None:
    edited(dump, ("    yield zoo_animal_objects()", "    # yield zoo_animal_objects()"))
    loaded(dump)
    assert zoo.Animal.objects.count() == 0
    assert zoo.Species.objects.count() == 2


@pytest.mark.parametrize(("suffix", "compress"), COMPRESSIONS.items())
def test_compressed_dumps_load(dump: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = dump.with_name(f"packed.py{suffix}")
    path.write_bytes(compress(dump.read_bytes()))
    assert "Installed 3 object(s)" in loaded(path).out
    assert zoo.Animal.objects.get().species_id == 1


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".lzma"])
def test_what_dumpdata_has_compressed_loads(tmp_path: Path, suffix: str) -> None:
    zoo.Species.objects.create(pk=1, latin="Lutra lutra")
    path = tmp_path / f"dump.py{suffix}"
    dumped("zoo.Species", output=str(path))
    loaded(path, database="other")
    assert zoo.Species.objects.using("other").get().latin == "Lutra lutra"


def test_a_zip_file_with_two_members_is_refused(dump: Path) -> None:
    path = dump.with_name("two.py.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(dump, "one.py")
        archive.write(dump, "two.py")
    with pytest.raises(CommandError, match="It must hold exactly one"):
        loaded(path)


def test_a_dump_from_stdin_loads_and_is_counted(
    dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(dump.read_bytes()), encoding="ascii")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert "Installed 3 object(s) from 1 fixture(s)" in loaded("-", format="py").out
    assert zoo.Animal.objects.count() == 1


def test_several_labels_are_loaded_together(dump: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(dump.read_text().replace("(1, ", "(7, ").replace("Lutra", "Lontra"))
    edited(
        other,
        ("'Panthera leo'", "'Panthera tigris'"),
        ("create_zoo_species(2", "create_zoo_species(8"),
    )
    assert "Installed 6 object(s) from 2 fixture(s)" in loaded(dump, other).out


@pytest.mark.sql
def test_a_fixture_may_refer_to_rows_of_a_later_one(dump: Path, tmp_path: Path) -> None:
    children = edited(
        dump, ("    yield zoo_species_objects()", "    # yield zoo_species_objects()")
    )
    parents = tmp_path / "parents.py"
    parents.write_text(children.read_text())
    edited(
        parents,
        ("# yield zoo_species_objects()", "yield zoo_species_objects()"),
        ("    yield zoo_animal_objects()", "    # yield zoo_animal_objects()"),
    )
    loaded(children, parents)
    assert zoo.Animal.objects.get().species.latin == "Lutra lutra"


def test_a_fixture_may_refer_by_natural_key_to_rows_of_a_later_one(tmp_path: Path) -> None:
    nation = zoo.Nation.objects.create(name="Estonia")
    zoo.Mascot.objects.create(name="Rasmus", nation=nation)
    options = {"use_natural_foreign_keys": True, "use_natural_primary_keys": True}
    for name in ("Mascot", "Nation"):
        text = dumped(f"zoo.{name}", **options)
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    loaded(tmp_path / "Mascot.py", tmp_path / "Nation.py", database="other")
    assert zoo.Mascot.objects.using("other").get().nation.name == "Estonia"


def test_hand_written_objects_may_refer_to_rows_of_a_later_dump(dump: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.py"
    first.write_text(
        "from zoo.models import Animal\n\n\n"
        "def objects():\n    yield Animal(pk=5, name='Otto', species_id=2)\n"
    )
    loaded(first, dump)
    assert zoo.Animal.objects.get(pk=5).species.latin == "Panthera leo"


def test_fixtures_that_need_a_row_of_none_of_them_are_refused_together(
    dump: Path, tmp_path: Path
) -> None:
    edited(dump, ("'Olli', 1,", "'Olli', 77,"))
    before = contents()
    with pytest.raises(CommandError, match="77"):
        loaded(FIXTURES / "hand_written.py", dump)
    assert contents() == before


def test_a_name_without_a_path_is_looked_up_in_fixture_dirs(dump: Path) -> None:
    with override_settings(FIXTURE_DIRS=[dump.parent]):
        assert "Installed 3 object(s)" in loaded("dump").out


def test_a_name_with_a_folder_is_looked_up_below_fixture_dirs(dump: Path) -> None:
    with override_settings(FIXTURE_DIRS=[dump.parent.parent]):
        assert "Installed 3 object(s)" in loaded(f"{dump.parent.name}/dump").out


@pytest.mark.parametrize("folder", ["a[b]c", "with * and ?", "ünï", "two words"])
def test_a_fixture_directory_may_have_wildcards_in_its_name(dump: Path, folder: str) -> None:
    directory = dump.parent / folder
    directory.mkdir()
    dump.rename(directory / "dump.py")
    with override_settings(FIXTURE_DIRS=[directory]):
        assert "Installed 3 object(s)" in loaded("dump").out


def test_app_looks_up_fixtures_of_that_app_only() -> None:
    with pytest.raises(CommandError, match="No fixture named 'chinook' found"):
        loaded("chinook", app_label="zoo")


@pytest.mark.slow
def test_app_finds_the_fixture_of_the_app() -> None:
    assert "from 1 fixture(s)" in loaded("chinook", app_label="music").out
    assert apps.get_model("music", "Genre").objects.count() > 0


def test_a_missing_fixture_is_an_error_that_names_it() -> None:
    with pytest.raises(CommandError, match="No fixture named 'nowhere' found"):
        loaded("nowhere")


def test_the_dumped_rows_send_no_signals(tmp_path: Path) -> None:
    zoo.Keeper.objects.bulk_create([zoo.Keeper(pk=1, name="without a profile")])
    path = tmp_path / "dump.py"
    path.write_text(dumped("zoo.Keeper"), encoding="utf-8")
    loaded(path, database="other")
    assert zoo.KeeperProfile.objects.using("other").count() == 0


@pytest.mark.sql
def test_new_rows_get_new_keys_after_a_load(dump: Path) -> None:
    loaded(dump)
    assert zoo.Species.objects.create(latin="Strix aluco").pk > 2


CODE = 'print("PWNED", 1)'


def test_a_primary_key_that_looks_like_code_is_a_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo.Country.objects.create(code=CODE)
    path = tmp_path / "dump.py"
    path.write_text(dumped("zoo.Country"), encoding="utf-8")
    loaded(path, database="other")
    assert zoo.Country.objects.using("other").get().code == CODE
    captured = capsys.readouterr()
    assert "PWNED" not in captured.out + captured.err


def test_a_foreign_key_that_looks_like_code_is_a_text(tmp_path: Path) -> None:
    species = zoo.Species.objects.create(latin=CODE)
    zoo.Exhibit.objects.create(pk=1, species=species)
    path = tmp_path / "dump.py"
    path.write_text(dumped("zoo.Species", "zoo.Exhibit"), encoding="utf-8")
    loaded(path, database="other")
    assert zoo.Exhibit.objects.using("other").get().species_id == CODE


@pytest.mark.sql
def test_constraints_are_checked_again_after_a_load(dump: Path) -> None:
    loaded(dump)
    connection.check_constraints()


@override_settings(FIXTURE_DIRS=[FIXTURES])
class HandWrittenFixtureTests(TestCase):
    """A hand-written fixture in `TestCase.fixtures`."""

    fixtures = ["hand_written"]

    def test_its_objects_are_there(self) -> None:
        assert zoo.Animal.objects.get(pk=21).species.latin == "Lutra lutra"

    def test_keys_that_it_does_not_give_come_from_the_database(self) -> None:
        assert zoo.Species.objects.get(latin="Panthera leo").pk

    def test_each_test_begins_with_it(self) -> None:
        zoo.Animal.objects.all().delete()
        assert zoo.Species.objects.count() == 2


def test_a_dry_run_at_verbosity_0_says_nothing(dump: Path) -> None:
    assert loaded(dump, dry_run=True, verbosity=0) == Said("", "")
    assert not zoo.Species.objects.exists()


def test_a_zip_file_of_another_format_that_is_damaged_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "genres.json.zip").write_bytes(b"[]")
    with pytest.raises(CommandError, match=r"genres.json.zip: File is not a zip file"):
        loaded(tmp_path / "genres.json.zip")


@pytest.mark.sql
def test_a_dry_run_says_what_would_be_loaded_and_changes_nothing(dump: Path) -> None:
    before = contents()
    said = loaded(dump, dry_run=True).out
    assert "Installed 3 object(s)" in said
    assert "Dry run complete: nothing was changed." in said
    assert contents() == before


def test_a_dry_run_that_keeps_going_names_the_rows_and_writes_nothing(dump: Path) -> None:
    edited(dump, ("create_zoo_animal(1, 'Olli', 1", "create_zoo_animal(1, 'Olli', 99"))
    with pytest.raises(LoadError):
        loaded(dump, dry_run=True, keep_going=True)
    assert not zoo.Species.objects.exists()
    assert [one.name for one in dump.parent.iterdir()] == [dump.name]


def as_json(path: Path, *keys: int) -> Path:
    """Write species as a fixture in the format json."""
    species = (zoo.Species(pk=key, latin=f"species {key}") for key in keys)
    path.write_text(serializers.serialize("json", species), encoding="utf-8")
    return path


@pytest.mark.parametrize("keys", [(7,), (1, 7)], ids=["others", "one of the dump"])
def test_rows_of_a_json_beside_a_dump_are_not_said_to_have_been_there(
    dump: Path, tmp_path: Path, keys: tuple[int, ...]
) -> None:
    out = loaded(as_json(tmp_path / "more.json", *keys), dump).out
    assert "were there before" not in out
    assert zoo.Species.objects.filter(pk=7).exists()


def test_a_row_of_a_json_that_stands_in_the_way_was_not_there_before(
    dump: Path, tmp_path: Path
) -> None:
    edited(dump, ("'Lutra lutra'", "'species 7'"))
    with pytest.raises(LoadError) as caught:
        loaded(as_json(tmp_path / "more.json", 7), dump)
    assert "zoo.Species(pk=7) has the same latin." in str(caught.value)


def test_a_load_whose_output_is_not_read_any_more_ends_in_a_sentence(dump: Path) -> None:
    class Unread(io.StringIO):
        """The end of a pipe to ``head``, which has ended."""

        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(CommandError, match=r"^The output is not read any more: nothing was loaded"):
        call_command("loaddata", dump, stdout=Unread())
    assert not zoo.Species.objects.exists()
