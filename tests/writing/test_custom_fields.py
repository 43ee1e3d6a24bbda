"""Fields that Django does not know: exact, or refused by name."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.serializers import deserialize
from django.core.serializers.base import SerializationError
from django.db import connection
from django.db.models import Model
from django.db.models.expressions import RawSQL
from dumps import module, rows
from running import Said, called, loaded
from writing_tools import dumped, put, reload, row, stored

from dumpy.errors import UnwritableField
from dumpy.loading.statements import Statements
from dumpy.schema.stored import is_same_stored
from zoo.fields import Colour, ColourField, Point, SetField, Size
from zoo.models import Basket, Collar, Diet, OptionalCheckup, Plumage, Waypoint

pytestmark = pytest.mark.django_db


def test_a_value_with_a_text_of_its_own_comes_back() -> None:
    put(Waypoint(pk=1, point=Point(0.1, -2.0)), Waypoint(pk=2, point=Point(1 / 3, 1e300)))
    before = stored(Waypoint, "point")
    reload(Waypoint, "py")
    assert stored(Waypoint, "point") == before
    assert Waypoint.objects.get(pk=1).point == Point(0.1, -2.0)


def test_a_value_with_a_text_of_its_own_is_written_as_that_text() -> None:
    text = dumped([Waypoint(pk=1, point=Point(1.0, 2.0))])
    assert row(text) == "1, field_text('1.0,2.0'), None"


@pytest.mark.parametrize("fruits", [set(), {"apple"}, {"pear", "apple", "fig"}])
def test_a_set_comes_back(fruits: set[str]) -> None:
    put(Basket(pk=1, fruits=fruits))
    reload(Basket, "py")
    assert Basket.objects.get().fruits == fruits


@pytest.mark.parametrize("size", list(Size))
def test_an_enum_comes_back(size: Size) -> None:
    put(Collar(pk=1, size=size))
    reload(Collar, "py")
    assert Collar.objects.get().size is size


def overwritten(path: Path, model: type[Model], field: str, value: object) -> tuple[str, Said]:
    """Store a value that the field would not; dump and load it; return its row and what is said."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET {field} = %s", [value])
    said = called("dumpdata", model._meta.label, format="py")
    path.write_text(said.out, encoding="utf-8")
    model._default_manager.all().delete()
    loaded(path)
    assert stored(model, field) == [repr(value)]
    return row(said.out), said


def test_a_stored_value_that_the_field_would_store_in_another_way_stays_as_it_is(
    tmp_path: Path,
) -> None:
    put(Basket(pk=1, fruits=set()))
    dump, said = overwritten(tmp_path / "dump.py", Basket, "fruits", "pear,apple")
    assert (dump, said.err) == ("1, stored('pear,apple'), None", "")


def test_an_empty_text_that_the_field_reads_as_none_does_not_become_null(tmp_path: Path) -> None:
    put(Waypoint(pk=1, point=Point(0.0, 0.0)))
    dump, _ = overwritten(tmp_path / "dump.py", Waypoint, "point", "")
    assert dump == "1, stored(''), None"


@pytest.mark.parametrize(
    ("instance", "field", "value"),
    [(Waypoint(pk=1, point=Point(0.0, 0.0)), "point", "here"), (Collar(pk=1, size=1), "size", 7)],
)
def test_a_value_that_the_field_cannot_read_is_dumped_as_it_is_stored_and_said(
    instance: Model, field: str, value: object, tmp_path: Path
) -> None:
    put(instance)
    dump, said = overwritten(tmp_path / "dump.py", type(instance), field, value)
    assert dump == f"1, stored({value!r}), None"
    label = instance._meta.label
    assert f"{label}(pk=1): from_db_value() of {field!r} fails: ValueError" in said.err


def test_an_instance_of_a_row_gives_a_stored_value_to_the_database_as_it_is(tmp_path: Path) -> None:
    put(Basket(pk=1, fruits=set()))
    overwritten(tmp_path / "dump.py", Basket, "fruits", "pear,apple")
    (read,) = deserialize("py", (tmp_path / "dump.py").read_text(encoding="utf-8"))
    instance = read.object
    Basket.objects.all().delete()
    instance.save()
    assert stored(Basket, "fruits") == ["'pear,apple'"]


def test_a_stored_value_is_loaded_as_it_is_object_by_object(tmp_path: Path) -> None:
    put(Basket(pk=1, fruits=set()))
    overwritten(tmp_path / "dump.py", Basket, "fruits", "pear,apple")
    Basket.objects.update(fruits={"fig"})
    for _ in ("updated", "inserted"):
        for each in deserialize("py", (tmp_path / "dump.py").read_text(encoding="utf-8")):
            each.save()
        assert stored(Basket, "fruits") == ["'pear,apple'"]
        Basket.objects.all().delete()


@pytest.mark.parametrize(("source", "text"), [("stored('x')", "'x'"), ("stored(None)", "None")])
def test_a_stored_value_is_one_of_a_field_that_is_no_custom_field_any_more(
    source: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "dump.py"
    path.write_text(module(rows("zoo.OptionalCheckup", "id char", f"1, {source}")))
    loaded(path)
    assert stored(OptionalCheckup, "char") == [text]
    OptionalCheckup.objects.update(char="y")
    for each in deserialize("py", path.read_text()):
        each.save()
    assert stored(OptionalCheckup, "char") == [text]


ARRAYS = [
    ("tags", "{{a,NULL},{c,d}}", "stored([['a', None], ['c', 'd']])"),
    ("grid", "{1,2}", "[1, 2]"),
    ("grid", "{{{1},{2}}}", "stored([[[1], [2]]])"),
    ("ratios", "{{NaN},{-0}}", "stored([[nan], [-0.0]])"),
    ("ratios", "{NaN,-0}", "[nan, -0.0]"),
    ("plans", '{"{\\"a\\": [1]}","[\\"b\\"]","null"}', "[{'a': [1]}, ['b'], None]"),
    ("plans", '{1,NULL,"null"}', "stored(['1', None, 'null'])"),
    ("plans", "{1.10,12345678901234567890.5}", "stored(['1.10', '12345678901234567890.5'])"),
]


@pytest.mark.postgresql
@pytest.mark.parametrize(("field", "text", "source"), ARRAYS)
def test_an_array_keeps_its_dimensions_and_nulls_and_the_digits_of_json(
    field: str, text: str, source: str, tmp_path: Path
) -> None:
    from pgzoo.models import Catalogue

    def texts() -> list[tuple[str]]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {field}::text FROM pgzoo_catalogue")
            return cursor.fetchall()

    put(Catalogue(pk=1))
    Catalogue.objects.update(**{field: RawSQL("%s", [text])})
    dump = called("dumpdata", "pgzoo.Catalogue", format="py").out
    (tmp_path / "dump.py").write_text(dump, encoding="utf-8")
    assert f" {source}, " in row(dump)
    Catalogue.objects.update(**{field: []})
    for _ in ("updated", "inserted"):
        loaded(tmp_path / "dump.py")
        assert texts() == [(text,)]
        Catalogue.objects.all().delete()


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("field", "text", "source"), [case for case in ARRAYS if 'NULL,"' not in case[1]][:-1]
)
def test_an_array_of_an_instance_is_written_like_that_of_its_row(
    field: str, text: str, source: str
) -> None:
    from pgzoo.models import Catalogue

    put(Catalogue(pk=1))
    Catalogue.objects.update(**{field: RawSQL("%s", [text])})
    assert f" {source}, " in row(dumped(Catalogue.objects.all()))


def test_a_value_of_a_custom_field_is_encoded_once_where_django_writes_the_sql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Statements, "wants_python", True)
    monkeypatch.setattr(SetField, "get_prep_value", lambda _field, value: f"{value},")
    put(Basket(pk=1, fruits="apple"))
    (tmp_path / "dump.py").write_text(called("dumpdata", "zoo.Basket", format="py").out)
    Basket.objects.update(optional_fruits="pear")
    for _ in ("updated", "inserted"):
        loaded(tmp_path / "dump.py")
        assert stored(Basket, "fruits") == ["'apple,'"]
        Basket.objects.all().delete()


@pytest.mark.parametrize(
    ("given", "stored", "same"),
    [
        (memoryview(b"x"), b"x", True),
        (bytearray(b"x"), b"y", False),
        ("1.50", 1.5, True),
        (Decimal("1.5"), "1.50", True),
        ("1.5", 1.25, False),
        ("abc", 5, False),
        ("x", b"x", False),
    ],
)
def test_what_a_field_gives_and_a_driver_has_given_are_compared_by_value(
    given: Any, stored: Any, same: bool
) -> None:
    assert is_same_stored(given, stored) is same


def test_a_value_whose_text_does_not_give_it_back_is_refused_by_name() -> None:
    put(Plumage(pk=7, colour=Colour("red", "dark")))
    with pytest.raises(UnwritableField) as caught:
        dumped(Plumage.objects.all())
    error = caught.value
    assert (error.ref.name, error.field) == (("zoo.Plumage", "7"), "colour")
    assert "zoo.Plumage(pk=7)" in str(error)
    assert "'colour'" in str(error)


def test_a_value_that_a_field_with_sql_reads_as_none_does_not_become_null(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(Plumage(pk=7, colour=Colour("red", "")))
    monkeypatch.setattr(ColourField, "from_db_value", lambda *_arguments: None)
    with pytest.raises(
        CommandError, match=r"zoo\.Plumage\(pk=7\): the value of 'colour' cannot be"
    ):
        call_command("dumpdata", "zoo.Plumage", format="py", stdout=StringIO())


def test_a_refused_value_is_a_serialization_error_of_django() -> None:
    put(Plumage(pk=7, colour=Colour("red", "dark")))
    with pytest.raises(SerializationError):
        dumped(Plumage.objects.all())


def test_the_command_says_which_value_was_refused_and_writes_no_file(tmp_path: Any) -> None:
    put(Plumage(pk=7, colour=Colour("red", "dark")))
    path = tmp_path / "snapshot.py"
    with pytest.raises(CommandError, match=r"zoo\.Plumage\(pk=7\).*'colour'"):
        call_command("dumpdata", "zoo.Plumage", format="py", output=str(path), stdout=StringIO())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sqlite
@pytest.mark.postgresql
def test_json_that_is_nested_too_deeply_for_python_is_refused_by_name() -> None:
    plan: list[Any] = []
    for _level in range(150):
        plan = [plan]
    Diet.objects.create(pk=7, plan=plan)
    with pytest.raises(CommandError) as caught:
        call_command("dumpdata", "zoo.Diet", format="py", stdout=StringIO())
    assert "zoo.Diet(pk=7): the value of 'plan', of type list, cannot be written" in str(
        caught.value
    )
    assert "lists and dicts are nested more than 100 levels deep" in str(caught.value)


@pytest.mark.sqlite
def test_a_number_within_json_that_no_float_holds_is_refused_by_name() -> None:
    put(Diet(pk=7, plan=1))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE zoo_diet SET plan = '0.12345678901234567890123'")
    with pytest.raises(CommandError, match=r"zoo\.Diet\(pk=7\).*'plan'"):
        call_command("dumpdata", "zoo.Diet", format="py", stdout=StringIO())
