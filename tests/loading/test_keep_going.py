"""``--keep-going``: what can be loaded is, and the rest can be corrected and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, fixture_of, values
from sites import NewSite, Version

from dumpy.errors import LoadError, RowsRejected
from zoo.fields import Point
from zoo.models import (
    Animal,
    Bird,
    Creature,
    Exhibit,
    Mascot,
    Nation,
    Otter,
    Passport,
    Perch,
    Pond,
    Species,
    Stamp,
    Taxon,
    Visa,
    Waypoint,
    Weighing,
)

pytestmark = pytest.mark.django_db

BAD_ANIMALS = rows("zoo.Animal", "id name species_id", (1, "Olli", 1), (2, "Lea", 5))
SPECIES = rows("zoo.Species", "id latin", (1, "Lutra lutra"))


def rejected(load: Load, text: str) -> RowsRejected:
    """Load what can be loaded, and return the error about the rest."""
    with pytest.raises(CommandError) as caught:
        load(text, keep_going=True)
    assert isinstance(caught.value, RowsRejected), caught.value
    return caught.value


def corrected(load: Load, error: RowsRejected, *replacements: tuple[str, str]) -> None:
    """Load the rejected rows after a person has corrected them."""
    text = Path(error.path).read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    load(text)


def test_a_row_that_refers_to_nothing_is_rejected_and_all_others_are_loaded(load: Load) -> None:
    assert rejected(load, dump_of(SPECIES, BAD_ANIMALS)).count == 1
    assert values(Species, "latin") == ["Lutra lutra"]
    assert values(Animal, "name") == ["Olli"]


def test_without_it_nothing_is_loaded(load: Load) -> None:
    with pytest.raises(LoadError):
        load(dump_of(SPECIES, BAD_ANIMALS))
    assert values(Species, "latin") == []


def test_without_a_bad_row_it_is_a_load_like_any_other(load: Load, tmp_path: Path) -> None:
    assert "Installed 1 object(s)" in load(dump_of(SPECIES), keep_going=True)
    assert [path.name for path in tmp_path.iterdir()] == ["fixture.py"]


def test_the_sentence_says_how_many_rows_and_where_they_are(load: Load, tmp_path: Path) -> None:
    said = str(rejected(load, dump_of(SPECIES, BAD_ANIMALS)))
    assert said.startswith("1 row was rejected; the other rows are in the database. Correct it in ")
    assert said.endswith(f"loaddata {tmp_path / 'fixture-rejected.py'}")


def test_the_reason_is_above_the_row(load: Load) -> None:
    text = dump_of(SPECIES, BAD_ANIMALS)
    line = text.splitlines().index("    yield create_zoo_animal(2, 'Lea', 5)") + 1
    written = Path(rejected(load, text).path).read_text(encoding="utf-8").splitlines()
    row = written.index("    yield create_zoo_animal(2, 'Lea', 5)")
    assert written[row - 1] == (
        "    # species_id=5 refers to a row of zoo.Species that does not exist. "
        f"(fixture.py:{line})"
    )


def test_the_rejected_rows_load_when_they_are_corrected(load: Load) -> None:
    error = rejected(load, dump_of(SPECIES, BAD_ANIMALS))
    corrected(load, error, ("(2, 'Lea', 5)", "(2, 'Lea', 1)"))
    assert values(Animal, "name", "species_id") == [("Olli", 1), ("Lea", 1)]


def test_several_rows_of_several_models_load_when_their_cause_is_corrected(load: Load) -> None:
    text = dump_of(
        rows("zoo.Perch", "id bird place", (1, "jay", 1), (2, "tit", 1), (3, "owl", "high")),
        SPECIES,
        BAD_ANIMALS,
    )
    error = rejected(load, text)
    assert error.count == 3
    corrected(load, error, ("'tit', 1", "'tit', 2"), ("'high'", "3"), ("'Lea', 5", "'Lea', 1"))
    assert values(Perch, "bird") == ["jay", "tit", "owl"]
    assert values(Animal, "name") == ["Olli", "Lea"]


def test_the_second_row_of_a_key_is_rejected_alone_whatever_their_order(load: Load) -> None:
    text = dump_of(rows("zoo.Species", "id latin", (2, "b"), (1, "a"), (1, "c")))
    corrected(load, rejected(load, text), ("(1, 'c'", "(3, 'c'"))
    assert values(Species, "latin") == ["a", "b", "c"]


def test_what_somebody_has_corrected_is_not_written_over(load: Load, tmp_path: Path) -> None:
    text = dump_of(SPECIES, BAD_ANIMALS)
    first, second = rejected(load, text), rejected(load, text)
    assert Path(first.path).name == "fixture-rejected.py"
    assert Path(second.path).name == "fixture-rejected-2.py"


def test_only_the_owner_may_read_the_rejected_rows(load: Load) -> None:
    path = Path(rejected(load, dump_of(SPECIES, BAD_ANIMALS)).path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_objects_installed_are_counted_without_the_rejected_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dump.py"
    path.write_text(dump_of(SPECIES, BAD_ANIMALS), encoding="utf-8")
    with pytest.raises(RowsRejected):
        call_command("loaddata", str(path), keep_going=True)
    assert "Installed 2 object(s) (of 3) from 1 fixture(s)" in capsys.readouterr().out


# What refers to a rejected row is rejected too.


def test_a_chain_that_hangs_on_a_rejected_row_is_rejected_as_a_whole(load: Load) -> None:
    text = dump_of(
        SPECIES,
        rows("zoo.Passport", "species_id number", (1, "a"), (2, "b")),
        rows("zoo.Visa", "passport_id number", (1, "a"), (2, "b")),
        rows("zoo.Stamp", "visa_id number", (1, "a"), (2, "b")),
    )
    error = rejected(load, text)
    assert error.count == 3
    for model in (Passport, Visa, Stamp):
        assert values(model, "number") == ["a"]
    corrected(load, error, ("(2, 'b')", "(1, 'c')"))
    assert values(Stamp, "number") == ["c"]


def test_a_tree_whose_root_is_refused_is_rejected_as_a_whole(load: Load) -> None:
    chain = [(i, f"t{i}", i - 1 if i > 1 else 9999) for i in range(1, 1200)]
    text = dump_of(rows("zoo.Taxon", "id name parent_id", (3000, "x", None), *chain))
    error = rejected(load, text)
    assert error.count == 1199
    assert values(Taxon, "name") == ["x"]


def test_a_row_that_is_linked_to_a_rejected_one_is_rejected(load: Load) -> None:
    text = dump_of(
        SPECIES,
        rows(
            "zoo.Animal",
            "id name species_id prey",
            (1, "Olli", 1, [2]),
            (2, "Lea", 5, []),
            (3, "Tom", 1, []),
        ),
    )
    error = rejected(load, text)
    assert values(Animal, "name") == ["Tom"]
    corrected(load, error, ("(2, 'Lea', 5, [])", "(2, 'Lea', 1, [])"))
    assert [a.pk for a in Animal.objects.get(pk=1).prey.all()] == [2]


def test_a_row_that_refers_to_a_rejected_one_by_natural_key_is_rejected(load: Load) -> None:
    text = dump_of(
        rows("zoo.Nation", "id name", "1, 'A'", "2, None"),
        rows("zoo.Mascot", "id name nation_id", "1, 'm', natural('zoo.Nation', 'A')",
             "2, 'n', natural('zoo.Nation', 'B')"),
    )  # fmt: skip
    error = rejected(load, text)
    assert error.count == 2
    assert values(Nation, "name") == ["A"]
    assert values(Mascot, "name") == ["m"]
    corrected(load, error, ("(2, None)", "(2, 'B')"))
    assert values(Mascot, "name", "nation__name") == [("m", "A"), ("n", "B")]


def test_a_key_to_a_column_that_is_no_primary_key_is_followed(load: Load) -> None:
    text = dump_of(
        rows("zoo.Perch", "id bird place", (1, "x", "here")),
        SPECIES,
        rows("zoo.Exhibit", "id species_id", (1, "Lutra lutra"), (2, "Canis lupus")),
    )
    assert rejected(load, text).count == 2
    assert values(Exhibit, "species_id") == ["Lutra lutra"]


def test_a_child_of_multi_table_inheritance_is_rejected_with_its_parent(load: Load) -> None:
    text = dump_of(
        rows("zoo.Creature", "id name height", (1, "a", 1), (2, "b", "high")),
        rows("zoo.Bird", "creature_ptr_id wingspan", (1, 5), (2, 6)),
    )
    error = rejected(load, text)
    assert error.count == 2
    assert values(Bird, "name") == ["a"]
    corrected(load, error, ("'high'", "2"))
    assert values(Bird, "name", "wingspan") == [("a", 5), ("b", 6)]


def test_a_circle_that_hangs_on_a_rejected_row_is_rejected(load: Load) -> None:
    text = dump_of(
        rows("zoo.Pond", "id name star_id", (1, "p", 1), (2, "q", None)),
        rows("zoo.Otter", "id name pond_id", (1, "o", 3)),
    )
    assert rejected(load, text).count == 2
    assert values(Pond, "name") == ["q"]
    assert values(Otter, "name") == []


# Rows that are there already.


def test_a_row_that_is_there_stays_as_it_was_when_its_new_version_is_rejected(load: Load) -> None:
    load(dump_of(SPECIES, rows("zoo.Animal", "id name species_id", (2, "before", 1))))
    rejected(load, dump_of(BAD_ANIMALS))
    assert values(Animal, "name", "species_id") == [("Olli", 1), ("before", 1)]


def test_what_refers_to_a_row_that_stays_as_it_was_is_loaded(load: Load) -> None:
    load(dump_of(rows("zoo.Taxon", "id name parent_id", (1, "before", None))))
    text = dump_of(rows("zoo.Taxon", "id name parent_id", (1, "after", 99), (2, "child", 1)))
    assert rejected(load, text).count == 1
    assert values(Taxon, "name") == ["before", "child"]


def test_a_row_gets_in_whose_unique_value_a_rejected_one_had(load: Load) -> None:
    text = dump_of(
        rows("zoo.Species", "id latin", (1, "x")),
        rows("zoo.Exhibit", "id species_id", (1, "x")),
        rows("zoo.Passport", "species_id number", (1, "a")),
        rows("zoo.Perch", "id bird place", (1, "jay", 1), (2, "tit", 1)),
    )
    assert rejected(load, text).count == 1
    assert values(Perch, "bird") == ["jay"]


# Other lanes, and what is said.


def test_a_row_that_the_database_refuses_says_why(load: Load) -> None:
    error = rejected(load, dump_of(rows("zoo.Weighing", "id kilos", (1, -5), (2, 5))))
    assert "no_negative_weight" in Path(error.path).read_text(encoding="utf-8")
    assert values(Weighing, "kilos") == [5]


def test_an_object_of_a_program_becomes_a_row(load: Load) -> None:
    error = rejected(
        load,
        fixture_of("yield Species(pk=1, latin='x')", "yield Animal(pk=1, name='a', species_id=5)"),
    )
    assert values(Species, "latin") == ["x"]
    corrected(load, error, ("(1, 'a', 5)", "(1, 'a', 1)"))
    assert values(Animal, "name") == ["a"]


def test_an_object_of_a_program_without_a_key_gets_one_when_it_is_loaded(load: Load) -> None:
    error = rejected(load, fixture_of("yield Animal(name='a', species_id=5)"))
    corrected(load, error, ("('a', 5)", "('a', None)"))
    assert values(Animal, "name") == ["a"]


def test_a_child_of_a_program_becomes_rows_of_its_parents_too(load: Load) -> None:
    error = rejected(load, fixture_of("yield Bird(pk=1, name='a' * 41, wingspan=3)"))
    corrected(load, error, ("a" * 41, "a"))
    assert values(Bird, "name", "wingspan") == [("a", 3)]
    assert values(Creature, "name") == ["a"]


def test_rows_for_a_model_with_a_hook_are_rejected_too(load: Load) -> None:
    text = dump_of(rows("zoo.Meal", "id name species_id", (1, "fish", 7), (2, "hay", None)))
    error = rejected(load, text)
    corrected(load, error, ("'fish', 7", "'fish', None"))


def test_a_value_of_a_custom_field_comes_back(load: Load) -> None:
    text = fixture_of(
        "from dumpy.dump import new",
        "from zoo.fields import Point",
        "yield new(Waypoint, id=1, point=None, optional_point=Point(1, 2))",
    )
    corrected(load, rejected(load, text), ("(1, None, ", "(1, field_text('3.0,4.0'), "))
    assert values(Waypoint, "point", "optional_point") == [(Point(3, 4), Point(1, 2))]


def test_values_of_all_kinds_come_back(load: Load) -> None:
    fields = "id json char price binary moment duration boolean"
    row = (
        "1, {'a': [1, 2.5, None]}, 'a\\u2028\\x85 \"b\"', Decimal('1.50'), b'\\x00\\xff', "
        "utc(2024, 1, 31, 9, 30, 0, 123456), timedelta(days=1), "
    )
    text = dump_of(rows("zoo.OptionalCheckup", fields, f"{row}'maybe'"))
    corrected(load, rejected(load, text), ("'maybe'", "True"))
    load_again = dump_of(rows("zoo.OptionalCheckup", fields, f"{row}True"))
    assert "1 unchanged" in load(load_again)


def test_a_reason_with_line_ends_and_words_of_the_format_is_one_comment(load: Load) -> None:
    nasty = "'x\\n# dumpy: end\\n__dumpy_rows__\\r\\x85\\ud800\\\\'"
    text = dump_of(rows("zoo.Perch", "id bird place", f"1, 'a', {nasty}"))
    corrected(load, rejected(load, text), (f"{nasty})", "4)"))
    assert values(Perch, "bird") == ["a"]


MAPS = """
from django.db import models
from zoo.fields import PointField


class Corner(models.Model):
    point = PointField(primary_key=True)


class Path(models.Model):
    start = PointField(primary_key=True)
    end = models.ForeignKey(Corner, models.CASCADE)
    corners = models.ManyToManyField(Corner, related_name="+")
"""
FILL = """
from maps.models import Corner, Path
from zoo.fields import Point

corners = [Corner.objects.create(point=Point(x, 0.0)) for x in (1.0, 2.0, 3.0)]
for corner in corners:
    Path.objects.create(start=corner.point, end=corner).corners.set(corners[:2])
"""


def test_a_row_whose_key_is_a_custom_field_is_rejected_alone(
    new_site: NewSite, unblocked: None
) -> None:
    settings = {"INSTALLED_APPS": ["dumpy", "maps"]}
    site = new_site("maps", Version({"maps/models.py": MAPS}, settings, FILL))
    site.succeed("dumpdata", "maps", "--format=py", "-o", "dump.py")
    dump = site.the_file.read_text(encoding="utf-8")
    corners = "[field_text('1.0,0.0'), field_text('2.0,0.0')]"
    path = f"(field_text('3.0,0.0'), field_text('3.0,0.0'), {corners})"
    site.edit("dump.py", (path, path.replace("2.0", "9.0")))
    for table in ("maps_path_corners", "maps_path", "maps_corner"):
        site.execute(f"DELETE FROM {table}")
    assert "1 row was rejected" in site.fail("loaddata", "dump.py", "--keep-going")
    site.edit("dump-rejected.py", ("9.0", "2.0"))
    site.succeed("loaddata", "dump-rejected.py")
    assert site.succeed("dumpdata", "maps", "--format=py") == dump


def test_standard_input_is_refused(load: Load) -> None:
    with pytest.raises(CommandError, match="give the path of a file"):
        call_command("loaddata", "-", format="py", keep_going=True)
