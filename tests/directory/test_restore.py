"""`manage.py run DIR/restore.py`: the database is that of the dump, or as it was."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from django.conf import settings
from dumps import resealed
from sites import Site
from small_shop import FILLED, MODELS, data

from dumpy.engines.mysql import additional_database

# Connections to PostgreSQL look at the types in the database of the tests, which this makes.
pytestmark = pytest.mark.django_db

is_sqlite = settings.ENGINE == "sqlite"


def edit(path: Path, *replacements: tuple[str, str]) -> None:
    """Edit a file as a person would."""
    text = path.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def edit_restore(dump: Path, *replacements: tuple[str, str]) -> None:
    """Edit the ``restore.py`` of a dump."""
    edit(dump / "restore.py", *replacements)


def edit_program(dump: Path, *replacements: tuple[str, str]) -> None:
    """Make the ``restore.py`` of a dump a program, and edit it."""
    edit_restore(dump, ("# dumpy: format 1", "# dumpy: program 1"), *replacements)


def change(site: Site) -> None:
    """Make the database another than that of the dump."""
    site.execute("DELETE FROM shop_album_similar")
    site.execute("DELETE FROM shop_album")
    site.execute("UPDATE shop_artist SET name = 'somebody else'")


@pytest.fixture
def restored(site: Site, dump: Path) -> dict[str, list[str]]:
    """Return the rows of a database that was just restored, and then changed."""
    site.restore(dump)
    rows = data(site)
    change(site)
    assert data(site) != rows
    return rows


def change_models(site: Site, old: str, new: str) -> None:
    """Let the schema move on."""
    assert old in MODELS
    site.write({"shop/models.py": MODELS.replace(old, new)})
    site.succeed("shell", "-v0", "-c", MAKE_MIGRATION)


MAKE_MIGRATION = """
import zlib
from pathlib import Path
from django.core.management import call_command
from django.db.migrations.questioner import MigrationQuestioner
MigrationQuestioner.ask_rename = lambda *args: True
MigrationQuestioner.ask_rename_model = lambda *args: True
# Another test has left its migration in the database, which must not be taken for this one.
name = f"more_{zlib.crc32(Path('shop/models.py').read_bytes())}"
call_command("makemigrations", "shop", "-n", name, "--noinput", verbosity=0)
"""


@pytest.mark.sql
def test_the_content_is_that_of_the_dump(
    site: Site, dump: Path, restored: dict[str, list[str]]
) -> None:
    said = site.restore(dump)
    assert said.endswith("Restored.\n")
    assert data(site) == restored


@pytest.mark.sql
def test_rows_of_migrations_give_way(site: Site, dump: Path) -> None:
    site.restore(dump)
    assert "by a migration" not in str(data(site))


@pytest.mark.sql
def test_the_next_keys_are_free(site: Site, dump: Path) -> None:
    site.restore(dump)
    site.execute("INSERT INTO shop_artist (name) VALUES ('next')")
    ((key,),) = site.execute("SELECT id FROM shop_artist WHERE name = 'next'")
    assert key == 8


@pytest.mark.parametrize("typed", ["", "\n", "n\n", "nonsense\n"])
def test_it_asks_first_and_means_no(site: Site, dump: Path, typed: str) -> None:
    before = site.contents()
    done = site.manage("run", dump / "restore.py", typed=typed)
    assert done.returncode == 1
    assert re.search(r"^total +[\d,]+ +[\d,]+$", done.stdout, re.MULTILINE)
    name = site.databases["default"]["NAME"]
    assert re.search(
        rf"Replace the contents of the database {re.escape(str(name))} on .+\? \[y/N\] ",
        done.stdout,
    )
    assert site.contents() == before


def test_it_goes_on_after_a_yes(site: Site, dump: Path, restored: dict[str, list[str]]) -> None:
    site.succeed("run", dump / "restore.py", typed="y\n")
    assert data(site) == restored


@pytest.mark.sql
def test_a_dry_run_changes_nothing(site: Site, dump: Path, restored: object) -> None:
    before = site.contents()
    said = site.restore(dump, "--dry-run")
    assert said.endswith("Dry run complete: the restore would succeed. Nothing was changed.\n")
    assert site.contents() == before


@pytest.mark.sql
def test_another_database_is_restored(site_with_other: Site, unblocked: None) -> None:
    site, before = site_with_other, site_with_other.contents()
    assert data(site, "other") != data(site)
    site.restore(site.the_dump, "--database", "other")
    assert data(site, "other") == data(site)
    assert site.contents() == before


@pytest.mark.sql
def test_a_table_that_is_not_of_the_project_stays(site: Site, dump: Path) -> None:
    site.execute("CREATE TABLE stranger (name varchar(10))")
    site.execute("INSERT INTO stranger VALUES ('here')")
    try:
        site.restore(dump)
        assert site.contents()["stranger"] == ["('here',)"]
    finally:
        site.execute("DROP TABLE stranger")


def test_an_edited_restore_is_only_mentioned(
    site: Site, dump: Path, restored: dict[str, list[str]]
) -> None:
    edit_restore(dump, ("SOURCE_VERSION", "# mine\nSOURCE_VERSION"))
    assert site.restore(dump).startswith("restore.py was edited since it was written.\n")
    assert data(site) == restored


def test_it_runs_in_any_working_directory(
    site: Site, dump: Path, restored: dict[str, list[str]]
) -> None:
    site.succeed("run", "restore.py", "-b", cwd=dump)
    assert data(site) == restored


# What keeps a dump out: the database is as it was, and the message says where and what.


def test_a_bad_row_is_named(site: Site, dump: Path) -> None:
    """L4"""
    edit(
        dump / "shop_album.py",
        ("create_shop_album(6, 'Album 2', 7", "create_shop_album(6, 'Album 2', 5"),
    )
    resealed(dump, "shop_album.py")
    said = site.refuse(dump)
    assert "shop_album.py:5: shop.Album(pk=6): artist_id=5 refers to a row" in said
    assert "The database is as it was." in said


def test_content_that_is_not_the_dumps_is_refused(site: Site, dump: Path) -> None:
    edit(dump / "shop_album.py", ("'Album 2'", "'Album 3'"))
    resealed(dump, "shop_album.py")
    assert "the content of shop.Album is not that of the dump" in site.refuse(dump)


def test_a_row_of_the_wrong_width_is_named(site: Site, dump: Path) -> None:
    edit(dump / "shop_artist.py", ("(1, 'Ada')", "(1)"))
    resealed(dump, "shop_artist.py")
    assert "shop_artist.py:4: the row has 1 value" in site.refuse(dump)


def test_an_unknown_model_is_named_with_the_line_to_edit(site: Site, dump: Path) -> None:
    edit_restore(dump, ("'shop.Album'", "'shop.Record'"))
    said = site.refuse(dump)
    lines = (dump / "restore.py").read_text().splitlines()
    line = lines.index("    'shop_album.py',") + 1
    assert f"restore.py:{line}: shop.Record: there is no such model" in said
    assert "Comment the line out in TABLES." in said


def test_a_removed_model_needs_one_line(site: Site, dump: Path) -> None:
    edit_restore(
        dump, ("'shop.Album'", "'shop.Record'"), ("    'shop_album.py'", "    # 'shop_album.py'")
    )
    site.restore(dump)
    assert len(data(site)["shop_artist"]) == 2
    assert data(site)["shop_album"] == []


def test_a_removed_field_needs_one_line(site: Site, dump: Path) -> None:
    """L4"""
    price = "    price = models.DecimalField(max_digits=6, decimal_places=2, null=True)\n"
    change_models(site, price, "")
    said = site.refuse(dump)
    line = (dump / "restore.py").read_text().splitlines().index("        price=price,") + 1
    assert f"restore.py:{line}: shop.Album.price: there is no such field" in said
    assert "Comment the line out." in said
    edit_restore(dump, ("        price=price", "        # price=price"))
    site.restore(dump)
    assert len(data(site)["shop_album"]) == 25


def test_a_renamed_field_needs_one_name(site: Site, dump: Path) -> None:
    change_models(site, "    name = models", "    full_name = models")
    assert "shop.Artist.name: was renamed to full_name" in site.refuse(dump)
    edit_restore(dump, ("        name=name", "        full_name=name"))
    site.restore(dump)
    assert data(site)["shop_artist"][0] == "(1, 'Ada')"


def test_a_rename_to_a_field_without_a_default_is_one_message(site: Site, dump: Path) -> None:
    change_models(site, "    name = models", "    full_name = models")
    said = site.refuse(dump)
    assert said.count("restore.py:") == 1
    assert "--ignorenonexistent" not in said


def test_a_new_field_with_a_default_needs_no_hand(site: Site, dump: Path) -> None:
    price = "    price = models.DecimalField(max_digits=6, decimal_places=2, null=True)\n"
    change_models(site, price, f"{price}    stars = models.IntegerField(default=3)\n")
    site.restore(dump)
    assert site.execute("SELECT DISTINCT stars FROM shop_album") == [(3,)]


def test_a_table_left_out_of_tables_is_empty(site: Site, dump: Path) -> None:
    edit_restore(dump, ("    'shop_album.py'", "    # 'shop_album.py'"))
    site.restore(dump)
    assert data(site)["shop_album"] == []
    assert len(data(site)["shop_artist"]) == 2


# Code in restore.py: whose first line says so is run.


def test_a_create_function_that_is_code_is_called(site: Site, dump: Path) -> None:
    edit_program(dump, ("        name=name", "        name=name.upper()"))
    site.restore(dump)
    assert data(site)["shop_artist"][0] == "(1, 'ADA')"
    assert len(data(site)["shop_album"]) == 25


def test_a_create_function_that_is_code_may_yield_several_objects(site: Site, dump: Path) -> None:
    before = "    return new(\n        shop_Artist,\n        id=id,\n        name=name,\n    )\n"
    several = "    for key in (id, id + 100):\n        yield new(shop_Artist, id=key, name=name)\n"
    edit_program(dump, (before, several))
    site.restore(dump)
    keys = site.execute("SELECT id FROM shop_artist ORDER BY id")
    assert keys == [(1,), (7,), (101,), (107,)]


def test_a_create_function_that_is_code_may_leave_rows_out(site: Site, dump: Path) -> None:
    edit_program(
        dump,
        (
            "def create_shop_album(id, title, artist_id, price, similar):\n",
            "def create_shop_album(id, title, artist_id, price, similar):\n"
            "    if id > 30:\n        return None\n",
        ),
    )
    site.restore(dump)
    assert len(data(site)["shop_album"]) == 10
    assert data(site)["shop_album_similar"] == ["(3, 6)", "(6, 3)"]


def test_code_that_changes_another_function_is_heard(site: Site, dump: Path) -> None:
    edit_program(
        dump,
        (
            "\n\nTABLES",
            "\n\nplain = create_shop_artist\n\n\n"
            "create_shop_artist = lambda id, name: plain(id, name * 2)\n\n\nTABLES",
        ),
    )
    site.restore(dump)
    assert data(site)["shop_artist"][0] == "(1, 'AdaAda')"


BEFORE_MAIN = "\n\nif __name__ =="


def add_code(dump: Path, code: str) -> None:
    """Put code before the last lines of a ``restore.py``."""
    edit_program(dump, (BEFORE_MAIN, f"\n\n{code}\n{BEFORE_MAIN}"))


def test_a_function_that_takes_the_place_of_a_word_is_called(site: Site, dump: Path) -> None:
    add_code(
        dump,
        "def new(model, similar=None, **values):\n"
        "    return model(**{k: v.upper() if k == 'name' else v for k, v in values.items()})",
    )
    site.restore(dump)
    assert data(site)["shop_artist"][0] == "(1, 'ADA')"


@pytest.mark.sql
def test_code_writes_into_the_database_that_is_restored(
    site_with_other: Site, tmp_path: Path, unblocked: None
) -> None:
    site, before = site_with_other, site_with_other.contents()
    dump = shutil.copytree(site.the_dump, tmp_path / "dump")
    add_code(
        dump,
        "create = create_shop_album\n\n\n"
        "def create_shop_album(*values):\n"
        "    shop_Artist.objects.get_or_create(id=99, name='of code')\n"
        "    return create(*values)",
    )
    site.restore(dump, "--database", "other")
    assert "(99, 'of code')" in data(site, "other")["shop_artist"]
    assert site.contents() == before


@pytest.mark.parametrize("command", ["restore", "run"])
def test_the_first_lines_of_a_program_query_the_database_to_restore(
    command: str, site_with_other: Site, unblocked: None
) -> None:
    site = site_with_other
    count = "with open('seen', 'w') as file:\n    print(shop_Artist.objects.count(), file=file)\n"
    edit_program(site.the_dump, ("\n\nTABLES", f"\n\n{count}\nTABLES"))
    path = site.the_dump / "restore.py" if command == "run" else site.the_dump
    for number in ("1\n", "2\n"):
        site.succeed(command, path, "-b", "--database=other")
        assert (site.directory / "seen").read_text() == number
        site.execute("DELETE FROM shop_album_similar")
        site.execute("DELETE FROM shop_album")
        site.execute("DELETE FROM shop_artist")


def test_a_data_migration_that_names_no_database_changes_the_one_that_is_restored(
    site_with_other: Site, unblocked: None
) -> None:
    site = site_with_other
    update = 'apps.get_model("shop", "Artist").objects.update(name="changed")'
    migration = FILLED.replace("0001_initial", "0002_fill").replace(
        FILLED[FILLED.index("    Artist =") : FILLED.index("\n\n\nclass")], f"    {update}"
    )
    site.write({"shop/migrations/0003_change.py": migration})
    before = site.contents()
    site.succeed("restore", site.the_dump, "-b", "--database=other", "--through-migrations")
    assert {name for (name,) in site.execute("SELECT name FROM shop_artist", "other")} == {
        "changed"
    }
    assert site.contents() == before


def test_code_may_take_a_file_from_tables(site: Site, dump: Path) -> None:
    add_code(dump, "TABLES.remove('shop_album.py')")
    said = site.restore(dump)
    assert "loading shop_album.py" not in said
    assert data(site)["shop_album"] == []
    assert len(data(site)["shop_artist"]) == 2


def test_what_code_lists_must_be_a_file_of_the_dump(site: Site, dump: Path) -> None:
    add_code(dump, "TABLES[:] = [name.upper() for name in TABLES]")
    assert "restore.py:" in (said := site.refuse(dump))
    assert "the file 'SHOP_ARTIST.PY' is not in the manifest." in said


def test_what_code_lists_must_be_a_list(site: Site, dump: Path) -> None:
    add_code(dump, "globals()['TABLES'] = {'shop_artist.py': 1}")
    assert "TABLES is of type dict, not a list of texts." in site.refuse(dump)


def test_a_function_that_code_takes_away_is_missed_where_its_rows_are(
    site: Site, dump: Path
) -> None:
    add_code(dump, "del create_shop_album")
    assert "shop_album.py:4: restore.py has no function create_shop_album." in site.refuse(dump)


def test_code_that_fails_is_named_with_the_row(site: Site, dump: Path) -> None:
    edit_program(dump, ("        name=name", "        name=name + 1"))
    assert "shop_artist.py:4: create_shop_artist: TypeError" in site.refuse(dump)


def test_code_that_gives_no_object_is_refused(site: Site, dump: Path) -> None:
    edit_program(dump, ("    return new(\n        shop_Artist", "    return dict(\n        x=1"))
    assert "shop_artist.py:4: create_shop_artist gives {'x': 1" in site.refuse(dump)


def test_code_in_a_restore_py_that_is_data_is_refused(site: Site, dump: Path) -> None:
    edit_restore(dump, ("        name=name", "        name=name.upper()"))
    said = site.refuse(dump)
    assert "restore.py:24: name.upper() is more than a parameter or a value." in said
    assert "write '# dumpy: program 1' as its first line" in said


def test_what_is_run_is_said(site: Site, dump: Path) -> None:
    edit_program(dump, ("        name=name", "        name=name.upper()"))
    assert "Running " in site.restore(dump)


def test_an_error_of_a_program_names_its_line(site: Site, dump: Path) -> None:
    edit_program(dump, ("TABLES = [", "nonsense\nTABLES = ["))
    lines = (dump / "restore.py").read_text().splitlines()
    reason = "NameError: name 'nonsense' is not defined"
    place = f"{dump / 'restore.py'}:{lines.index('nonsense') + 1}"
    for command in (["restore", dump], ["run", dump / "restore.py"]):
        assert f"{place}: {reason}" in site.refused(*command, "-b")
    assert place in site.fail("checkdump", dump)


def test_an_error_of_a_create_function_names_the_row_and_the_line(site: Site, dump: Path) -> None:
    edit_program(dump, ("        similar=similar", "        similar=nonsense"))
    lines = (dump / "restore.py").read_text().splitlines()
    place = f"{dump / 'restore.py'}:{lines.index('        similar=nonsense,') + 1}"
    said = site.refused("restore", dump, "-b")
    assert "shop_album.py:" in said
    assert f"NameError: name 'nonsense' is not defined. See {place}." in said


@pytest.mark.parametrize("line", ["", "# dumpy: format l\n", "#!dumpy: program 1\n"])
def test_a_restore_py_without_its_first_line_is_not_run(site: Site, dump: Path, line: str) -> None:
    edit_restore(dump, ("# dumpy: format 1\n", f"{line}open('ran', 'w')\n"))
    site.refuse(dump)
    assert not (site.directory / "ran").exists()


def test_fields_and_tables_that_an_edit_leaves_out_are_named(site: Site, dump: Path) -> None:
    edit_restore(
        dump,
        ("        similar=similar", "        #imilar=similar"),
        ("    'shop_artist.py'", "    #shop_artist.py'"),
    )
    said = site.refuse(dump)
    assert "shop.Album: similar is left out (25 rows)" in said
    assert "shop.Artist is not listed in TABLES" in said


def test_so_are_fields_that_a_program_does_not_use(site: Site, dump: Path) -> None:
    edit_program(
        dump,
        ("        similar=similar", "        #imilar=similar"),
        ("        title=title", "        title=title.upper()"),
    )
    sentence = "shop.Album: similar is left out (25 rows)"
    assert sentence in site.succeed("checkdump", dump)
    assert site.restore(dump).count(sentence) == 2


def test_code_beside_a_model_that_was_removed_needs_one_line(site: Site, dump: Path) -> None:
    change_models(site, MODELS[MODELS.index("class Album") :], "")
    edit_program(dump, ("        name=name", "        name=name.upper()"))
    said = site.refuse(dump)
    assert "shop_album.py" in said or "there is no model 'shop.Album'" in said
    edit_restore(dump, ("    'shop_album.py'", "    # 'shop_album.py'"))
    site.restore(dump)
    assert site.execute("SELECT name FROM shop_artist WHERE id = 1") == [("ADA",)]


# Rows that cannot be restored, kept out.


@pytest.fixture
def damaged(dump: Path) -> Path:
    """Return a dump with an artist that is refused, and an album that refers to nothing."""
    edit(dump / "shop_artist.py", ("create_shop_artist(1, 'Ada')", "create_shop_artist(1, None)"))
    edit(
        dump / "shop_album.py", ("create_shop_album(3, 'Album 1', 7", "create_shop_album(3, 'A', 1")
    )
    edit(
        dump / "shop_album.py", ("create_shop_album(9, 'Album 3', 7", "create_shop_album(9, 'B', 5")
    )
    resealed(dump, "shop_artist.py", "shop_album.py")
    return dump


def keep_going(site: Site, dump: Path, *args: str) -> str:
    """Restore what can be restored, and return what is said."""
    return site.fail("run", dump / "restore.py", "-b", "--keep-going", *args)


@pytest.mark.sql
def test_rows_that_cannot_be_restored_are_kept_out_with_what_refers_to_them(
    site: Site, damaged: Path
) -> None:
    said = keep_going(site, damaged)
    path = damaged.parent / "dump-rejected.py"
    # Album 6 is similar to album 3.
    assert "4 rows were rejected; the other rows are in the database." in said
    assert said.endswith(f"manage.py loaddata {path}\n")
    assert data(site)["shop_artist"] == ["(7, \"Bach \\u2028 'quoted'\")"]
    assert len(data(site)["shop_album"]) == 22
    assert data(site)["shop_album_similar"] == []


def test_the_rejected_rows_are_loaded_when_they_are_corrected(site: Site, damaged: Path) -> None:
    keep_going(site, damaged)
    path = damaged.parent / "dump-rejected.py"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (
        "    # artist_id=5 refers to a row of shop.Artist that does not exist. (shop_album.py:6)"
        in (path.read_text(encoding="utf-8"))
    )
    edit(path, ("(1, None)", "(1, 'Ada')"), ("(9, 'B', 5,", "(9, 'B', 1,"))
    site.succeed("loaddata", path)
    assert len(data(site)["shop_album"]) == 25
    assert data(site)["shop_artist"][0] == "(1, 'Ada')"
    assert data(site)["shop_album_similar"] == ["(3, 6)", "(6, 3)"]


def test_the_dump_can_be_restored_again_beside_its_rejected_rows(site: Site, damaged: Path) -> None:
    keep_going(site, damaged)
    keep_going(site, damaged)
    names = sorted(path.name for path in damaged.parent.iterdir())
    assert names == ["dump", "dump-rejected-2.py", "dump-rejected.py"]


def test_with_keep_going_other_content_that_is_not_the_dumps_is_refused(
    site: Site, damaged: Path
) -> None:
    edit(damaged / "shop_artist.py", ("(1, None)", "(1, 'Eve')"))
    edit(damaged / "shop_album.py", ("(3, 'A', 1", "(3, 'A', 7"))
    resealed(damaged, "shop_artist.py", "shop_album.py")
    before = site.contents()
    assert "the content of shop.Artist is not that of the dump" in keep_going(site, damaged)
    assert site.contents() == before


def test_with_keep_going_and_a_sound_dump_all_is_well(
    site: Site, dump: Path, restored: dict[str, list[str]]
) -> None:
    site.restore(dump, "--keep-going")
    assert data(site) == restored
    assert [path.name for path in dump.parent.iterdir()] == ["dump"]


def test_a_dry_run_says_which_rows_would_be_rejected(site: Site, damaged: Path) -> None:
    before = site.contents()
    said = keep_going(site, damaged, "--dry-run")
    assert "shop_album.py:6: shop.Album(pk=9): artist_id=5 refers to a row" in said
    assert site.contents() == before
    assert [path.name for path in damaged.parent.iterdir()] == ["dump"]


def test_keep_going_is_not_for_models_of_the_past(site: Site, dump: Path) -> None:
    said = site.refuse(dump, "--keep-going", "--through-migrations")
    assert "cannot be used together" in said


# Rows of models that have moved on are validated.


@pytest.fixture
def stricter(site: Site, dump: Path) -> Path:
    """Return a dump of a model that has got a field since, and rules for those it had."""
    title = "    title = models.CharField(max_length=100)\n"
    price = "null=True)\n    similar"
    text = MODELS.replace(
        title, "    title = models.CharField(max_length=100, choices=CHOICES)\n"
    ).replace(price, "null=True)\n    stars = models.IntegerField(default=3)\n    similar")
    site.write(
        {"shop/models.py": f"CHOICES = [(f'Album {{n}}', '') for n in range(3, 26)]\n{text}"}
    )
    site.succeed("shell", "-v0", "-c", MAKE_MIGRATION)
    return dump


def test_rows_that_a_model_which_has_changed_no_longer_takes_are_refused(
    site: Site, stricter: Path
) -> None:
    said = site.refuse(stricter)
    assert "2 objects could not be loaded" in said
    assert (
        "shop_album.py:4: shop.Album(pk=3): title: Value 'Album 1' is not a valid choice." in said
    )
    assert "shop_album.py:5: shop.Album(pk=6): title: Value 'Album 2'" in said
    assert "add --quick" in said


def test_quick_never_validates(site: Site, stricter: Path) -> None:
    site.restore(stricter, "--quick")
    assert len(data(site)["shop_album"]) == 25


@pytest.mark.sql
def test_rows_that_are_no_longer_valid_can_be_kept_out(site: Site, stricter: Path) -> None:
    assert "2 rows were rejected" in keep_going(site, stricter)
    assert len(data(site)["shop_album"]) == 23


def test_rows_of_a_model_that_has_not_changed_are_not_validated(site: Site, dump: Path) -> None:
    change_models(
        site, "name = models.CharField(max_length=100)",
        "name = models.CharField(max_length=100, choices=[('x', 'y')])",
    )  # fmt: skip
    site.restore(dump)
    assert data(site)["shop_artist"][0] == "(1, 'Ada')"


def test_full_clean_validates_all_rows(site: Site, dump: Path) -> None:
    change_models(
        site, "name = models.CharField(max_length=100)",
        "name = models.CharField(max_length=100, choices=[('x', 'y')])",
    )  # fmt: skip
    said = site.refuse(dump, "--full-clean")
    assert "shop_artist.py:4: shop.Artist(pk=1): name: Value 'Ada' is not a valid choice." in said


# Faults.


@pytest.mark.sql
def test_a_migration_that_fails_leaves_the_database_as_it_was(site: Site, dump: Path) -> None:
    (site.directory / "shop" / "migrations" / "0003_bad.py").write_text(
        "from django.db import migrations\n"
        "class Migration(migrations.Migration):\n"
        "    dependencies = [('shop', '0002_fill')]\n"
        "    operations = [migrations.RunPython(lambda *args: 1 / 0)]\n"
    )
    assert "ZeroDivisionError" in site.refuse(dump, "--through-migrations")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.sql
def test_a_restore_that_is_ended_says_so(site: Site, dump: Path, number: int) -> None:
    """L5"""
    before = site.contents()
    killer = f"def create_shop_artist(id, name):\n    os.kill(os.getpid(), {int(number)})"
    edit_restore(dump, ("def main", f"import os\n\n\n{killer}\n\n\ndef main"))
    assert site.manage("run", dump / "restore.py", "-b").returncode != 0
    assert site.contents() == before


ENDS = """
from django.db import connection
from django.db.utils import ConnectionHandler
from dumpy.engines.base import Rebuilt
from dumpy.restoring.target import replacing

ask, end = {
    "postgresql": ("pg_backend_pid()", "SELECT pg_terminate_backend(%s)"),
    "mysql": ("CONNECTION_ID()", "KILL %s"),
}[connection.vendor]
other = ConnectionHandler({"default": connection.settings_dict})["default"]
other.ensure_connection()
tables = connection.introspection.django_table_names()
with replacing("default", rebuilt=Rebuilt([*tables, "django_migrations"])):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {ask}")
        (process,) = cursor.fetchone()
    with other.cursor() as cursor:
        cursor.execute(end, [process])
"""


@pytest.mark.skipif(is_sqlite, reason="there is no connection to lose")
@pytest.mark.sql
def test_an_outcome_that_nobody_can_know_is_called_unknown(site: Site) -> None:
    """F12, F13"""
    (site.directory / "ends.py").write_text(ENDS)
    before = site.contents()
    assert "it is unknown whether the database was restored" in site.fail("run", "ends.py")
    assert site.contents() == before


@pytest.mark.sql
def test_a_restore_within_a_transaction_is_refused(site: Site) -> None:
    script = site.directory / "within.py"
    script.write_text(
        "from django.db import transaction\n"
        "from dumpy.restoring.target import replacing\n"
        "with transaction.atomic(), replacing('default'):\n    pass\n"
    )
    assert "call it outside of atomic()" in site.fail("run", script)


@pytest.mark.mysql
def test_two_restores_at_once_are_refused(site: Site, dump: Path) -> None:
    """F21"""
    name = site.databases["default"]["NAME"]
    connection = site.connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [additional_database(name, "stage")])
        assert "Another restore of" in site.refuse(dump)
    connection.close()


def test_code_that_ends_the_process_restores_nothing_and_says_so(site: Site, dump: Path) -> None:
    edit_program(
        dump, ("    return new(\n        shop_Artist", "    exit(0)\n    new(\n        shop_Artist")
    )
    said = site.refuse(dump)
    assert "sys.exit(0)" in said
    assert "The database is as it was." in said
