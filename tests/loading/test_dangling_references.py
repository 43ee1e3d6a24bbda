"""References that lead nowhere when all rows are in, and that are not simple foreign keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, message, refusal, values
from sites import NewSite, Site, Version

from zoo.models import Exhibit, Species

MODELS = """
from django.db import models


class Room(models.Model):
    house = models.IntegerField()
    number = models.IntegerField()

    class Meta:
        unique_together = [("house", "number")]


class Bed(models.Model):
    house = models.IntegerField(null=True)
    number = models.IntegerField()
    room = models.ForeignObject(
        Room, models.CASCADE, from_fields=["house", "number"], to_fields=["house", "number"]
    )
"""


@pytest.fixture(scope="module")
def made_hostel(new_site: NewSite) -> Site:
    """A site with a foreign key of two columns."""
    apps = {"INSTALLED_APPS": ["dumpy", "hostel"]}
    return new_site("hostel", Version({"hostel/models.py": MODELS}, apps))


@pytest.fixture
def hostel(made_hostel: Site, tmp_path: Path, unblocked: None) -> Site:
    return made_hostel.copied(tmp_path / "site")


def beds(*given: tuple[int, int | None, int]) -> str:
    """Return a dump with a room, 1/7, and beds."""
    return dump_of(
        rows("hostel.Room", "id house number", (1, 1, 7)),
        rows("hostel.Bed", "id house number", *given),
    )


def test_a_foreign_key_of_two_columns_that_leads_nowhere_is_named(hostel: Site) -> None:
    """W19: no database refuses it, so that one may hold it, and must come back from its dump."""
    hostel.write({"beds.py": beds((1, 1, 7), (2, 1, 8), (3, 1, 9))})
    said = hostel.manage("loaddata", "beds.py").stderr
    assert "hostel.Bed(pk=2): room=(1, 8) refers to a row of hostel.Room that does not" in said
    assert "1 more row of hostel.Bed" in said
    assert "pk=1" not in said
    dump = hostel.dump("dump")
    assert "hostel.Bed(pk=2): room=(1, 8)" in hostel.restore(dump)
    assert len(hostel.rows("hostel_bed", "id")) == 3


def test_a_foreign_key_of_two_columns_leads_to_a_row_or_is_null(hostel: Site) -> None:
    hostel.write({"beds.py": beds((1, 1, 7), (2, None, 8))})
    hostel.succeed("loaddata", "beds.py")
    assert len(hostel.rows("hostel_bed", "id")) == 2


@pytest.mark.django_db
def test_a_value_that_rows_beside_the_load_refer_to_does_not_change(load: Load) -> None:
    Species.objects.create(pk=1, latin="Lutra lutra")
    Exhibit.objects.create(pk=5, species_id="Lutra lutra")
    said = message(load, dump_of(rows("zoo.Species", "id latin", (1, "Lutra"))))
    # MySQL refuses the row itself, at once.
    found = "zoo.Exhibit(pk=5): species_id='Lutra lutra' refers to a row of zoo.Species that does"
    assert found in said or "zoo.Species(pk=1)" in said
    assert values(Species, "latin") == ["Lutra lutra"]


@pytest.mark.django_db
def test_many_problems_are_summed_up_by_cause(load: Load) -> None:
    text = dump_of(
        rows("zoo.Taxon", "id name parent_id", *[(n, f"{n}", 900 + n) for n in range(1, 31)])
    )
    said = str(refusal(load, text)).splitlines()
    assert said[:4] == [
        "30 objects could not be loaded; nothing was written.",
        "  30 of zoo.Taxon: parent_id=… refers to a row of zoo.Taxon that does not exist.",
        "If the dump lacks these rows, make it again with their models, and with --all for rows "
        "that a default manager hides.",
        "In detail:",
    ]


@pytest.mark.django_db
@pytest.mark.sql
def test_a_refused_row_comes_before_the_many_that_refer_to_it(load: Load) -> None:
    parents = [(1, None, None), *((n, f"{n}", 1) for n in range(2, 31))]
    error = refusal(load, dump_of(rows("zoo.Taxon", "id name parent_id", *parents)))
    lines = str(error).splitlines()
    assert lines[1].startswith("  1 of zoo.Taxon: ")
    assert lines[2].startswith("  29 of zoo.Taxon: parent_id=")
    assert lines[3] == "In detail:"
    assert "zoo.Taxon(pk=1)" in lines[4]
    assert "zoo.Taxon(pk=1)" in error.brief().splitlines()[1]
