"""Natural keys are resolved against the database as a load leaves it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dumps import Rows, rows
from dumps import module as dump_of
from loading_tools import Load, fixture_of, refusal, values

from dumpy.loading import references
from zoo.models import Archive, Folder, Mascot, Nation

pytestmark = pytest.mark.django_db

FIELDS = "id name parent_id code"


def folder(name: str, parent: str | None) -> str:
    """Return the source of a reference to a folder."""
    return f"natural('zoo.Folder', {name!r}, {parent!r})"


def archives(*values: str) -> Rows:
    return rows("zoo.Archive", "folder_ptr_id copied_id", *values)


def as_dump(text: str) -> str:
    return text


def as_program(text: str) -> str:
    """Return a dump that is run, whose rows are objects."""
    return text.replace("format", "program")


def test_a_row_is_not_taken_for_the_root_before_its_parent_is_known(load: Load) -> None:
    """W1: the rows that wait have one name with others."""
    load(
        dump_of(
            rows(
                "zoo.Folder", FIELDS,
                f"1, 'c', {folder('a', None)}, '1'",
                f"2, 'a', {folder('b', None)}, '2'",
                "3, 'b', None, '3'",
                "4, 'a', None, '4'",
            )
        )
    )  # fmt: skip
    assert values(Folder, "pk", "parent") == [(1, 4), (2, 3), (3, None), (4, None)]


def test_keys_that_have_moved_between_rows_lead_to_their_new_rows(load: Load) -> None:
    """W2"""
    Folder.objects.create(pk=1, name="a", code="1")
    Folder.objects.create(pk=2, name="b", code="2")
    load(
        dump_of(
            rows(
                "zoo.Folder", FIELDS,
                "1, 'b', None, '1'",
                "2, 'a', None, '2'",
                f"3, 'c', {folder('a', None)}, '3'",
            ),
            archives(f"3, {folder('b', None)}"),
        )
    )  # fmt: skip
    assert values(Folder, "pk", "parent") == [(1, None), (2, None), (3, 2)]
    assert values(Archive, "copied") == [1]


def test_links_follow_keys_that_have_moved(load: Load) -> None:
    """W2"""
    Folder.objects.create(pk=1, name="a", code="1")
    Folder.objects.create(pk=2, name="b", code="2")
    load(
        dump_of(
            rows(
                "zoo.Folder", "id name code shortcuts",
                f"1, 'b', '1', [{folder('a', None)}]",
                f"2, 'a', '2', [{folder('a', None)}]",
            )
        )
    )  # fmt: skip
    assert values(Folder, "pk", "shortcuts") == [(1, 2), (2, 2)]


def test_keys_that_move_down_a_tree_are_followed_to_its_leaves(load: Load) -> None:
    parent = None
    for pk in range(1, 6):
        parent = Folder.objects.create(pk=pk, name=f"f{pk}", code=str(pk), parent=parent)
    text = [
        f"1, 'f5', {folder('f4', 'f3')}, '1'",
        f"2, 'f4', {folder('f3', 'f2')}, '2'",
        f"3, 'f3', {folder('f2', 'f1')}, '3'",
        f"4, 'f2', {folder('f1', None)}, '4'",
        "5, 'f1', None, '5'",
    ]
    load(dump_of(rows("zoo.Folder", FIELDS, *text)))
    assert values(Folder, "pk", "parent") == [(1, 2), (2, 3), (3, 4), (4, 5), (5, None)]


def test_one_to_ones_follow_keys_that_have_moved(load: Load) -> None:
    a = Folder.objects.create(pk=1, name="a", code="1")
    b = Folder.objects.create(pk=2, name="b", code="2", twin=a)
    Folder.objects.filter(pk=1).update(twin=b)
    load(
        dump_of(
            rows(
                "zoo.Folder", "id name code twin_id",
                f"1, 'b', '1', {folder('b', None)}",
                f"2, 'a', '2', {folder('a', None)}",
            )
        )
    )  # fmt: skip
    assert values(Folder, "pk", "twin") == [(1, 1), (2, 2)]


def test_objects_follow_keys_that_have_moved(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Archive, "before_dumpy_save", lambda archive: None, raising=False)
    Folder.objects.create(pk=1, name="a", code="1")
    Folder.objects.create(pk=2, name="b", code="2")
    load(
        dump_of(
            archives(f"1, {folder('b', None)}"),
            rows("zoo.Folder", FIELDS, "1, 'b', None, '1'", "2, 'a', None, '2'"),
        )
    )
    assert values(Archive, "copied") == [1]


def test_a_key_that_two_rows_have_in_the_end_is_refused(load: Load) -> None:
    """One is of the dump, the other one was there."""
    Folder.objects.create(pk=9, name="a", code="9")
    error = refusal(
        load,
        dump_of(
            rows(
                "zoo.Folder", FIELDS, "1, 'a', None, '1'", f"2, 'b', {folder('a', None)}, '2'"
            )
        ),
    )  # fmt: skip
    (problem,) = error.problems
    assert problem.ref.key == 2
    assert "several rows" in problem.reason
    assert values(Folder, "pk") == [9]


def test_a_key_that_no_row_has_in_the_end_is_refused(load: Load) -> None:
    """The row that had it has another one, by the same dump."""
    Nation.objects.create(pk=1, name="Estonia")
    error = refusal(
        load,
        dump_of(
            rows("zoo.Mascot", "id name nation_id", "1, 'm', natural('zoo.Nation', 'Estonia')"),
            rows("zoo.Nation", "id name", (1, "Finland")),
        ),
    )
    assert [(problem.ref.label, problem.ref.key) for problem in error.problems] == [
        ("zoo.Mascot", 1)
    ]
    assert values(Nation, "name") == ["Estonia"]


def test_a_row_that_waits_for_a_key_of_its_own_which_another_has_too_does_not_wake_itself(
    load: Load,
) -> None:
    Folder.objects.create(pk=1, name="a", code="1")
    Folder.objects.create(pk=2, name="a", code="2")
    waiting = f"1, 'a', {folder('b', None)}, '1', [{folder('a', None)}]"
    load(
        dump_of(
            rows("zoo.Folder", f"{FIELDS} shortcuts", waiting, "2, 'a', None, '2', []",
                 "5, 'b', None, '5', []")
        )
    )  # fmt: skip
    assert values(Folder, "pk", "parent", "shortcuts") == [
        (1, 5, 2),
        (2, None, None),
        (5, None, None),
    ]


def test_rows_without_keys_that_need_each_other_are_loaded_and_completed(load: Load) -> None:
    """Each is put where its own key leads to it, before all that it refers to is there."""
    load(
        dump_of(
            rows(
                "zoo.Folder", "name parent_id twin_id code shortcuts",
                f"'a', None, None, '1', [{folder('b', None)}]",
                f"'a', {folder('b', None)}, {folder('a', 'b')}, '2', []",
                f"'b', None, {folder('b', 'a')}, '3', [{folder('a', None)}]",
                f"'b', {folder('a', 'b')}, None, '4', [{folder('a', 'b')}]",
            )
        )
    )  # fmt: skip
    found = values(Folder, "code", "parent__code", "twin__code", "shortcuts__code")
    assert sorted(found, key=str) == [
        ("1", None, None, "3"),
        ("2", "3", "2", None),
        ("3", None, "4", "1"),
        ("4", "2", None, "2"),
    ]


def test_rows_without_keys_whose_keys_need_each_other_are_refused(load: Load) -> None:
    error = refusal(
        load,
        dump_of(
            rows(
                "zoo.Folder", "name parent_id twin_id code",
                f"'a', {folder('b', 'a')}, {folder('c', 'a')}, '1'",
                f"'b', {folder('a', 'b')}, {folder('c', 'b')}, '2'",
            )
        ),
    )  # fmt: skip
    assert len(error.problems) == 2
    assert not Folder.objects.exists()


@pytest.mark.parametrize("form", [as_dump, as_program])
def test_a_load_that_remembers_no_keys_for_long_comes_to_the_same(
    load: Load, monkeypatch: pytest.MonkeyPatch, form: Callable[[str], str]
) -> None:
    monkeypatch.setattr(references, "_CACHE_SIZE", 1)
    nation = "natural('zoo.Nation', {!r})".format
    nations = "1, 'A', natural('zoo.Mascot', 'Owl', 'A')", "2, 'B', None", "3, 'C', None"
    mascots = (
        f"1, 'Owl', {nation('A')}, [{nation('B')}, {nation('C')}]",
        f"2, 'Fox', {nation('C')}, [{nation('A')}, {nation('B')}]",
        f"3, 'Elk', {nation('B')}, []",
    )
    text = dump_of(
        rows("zoo.Nation", "id name mascot_id", *nations),
        rows("zoo.Mascot", "id name nation_id allies", *mascots),
    )
    load(form(text))
    assert values(Nation, "mascot") == [1, None, None]
    assert values(Mascot, "nation") == [1, 3, 2]
    links = Mascot.allies.through.objects.values_list("mascot_id", "nation_id")
    assert set(links) == {(1, 2), (1, 3), (2, 1), (2, 2)}


def test_rows_that_wait_for_each_other_and_are_refused_are_named(load: Load) -> None:
    first = "'a', natural('zoo.Folder', 'b', 'a'), None"
    second = "'b', natural('zoo.Folder', 'a', 'b'), 'code'"
    error = refusal(load, dump_of(rows("zoo.Folder", "name parent_id code", first, second)))
    assert {problem.ref.label for problem in error.problems} == {"zoo.Folder"}
    assert not Folder.objects.exists()


def test_nobody_waits_for_a_natural_key_that_fails(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Nation) -> tuple[str]:
        raise AttributeError(self)

    monkeypatch.setattr(Nation, "natural_key", fail)
    load(
        fixture_of(
            "yield Mascot(pk=1, name='Bear', nation_id=1)",
            "yield Nation(pk=1, name='A')",
        )
    )
    assert values(Mascot, "nation_id") == [1]


def test_a_natural_key_with_a_list_in_it_is_refused_with_its_row(load: Load) -> None:
    text = dump_of(
        rows("zoo.Nation", "id name mascot_id", "1, 'A', natural('zoo.Mascot', [1], 'A')"),
        rows("zoo.Mascot", "id name nation_id", "1, 'Bear', natural('zoo.Nation', 'A')"),
    )
    error = refusal(load, text)
    assert ("zoo.Nation", 1) in [(one.ref.label, one.ref.key) for one in error.problems]


@pytest.mark.parametrize("form", [as_dump, as_program])
def test_a_row_without_its_parent_never_replaces_the_row_at_the_root(
    load: Load, form: Callable[[str], str]
) -> None:
    Folder.objects.create(pk=1, name="a", code="1")
    Folder.objects.create(pk=2, name="b", code="2")
    text = dump_of(
        rows(
            "zoo.Folder", "name parent_id code",
            "'a', None, '2'",
            f"'c', {folder('a', None)}, '1'",
            f"'b', {folder('c', 'a')}, '3'",
        )
    )  # fmt: skip
    problems = refusal(load, form(text)).problems
    assert "zoo.Folder(pk=2) has the same code" in problems[0].reason
    assert values(Folder, "pk", "name", "code") == [(1, "a", "1"), (2, "b", "2")]


RASMUS = rows("zoo.Mascot", "id name nation_id", "5, 'Rasmus', natural('zoo.Nation', 'Estonia')")


@pytest.mark.parametrize("second", ["'Estonia', 5", "'Estonia', None"], ids=["other", "equal"])
def test_two_rows_without_a_primary_key_and_with_one_natural_key_are_refused(
    load: Load, second: str
) -> None:
    """Django's json lets the last one win; a merge in git makes such files, and loses a row."""
    text = dump_of(
        RASMUS,
        rows("zoo.Nation", "name mascot_id", "'Estonia', None", second),
    )
    (problem,) = refusal(load, text).problems
    lines = enumerate(text.splitlines(), 1)
    first, last = (number for number, line in lines if "nation('Estonia'" in line)
    assert problem.ref.label == "zoo.Nation"
    assert problem.ref.place is not None
    assert problem.ref.place.line == last
    assert f"fixture.py:{first} has a row with the same key" in problem.reason


def test_a_later_fixture_may_bring_a_row_without_a_primary_key_again(load: Load) -> None:
    nation = rows("zoo.Nation", "name mascot_id", "'Estonia', None")
    load(dump_of(nation))
    load(dump_of(RASMUS))
    load(dump_of(rows("zoo.Nation", "name mascot_id", "'Estonia', 5")))
    assert values(Nation, "name", "mascot_id") == [("Estonia", 5)]


def test_a_row_without_a_key_is_changed_before_the_rows_that_it_links_to_are_there(
    load: Load,
) -> None:
    """The one that is linked to needs a unique value that the first has to give up."""
    Folder.objects.create(pk=1, name="b", code="w")
    load(
        dump_of(
            rows(
                "zoo.Folder", "name parent_id code shortcuts",
                f"'b', None, 'x', [{folder('a', None)}]",
                "'a', None, 'w', []",
            )
        )
    )  # fmt: skip
    found = values(Folder, "name", "code", "shortcuts__name")
    assert found == [("b", "x", "a"), ("a", "w", None)]
