"""Fields of ``django.contrib.gis``: dumped, loaded into another database, and dumped again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from map_project import MapProject, trouble

pytestmark = pytest.mark.sqlite

EXACT: dict[str, str] = {
    "a point": "point=Point(24.7535747, 59.4369608)",
    "many digits": "point=Point(1 / 3, 123456789.123456789)",
    "a sum": "point=Point(0.1 + 0.2, 1e-17)",
    "negative zero": "point=Point(-0.0, 0.0)",
    "NULL": "optional_point=None",
    "three dimensions": "point_3d=Point(0.1, 2, 59.4369608)",
    "three dimensions at zero": "point_3d=Point(0, 0, 0)",
    "metres": "metres=Point(2755515.123456789, 8275462.5, srid=3857)",
    "a line": "line=LineString((0, 0), (0.1, 0.7), (1, 1))",
    "a polygon": "area=Polygon(((0, 0), (0.1, 0), (1, 1), (0, 0)), srid=3857)",
    "a polygon of three dimensions": (
        "area_3d=Polygon(((0, 0, 1), (2, 0, 1), (1, 1, 5), (0, 0, 1)))"
    ),
    "a polygon with a hole": (
        "areas=MultiPolygon(Polygon(((0, 0), (9, 0), (9, 9), (0, 0)),"
        " ((4, 1), (5, 1), (5, 2), (4, 1))))"
    ),
    "two polygons": (
        "areas=MultiPolygon(Polygon(((0, 0), (1, 0), (1, 1), (0, 0))),"
        " Polygon(((5, 5), (6, 5), (6, 6), (5, 5))))"
    ),
    "points": "points=MultiPoint(Point(0.1, 0.2), Point(0.3, 0.4))",
    "a point as anything": "anything=Point(1, 2)",
    "a line as anything": "anything=LineString((0, 0), (0.1, 0.7))",
    "three dimensions as anything": "anything=Point(1, 2, 3)",
    "a collection": "collection=GeometryCollection(Point(1, 2), LineString((0, 0), (1, 1)))",
}
ROUNDED_BY_WKT: dict[str, str] = {
    "a point that the database transforms": "point=Point(0.1, 0.7, srid=3857)",
    "anything that the database transforms": "anything=Point(1, 2, srid=3857)",
    "a point of the database's own": (
        "point=Func(Value(0.1 + 0.2), Value(1e-17), Value(4326), function='MakePoint',"
        " output_field=Place._meta.get_field('point'))"
    ),
}
NUMBERS = {name: number for number, name in enumerate(EXACT, 1)}


@dataclass(frozen=True)
class RoundTrip:
    """Rows as stored before and after, and the dumps of both."""

    before: dict[int, Any]
    after: dict[int, Any]
    dump: str
    second_dump: str


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> MapProject:
    """The project with two empty databases."""
    reason = trouble()
    if reason is not None:
        pytest.skip(f"geometries need GDAL, GEOS and SpatiaLite: {reason}")
    return MapProject(tmp_path_factory.mktemp("maps")).make()


@pytest.fixture(scope="module")
def trip(project: MapProject) -> RoundTrip:
    """What becomes of all places on their way through a dump."""
    project.fill(EXACT.values())
    dumps = []
    for alias, name in (("default", "first.py"), ("other", "second.py")):
        project.manage("dumpdata", "maps", "--format=py", "--database", alias, "-o", name)
        dumps.append((project.directory / name).read_text(encoding="utf-8"))
        if alias == "default":
            project.manage("loaddata", name, "--database", "other")
    return RoundTrip(project.stored("default"), project.stored("other"), *dumps)


@pytest.mark.parametrize("name", EXACT)
def test_a_geometry_comes_back_as_it_was_stored(name: str, trip: RoundTrip) -> None:
    assert trip.after[NUMBERS[name]] == trip.before[NUMBERS[name]]


@pytest.mark.parametrize("name", ROUNDED_BY_WKT)
def test_a_geometry_that_would_be_rounded_is_refused_by_name(
    name: str, project: MapProject
) -> None:
    project.fill([ROUNDED_BY_WKT[name]])
    with pytest.raises(AssertionError) as caught:
        project.manage("dumpdata", "maps", "--format=py")
    assert "maps.Place(pk=1)" in str(caught.value)
    assert f"the value of {ROUNDED_BY_WKT[name].partition('=')[0]!r}" in str(caught.value)


def test_the_second_dump_is_the_first(trip: RoundTrip) -> None:
    assert trip.second_dump == trip.dump


def test_a_geometry_is_a_text_that_can_be_read(trip: RoundTrip) -> None:
    assert "field_text('SRID=4326;POINT (24.7535747 59.4369608)')" in trip.dump
