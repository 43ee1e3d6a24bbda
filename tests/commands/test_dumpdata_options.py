"""What `dumpdata --format=py` writes, option by option."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone
from dumps import calls
from running import called, dumped

from zoo import models as zoo
from zoo.fields import Colour
from zoo.fill import fill
from zoo.models.managers import tenant_required

pytestmark = pytest.mark.django_db(databases=["default", "other"])

COMPRESSIONS = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".lzma": lzma.decompress,
}


@pytest.fixture
def species() -> None:
    """Put three species and an animal into the database."""
    for pk, latin in enumerate(["Lutra lutra", "Panthera leo", "Strix aluco"], start=1):
        zoo.Species.objects.create(pk=pk, latin=latin)
    zoo.Animal.objects.create(pk=1, name="Olli", species_id=1)


@pytest.fixture
def mascot() -> None:
    """Put a nation and its mascot into the database."""
    nation = zoo.Nation.objects.create(pk=7, name="Estonia")
    zoo.Mascot.objects.create(pk=8, name="Rasmus", nation=nation)


class Terminal(StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_a_model_label_dumps_that_model_only(species: None) -> None:
    assert calls(dumped("zoo.Animal")) == ["zoo_animal(1, 'Olli', 1, [], [], [])"]


def test_a_model_label_may_be_written_in_lower_case(species: None) -> None:
    assert dumped("zoo.species") == dumped("zoo.Species")


def test_an_app_label_dumps_all_models_of_the_app(species: None) -> None:
    assert [row.partition("(")[0] for row in calls(dumped("zoo"))] == [
        "zoo_species",
        "zoo_species",
        "zoo_species",
        "zoo_animal",
    ]


def test_several_labels_are_dumped_parents_first_whatever_their_order(species: None) -> None:
    assert dumped("zoo.Animal", "zoo.Species") == dumped("zoo.Species", "zoo.Animal")


def test_a_model_named_twice_is_dumped_once(species: None) -> None:
    assert dumped("zoo.Species", "zoo", "zoo.Species") == dumped("zoo")


@pytest.mark.sql
def test_without_a_label_all_apps_are_dumped(species: None) -> None:
    labels = {row.partition("(")[0] for row in calls(dumped())}
    assert labels >= {"auth_permission", "sites_site", "zoo_species", "zoo_animal"}


def test_an_excluded_model_is_not_in_the_dump(species: None) -> None:
    assert "Animal" not in dumped("zoo", exclude=["zoo.Animal"])


def test_an_excluded_app_is_not_in_the_dump(species: None) -> None:
    assert calls(dumped("zoo", "auth", exclude=["auth"])) == calls(dumped("zoo"))


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (["nowhere"], {}),
        (["zoo.Unicorn"], {}),
        (["zoo"], {"exclude": ["zoo.Unicorn"]}),
        (["zoo"], {"exclude": ["nowhere"]}),
    ],
)
def test_a_label_of_nothing_is_an_error_that_names_it(labels, options) -> None:
    with pytest.raises(CommandError, match=r"Unicorn|nowhere"):
        dumped(*labels, **options)


def test_foreign_keys_are_primary_keys_without_natural_foreign(mascot: None) -> None:
    assert "zoo_mascot(8, 'Rasmus', 7, [])" in calls(dumped("zoo.Mascot"))


def test_natural_foreign_writes_foreign_keys_as_natural_keys(mascot: None) -> None:
    text = dumped("zoo.Mascot", use_natural_foreign_keys=True)
    assert calls(text) == ["zoo_mascot(8, 'Rasmus', natural('zoo.Nation', 'Estonia'), [])"]


def test_natural_primary_leaves_out_the_primary_key_of_models_with_a_natural_key(
    mascot: None,
) -> None:
    text = dumped("zoo.Nation", use_natural_primary_keys=True)
    assert "def create_zoo_nation(name, mascot_id):" in text
    assert calls(text) == ["zoo_nation('Estonia', None)"]


def test_natural_primary_keeps_the_primary_key_of_other_models(species: None) -> None:
    assert dumped("zoo.Species", use_natural_primary_keys=True) == dumped("zoo.Species")


@pytest.mark.parametrize("options", [{}, {"use_natural_foreign_keys": True}])
def test_a_foreign_key_to_a_content_type_is_always_a_natural_key(options) -> None:
    kind = ContentType.objects.get_for_model(zoo.Chip)
    zoo.Label.objects.create(pk=1, kind=kind, text="x")
    (row,) = calls(dumped("zoo.Label", **options))
    assert "natural('contenttypes.ContentType', 'zoo', 'chip')" in row


@pytest.mark.sql
def test_all_dumps_the_rows_that_the_default_manager_hides() -> None:
    zoo.Resident.everyone.create(pk=1, name="left", left=True)
    assert calls(dumped("zoo.Resident", use_base_manager=True)) == [
        "zoo_resident(1, 'left', True, None)"
    ]


@pytest.mark.sql
def test_all_dumps_the_rows_that_even_the_base_manager_hides() -> None:
    zoo.Relic(pk=1, name="in store", in_store=True).save_base(raw=True)
    assert calls(dumped("zoo.Relic", use_base_manager=True)) == ["zoo_relic(1, 'in store', True)"]


def test_rows_that_the_default_manager_hides_are_counted_on_stderr() -> None:
    zoo.Resident.everyone.create(pk=1, name="here")
    zoo.Resident.everyone.create(pk=2, name="left", left=True)
    said = called("dumpdata", "zoo.Resident", format="py")
    assert len(calls(said.out)) == 1
    assert said.err == (
        "zoo.Resident: 1 of 2 rows are not in the dump, because the default manager "
        "(LivingManager) hides them. Use --all to dump them too.\n"
    )


def test_nothing_is_said_when_the_default_manager_hides_nothing() -> None:
    zoo.Resident.everyone.create(pk=1, name="here")
    assert called("dumpdata", "zoo.Resident", format="py").err == ""


def test_nothing_is_said_of_hidden_rows_with_all() -> None:
    zoo.Resident.everyone.create(pk=2, name="left", left=True)
    assert called("dumpdata", "zoo.Resident", format="py", use_base_manager=True).err == ""


@pytest.mark.parametrize(("keys", "expected"), [("1,3", [1, 3]), ("2", [2]), (" 3 , 1 ", [1, 3])])
def test_pks_dumps_these_rows_only(species: None, keys: str, expected: list[int]) -> None:
    found = calls(dumped("zoo.Species", primary_keys=keys))
    assert [int(row[len("zoo_species(")]) for row in found] == expected


@pytest.mark.parametrize("labels", [[], ["zoo"], ["zoo.Species", "zoo.Animal"]])
def test_pks_needs_one_model(labels: list[str]) -> None:
    with pytest.raises(CommandError, match="--pks option with one model"):
        dumped(*labels, primary_keys="1")


def test_pks_of_the_wrong_type_are_an_error() -> None:
    with pytest.raises(CommandError, match="abc"):
        dumped("zoo.Species", primary_keys="abc")


@pytest.mark.sql
def test_pks_may_be_uuids() -> None:
    chip = zoo.Chip.objects.create(label="wanted")
    zoo.Chip.objects.create(label="other")
    assert len(calls(dumped("zoo.Chip", primary_keys=str(chip.pk)))) == 1


def test_output_writes_the_dump_to_the_file_and_nothing_to_stdout(
    species: None, tmp_path: Path
) -> None:
    path = tmp_path / "dump.py"
    said = called("dumpdata", "zoo.Species", format="py", output=str(path))
    assert said.out == ""
    assert path.read_bytes() == dumped("zoo.Species").encode()


@pytest.mark.parametrize(("suffix", "decompress"), COMPRESSIONS.items())
def test_the_ending_of_the_output_says_how_it_is_compressed(
    species: None, tmp_path: Path, suffix: str, decompress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"dump.py{suffix}"
    called("dumpdata", "zoo.Species", format="py", output=str(path))
    assert decompress(path.read_bytes()) == dumped("zoo.Species").encode()


def test_a_zip_archive_is_not_written_and_that_is_said(species: None, tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"Unsupported file extension \(.zip\)"):
        called("dumpdata", "zoo.Species", format="py", output=str(tmp_path / "dump.py.zip"))
    assert [path.name for path in tmp_path.iterdir()] == ["dump.py"]


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_compressed_dumps_of_the_same_data_are_the_same_bytes(
    species: None, tmp_path: Path, suffix: str
) -> None:
    one, other = tmp_path / f"one.py{suffix}", tmp_path / f"other.py{suffix}"
    for path in (one, other):
        called("dumpdata", "zoo.Species", format="py", output=str(path))
    assert one.read_bytes() == other.read_bytes()


def test_indent_changes_nothing(species: None) -> None:
    assert dumped("zoo", indent=4) == dumped("zoo")


@pytest.mark.sql
def test_database_says_where_the_rows_are_from(species: None) -> None:
    zoo.Species.objects.using("other").create(pk=9, latin="Corvus corax")
    found = calls(dumped("zoo.Species", database="other"))
    assert found == ["zoo_species(9, 'Corvus corax')"]


@pytest.mark.parametrize("verbosity", [0, 1, 2, 3])
def test_the_verbosity_does_not_change_the_dump(species: None, verbosity: int) -> None:
    assert dumped("zoo", verbosity=verbosity) == dumped("zoo")


def test_a_terminal_sees_progress_while_a_file_is_written(species: None, tmp_path: Path) -> None:
    terminal = Terminal()
    path = tmp_path / "dump.py"
    call_command("dumpdata", "zoo", format="py", output=str(path), stdout=terminal)
    assert "[" + "." * 75 + "]" in terminal.getvalue()


@pytest.mark.parametrize(("output", "verbosity"), [(False, 1), (True, 0)])
def test_no_progress_without_a_file_or_at_verbosity_0(
    species: None, tmp_path: Path, output: bool, verbosity: int
) -> None:
    terminal = Terminal()
    path = str(tmp_path / "dump.py") if output else None
    call_command("dumpdata", "zoo", format="py", output=path, verbosity=verbosity, stdout=terminal)
    assert "...." not in terminal.getvalue()


def test_other_formats_are_written_by_django(species: None) -> None:
    assert json.loads(called("dumpdata", "zoo.Animal", format="json").out)[0]["pk"] == 1


def test_the_default_format_is_still_json(species: None) -> None:
    assert json.loads(called("dumpdata", "zoo.Animal").out)[0]["pk"] == 1


def test_an_empty_database_gives_a_dump_without_rows() -> None:
    text = dumped("music")
    assert calls(text) == []
    assert text.endswith("def objects():\n    return []\n\n# dumpy: end\n")


def test_a_model_without_a_table_is_left_out_and_named(species: None) -> None:
    said = called("dumpdata", "zoo", format="py")
    assert "Dodo" not in said.out
    assert "zoo.Dodo is left out: the table 'zoo_dodo' does not exist." in said.err


def test_a_model_without_a_table_that_is_asked_for_alone_is_left_out_and_named() -> None:
    said = called("dumpdata", "zoo.Dodo", format="py")
    assert calls(said.out) == []
    assert "zoo.Dodo is left out" in said.err


@pytest.mark.sql
def test_a_database_view_is_left_out_and_named() -> None:
    zoo.Creature.objects.create(pk=1, name="giraffe", height=500)
    said = called("dumpdata", "zoo.TallCreature", format="py")
    assert calls(said.out) == []
    assert (
        "zoo.TallCreature is left out: the table 'zoo_tallcreature' is a view of "
        "other tables." in said.err
    )


def test_sessions_are_left_out_and_named() -> None:
    Session.objects.create(session_key="s", session_data="secret", expire_date=timezone.now())
    said = called("dumpdata", "sessions", format="py")
    assert "secret" not in said.out
    assert "sessions.Session is left out: sessions are not moved." in said.err


def test_content_types_are_left_out_and_named() -> None:
    said = called("dumpdata", "contenttypes", format="py")
    assert calls(said.out) == []
    assert "contenttypes.ContentType is left out" in said.err


def test_at_verbosity_0_only_rows_that_somebody_may_need_are_named(tmp_path: Path) -> None:
    zoo.Resident.everyone.create(pk=2, name="left", left=True)
    labels = ["zoo.Resident", "contenttypes"]
    said = called("dumpdata", *labels, format="py", verbosity=0)
    assert "hides them" in said.err
    assert "ContentType" not in said.err
    assert called("dump2py", str(tmp_path / "dump"), *labels, verbosity=0).err == ""
    assert "ContentType" in called("dump2py", str(tmp_path / "again"), *labels).err


def test_a_default_manager_that_raises_is_named_with_the_way_around_it() -> None:
    token = tenant_required.set(True)
    try:
        with pytest.raises(CommandError, match=r"zoo\.Visit.*no tenant is set.*--all"):
            dumped("zoo.Visit")
    finally:
        tenant_required.reset(token)


def test_all_goes_around_a_default_manager_that_raises() -> None:
    zoo.Visit.objects.create(pk=1, visitor="Ada")
    token = tenant_required.set(True)
    try:
        assert calls(dumped("zoo.Visit", use_base_manager=True)) == ["zoo_visit(1, 'Ada')"]
    finally:
        tenant_required.reset(token)


def test_what_a_manager_prints_goes_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], species: None
) -> None:
    expected = dumped("zoo.Visit", "zoo.Species")
    quiet = zoo.Visit.objects.__class__.get_queryset

    def loud(self):
        print("DEBUG: visits are asked for")
        return quiet(self)

    monkeypatch.setattr(zoo.Visit.objects.__class__, "get_queryset", loud)
    call_command("dumpdata", "zoo.Visit", "zoo.Species", format="py")
    captured = capsys.readouterr()
    assert captured.out == expected
    assert "DEBUG: visits are asked for" in captured.err


def test_a_value_that_would_not_come_back_is_refused_by_name() -> None:
    zoo.Plumage.objects.create(pk=3, colour=Colour("red", "dark"))
    with pytest.raises(CommandError, match=r"zoo\.Plumage\(pk=3\).*'colour'"):
        dumped("zoo.Plumage")


@pytest.mark.sqlite
@pytest.mark.postgresql
@pytest.mark.parametrize("table", ["django_session", "auth_user_groups", "music_genre"])
def test_a_table_that_is_missing_does_not_stop_the_dump(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP TABLE {table} CASCADE"
            if connection.vendor != "sqlite"
            else f"DROP TABLE {table}"
        )
    assert "SOURCE_VERSION" in dumped("sessions", "music.Genre", "auth.User")


def test_many_to_manys_are_sorted_lists() -> None:
    for pk in (1, 2, 3):
        zoo.Animal.objects.create(pk=pk, name=f"animal {pk}")
    zoo.Animal.objects.get(pk=1).prey.add(3, 1, 2)
    assert calls(dumped("zoo.Animal"))[0] == "zoo_animal(1, 'animal 1', None, [], [1, 2, 3], [])"


@pytest.mark.sql
def test_dumping_takes_no_query_per_row(django_assert_max_num_queries) -> None:
    for pk in range(1, 60):
        zoo.Nest.objects.create(pk=pk, height=pk, tree=zoo.Tree.trees.create(name="oak"))
    with django_assert_max_num_queries(20):
        assert len(calls(dumped("zoo.Nest"))) == 59


def test_the_dump_of_a_full_database_can_be_imported_by_anyone(tmp_path: Path) -> None:
    fill()
    namespace: dict[str, object] = {}
    exec(compile(dumped(use_base_manager=True), "dump.py", "exec"), namespace)
    given = [instance for section in namespace["objects"]() for instance in section]
    assert {type(one) for one in given} >= {zoo.Animal, Group, Permission}
    assert all(one._state.adding for one in given)


def test_an_output_called_py_in_another_format_is_said(species: None, tmp_path: Path) -> None:
    said = called("dumpdata", "zoo.Species", output=str(tmp_path / "dump.py"))
    assert "For a dump in Python, use --format=py. This writes JSON." in said.err
    said = called("dumpdata", "zoo.Species", output=str(tmp_path / "dump.json"))
    assert said.err == ""


def test_a_dump_in_python_under_the_name_of_another_format_is_named_when_written_and_loaded(
    species: None, tmp_path: Path
) -> None:
    path = tmp_path / "dump.json"
    said = called("dumpdata", "zoo.Species", format="py", output=str(path))
    assert said.err == (
        f"{path}: This writes a dump in Python: loaddata needs a name that ends with .py.\n"
    )
    with pytest.raises(CommandError, match=r"is a dump in Python\. Rename it to dump\.py\.$"):
        call_command("loaddata", path)
    assert called("dumpdata", "zoo.Species", format="py", output=str(tmp_path / "dump")).err == ""
