"""`mergedump` merges two versions of a dump by key and field, and marks what it cannot."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from dumps import Rows, module, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from running import Project

from dumpy import reading
from dumpy.checking.merge import MergeResult, merge
from dumpy.errors import DumpyError, FixtureError

BASE = [(1, "Saw", 1), (2, "Axe", 2), (3, "Nail", 3)]


def products(values: Any, fields: str = "id name size") -> Rows:
    """Return rows of products."""
    return rows("shop.Product", fields, *values)


def merged(directory: Path, base: str, ours: str, theirs: str) -> MergeResult:
    """Merge three texts."""
    paths = [directory / name for name in ("base.py", "ours.py", "theirs.py")]
    for path, text in zip(paths, (base, ours, theirs), strict=True):
        path.write_text(text, encoding="utf-8")
    return merge(*paths)


def rows_of(text: str) -> list[tuple[object, ...]]:
    """Return all rows of a dump."""
    with reading.open(text) as dump:
        return [row.values for table in dump.tables for row in table.rows()]


def together(directory: Path, ours: Any, theirs: Any, base: Any = BASE) -> MergeResult:
    """Merge rows of products."""
    return merged(directory, *(module(products(one)) for one in (base, ours, theirs)))


def test_each_field_is_taken_from_the_side_that_has_changed_it(tmp_path: Path) -> None:
    found = together(tmp_path, [(1, "Big saw", 1), *BASE[1:]], [(1, "Saw", 9), *BASE[1:]])
    assert rows_of(found.text) == [(1, "Big saw", 9), *BASE[1:]]
    assert found.conflicts == 0


def test_rows_that_sides_have_added_and_removed_are_added_and_removed(tmp_path: Path) -> None:
    found = together(tmp_path, [*BASE, (5, "Bolt", 5)], [*BASE[1:], (4, "Nut", 4)])
    assert rows_of(found.text) == [*BASE[1:], (4, "Nut", 4), (5, "Bolt", 5)]


def test_a_field_that_both_sides_have_changed_is_a_conflict(tmp_path: Path) -> None:
    found = together(tmp_path, [(1, "Big", 9), *BASE[1:]], [(1, "Old", 1), *BASE[1:]])
    assert found.conflicts == 1
    assert (
        "<<<<<<< ours\n"
        "    yield create_shop_product(1, 'Big', 9)\n"
        "=======\n"
        "    yield create_shop_product(1, 'Old', 9)\n"
        ">>>>>>> theirs\n"
    ) in found.text


@pytest.mark.parametrize("crlf", ["ours.py", "theirs.py", "base.py ours.py theirs.py"])
def test_the_result_has_the_line_ends_of_our_side(tmp_path: Path, crlf: str) -> None:
    together(tmp_path, [(1, "Big saw", 1), *BASE[1:]], [(1, "Saw", 9), *BASE[1:]])
    paths = [tmp_path / name for name in ("base.py", "ours.py", "theirs.py")]
    for name in crlf.split():
        text = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(text.replace(b"\n", b"\r\n"))
    call_command("mergedump", *map(str, paths))
    expected = module(products([(1, "Big saw", 9), *BASE[1:]])).encode()
    is_crlf = "ours.py" in crlf
    assert paths[1].read_bytes() == (expected.replace(b"\n", b"\r\n") if is_crlf else expected)


def test_a_file_that_is_no_dump_is_merged_whatever_its_line_ends(tmp_path: Path) -> None:
    merged(tmp_path, "1\n2\n3\n", "0\n2\n3\n", "1\n2\n3\n")
    (tmp_path / "theirs.py").write_bytes(b"1\r\n2\r\n4\r\n")
    found = merge(*(tmp_path / name for name in ("base.py", "ours.py", "theirs.py")))
    assert found == MergeResult("0\n2\n4\n", 0)


def test_a_row_that_one_side_has_removed_and_the_other_changed_is_a_conflict(
    tmp_path: Path,
) -> None:
    found = together(tmp_path, BASE[1:], [(1, "Saw", 9), *BASE[1:]])
    assert found.conflicts == 1
    assert "<<<<<<< ours\n=======\n    yield create_shop_product(1, 'Saw', 9)\n>>>" in found.text


def test_a_key_that_both_sides_have_given_to_a_new_row_is_a_conflict(tmp_path: Path) -> None:
    assert together(tmp_path, [*BASE, (4, None, 4)], [*BASE, (4, "Nut", 4)]).conflicts == 1


def test_keys_of_several_types_are_merged(tmp_path: Path) -> None:
    base = [(1, "Saw", 1), ("x", "Axe", 2)]
    found = together(tmp_path, [(1, "A", 1), ("x", "B", 2)], [(1, "C", 1), ("x", "D", 2)], base)
    assert found.conflicts == 2


def test_without_git_lines_cannot_be_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DumpyError, match="git cannot be run to merge the lines"):
        merged(tmp_path, "a\n", "b\n", "c\n")


def test_the_same_change_on_both_sides_is_no_conflict(tmp_path: Path) -> None:
    found = together(tmp_path, BASE[:2], BASE[:2])
    assert (rows_of(found.text), found.conflicts) == (BASE[:2], 0)


def test_a_value_of_another_type_is_a_change(tmp_path: Path) -> None:
    found = together(tmp_path, [(1, "Saw", True)], [(1, "Saw", 1)], [(1, "Saw", 1)])
    assert [list(map(repr, row)) for row in rows_of(found.text)] == [["1", "'Saw'", "True"]]


def test_no_load_takes_a_merge_with_conflicts(tmp_path: Path) -> None:
    found = together(tmp_path, [(1, "Big", 1)], [(1, "Old", 1)], [(1, "Saw", 1)])
    with pytest.raises(FixtureError, match="conflict marker"):
        rows_of(found.text)


def test_tables_that_sides_have_added_are_both_there(tmp_path: Path) -> None:
    base = products(BASE)
    tool, brand = rows("shop.Tool", "id", (1,)), rows("shop.Brand", "id", (7,))
    texts = module(base), module(tool, base), module(base, brand)
    assert rows_of(merged(tmp_path, *texts).text) == [(1,), *BASE, (7,)]


def test_rows_without_a_table_on_the_other_side_are_a_conflict(tmp_path: Path) -> None:
    tool = rows("shop.Tool", "id size", (1, 1), (2, 2))
    changed = rows("shop.Tool", "id size", (1, 1), (2, 3))
    base, ours, theirs = module(tool, products(BASE)), module(changed, products(BASE)), ""
    theirs = module(products(BASE))
    assert merged(tmp_path, base, ours, theirs).conflicts > 0


def test_a_table_with_another_field_on_one_side_is_merged_by_lines(tmp_path: Path) -> None:
    base = module(products([(1, "Saw")], "id name"))
    ours = module(products([(1, "Saw", 3)], "id name size"))
    assert rows_of(merged(tmp_path, base, ours, base).text) == [(1, "Saw", 3)]
    theirs = module(products([(1, "Axe")], "id name"))
    assert merged(tmp_path, base, ours, theirs).conflicts > 0


def test_rows_with_fields_in_the_order_of_one_side_are_no_rows_of_the_other(tmp_path: Path) -> None:
    """The line of a row without values is the same in any order."""
    base = module(products([(1, None, None)], "id name size"))
    ours = module(products([(1, None, None)], "id size name"))
    theirs = module(products([(1, None, None), (2, "Axe", None)], "id name size"))
    found = merged(tmp_path, base, ours, theirs)
    assert found.conflicts > 0
    assert "# mergedump" not in found.text
    assert merged(tmp_path, base, ours, base).text == ours
    # A new name in the same place may be a rename: its values stay.
    renamed = module(products([(1, None, None)], "id title size"))
    found = merged(tmp_path, base, renamed, theirs)
    assert rows_of(found.text) == [(1, None, None), (2, "Axe", None)]


def test_what_is_no_dump_is_merged_by_lines(tmp_path: Path) -> None:
    found = merged(tmp_path, "a\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n")
    assert found == MergeResult("A\nb\nc\nd\nE\n", 0)


def test_a_key_that_one_side_has_twice_loses_no_row(tmp_path: Path) -> None:
    twice = [(1, "Saw", 1), (2, "Axe", 2), (2, "Bolt", 4), (3, "Nail", 3)]
    text = together(tmp_path, twice, [(1, "Old", 1), *BASE[1:]]).text
    assert all(name in text for name in ("'Axe'", "'Bolt'", "'Nail'"))


def test_rows_without_their_key_are_merged_by_lines(tmp_path: Path) -> None:
    """What is another row, and what the same row after a change, nobody can know."""
    base, ours, theirs = ([("Rock",), ("Jazz",)], [("Pop",), ("Jazz",)], [("Folk",), ("Jazz",)])
    texts = [module(rows("music.Genre", "name", *side)) for side in (base, ours, theirs)]
    assert merged(tmp_path, *texts).conflicts == 1


def test_a_comment_behind_a_row_stays(tmp_path: Path) -> None:
    base = module(products(BASE))
    ours = base.replace("'Saw', 1)", "'Saw', 1)  # keep me")
    found = merged(tmp_path, base, ours, module(products([*BASE, (9, "Nut", 9)])))
    assert "# keep me" in found.text
    assert rows_of(found.text) == [*BASE, (9, "Nut", 9)]


def test_a_line_that_looks_like_the_mark_of_rows_stays(tmp_path: Path) -> None:
    line = "    # mergedump puts the rows of create_foo here\n"
    texts = [text.replace("def objects():\n", f"def objects():\n{line}") for text in
             (module(products(side)) for side in (BASE, BASE[:2], BASE))]  # fmt: skip
    assert line in merged(tmp_path, *texts).text


VALUES = st.dictionaries(st.integers(1, 4), st.tuples(*[st.sampled_from([1, 2, None])] * 2))


@settings(max_examples=100)
@given(VALUES, VALUES, VALUES)
def test_a_merge_without_conflicts_has_the_changes_of_both_sides(
    tmp_path_factory: pytest.TempPathFactory, base: Any, ours: Any, theirs: Any
) -> None:
    directory = tmp_path_factory.getbasetemp()
    sides = [[(key, *side[key]) for key in sorted(side)] for side in (base, ours, theirs)]
    found = merged(directory, *(module(products(side, "id a b")) for side in sides))
    if found.conflicts:
        return
    assert {key: values for key, *values in rows_of(found.text)} == {
        key: values for key in {*ours, *theirs} if (values := expected(key, base, ours, theirs))
    }


def expected(key: int, base: Any, ours: Any, theirs: Any) -> list[object] | None:
    """Return a row that is merged without a conflict, field by field."""
    sides = [side.get(key) for side in (base, ours, theirs)]
    if None in sides:
        was, one, other = sides
        chosen = other if one == was else one
        return None if chosen is None else list(chosen)
    return [other if one == was else one for was, one, other in zip(*sides, strict=True)]


def test_the_command_writes_the_merge_over_ours_and_ends_with_1_for_conflicts(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / name for name in ("base.py", "ours.py", "theirs.py")]
    for path, name in zip(paths, ("Saw", "Big", "Old"), strict=True):
        path.write_text(module(products([(1, name, Decimal("1.0"))])), encoding="utf-8")
    said = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("mergedump", *map(str, paths), stderr=said)
    assert end.value.code == 1
    assert said.getvalue() == (
        f"Conflicts in {paths[1]}: 1 (shop.Product(pk=1)). Edit the marked lines.\n"
    )
    assert "<<<<<<< ours" in paths[1].read_text(encoding="utf-8")


def test_the_command_names_the_first_rows_with_conflicts_only(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("base.py", "ours.py", "theirs.py")]
    for path, name in zip(paths, ("Saw", "Big", "Old"), strict=True):
        text = module(products([(pk, name, 1) for pk in range(1, 8)]))
        path.write_text(text, encoding="utf-8")
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("mergedump", *map(str, paths), stderr=said)
    assert "(pk=5), …). Edit the marked lines." in said.getvalue()


def test_what_cannot_be_read_is_one_sentence_and_ends_with_2(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("base.py", "ours.py", "theirs.py")]
    with pytest.raises(CommandError, match=r"base\.py") as caught:
        call_command("mergedump", *paths)
    assert caught.value.returncode == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.django_db(transaction=True)
def test_git_merges_branches_with_it(project: Project, tmp_path: Path) -> None:
    """Both branches change the row of which a merge by lines would make a conflict."""
    directory = tmp_path / "repository"
    directory.mkdir()
    command = f"{sys.executable} -m django mergedump %O %A %B"

    def git(*args: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *args],
            cwd=directory, env=project.environment, capture_output=True, check=True,
            encoding="utf-8",
        )  # fmt: skip
        return done.stdout

    def commit(values: Any) -> None:
        (directory / "dump.py").write_text(module(products(values)), encoding="utf-8")
        git("add", ".")
        git("commit", "-qm", "A version")

    git("init", "-q", "-b", "main")
    git("config", "merge.dumpy.driver", command)
    (directory / ".gitattributes").write_text("dump.py merge=dumpy\n", encoding="utf-8")
    commit(BASE)
    git("checkout", "-qb", "other")
    commit([(1, "Saw", 9), *BASE[1:]])
    git("checkout", "-q", "main")
    commit([(1, "Big saw", 1), *BASE[1:]])
    git("merge", "-q", "other", "-m", "Merged")
    text = (directory / "dump.py").read_text(encoding="utf-8")
    assert rows_of(text) == [(1, "Big saw", 9), *BASE[1:]]


def test_a_row_that_one_side_has_removed_and_the_other_refers_to_is_named(tmp_path: Path) -> None:
    def text(artist: int, *artists: int) -> str:
        names = [(pk, f"Artist {pk}") for pk in artists]
        albums = rows("music.Album", "id title artist_id", (5, "One", artist))
        return module(rows("music.Artist", "id name", *names), albums)

    base, ours, theirs = text(1, 1, 2), text(1, 1), text(2, 1, 2)
    found = merged(tmp_path, base, ours, theirs)
    assert found.conflicts == 0
    ((line, said),) = found.dangling
    assert "create_music_album(5, 'One', 2)" in found.text.splitlines()[line - 1]
    assert said == (
        "music.Album(pk=5): artist_id refers to music.Artist(pk=2), which one side has removed."
    )
    err = StringIO()
    paths = [str(tmp_path / name) for name in ("base.py", "ours.py", "theirs.py")]
    with pytest.raises(SystemExit) as end:
        call_command("mergedump", *paths, "shop/data.py", stderr=err)
    assert end.value.code == 1
    assert err.getvalue() == f"shop/data.py:{line}: {said}\n"
    assert not merged(tmp_path, base, ours, text(1, 1, 2)).dangling


def test_references_are_checked_beside_conflicts_and_on_each_side_of_them(tmp_path: Path) -> None:
    def text(artists: list[int], title: str, artist: int) -> str:
        names = [(pk, f"Artist {pk}") for pk in artists]
        albums = rows("music.Album", "id title artist_id", (4, "Four", 3), (5, title, artist))
        return module(rows("music.Artist", "id name", *names), albums)

    sides = text([1, 2, 3], "Zero", 1), text([1, 3], "One", 1), text([1, 2], "Two", 2)
    found = merged(tmp_path, *sides)
    assert found.conflicts == 1
    lines = found.text.splitlines()
    assert [
        (lines[line - 1].strip(), said.split(",")[0][-8:]) for line, said in found.dangling
    ] == [
        ("yield create_music_album(4, 'Four', 3)", "st(pk=3)"),
        ("yield create_music_album(5, 'One', 2)", "st(pk=2)"),
        ("yield create_music_album(5, 'Two', 2)", "st(pk=2)"),
    ]
