"""Which database a load writes to, which models it leaves out, and which rows are there already."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.sites.models import Site
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, fixture_of, message, refusal, values

from zoo.models import Species, Taxon

pytestmark = pytest.mark.django_db(databases=["default", "other"])


class TaxaElsewhere:
    """A router that has taxa in the other database only."""

    def allow_migrate(self, db: str, app_label: str, model_name: str = "", **hints: Any) -> Any:
        return db == "other" if model_name == "taxon" else None

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "other" if model is Taxon else None


def test_what_a_program_writes_by_itself_goes_into_the_database_of_the_load(load: Load) -> None:
    """W11"""
    text = fixture_of(
        "root, _ = Taxon.objects.get_or_create(name='life')",
        "root.save()",
        "yield Taxon(name='plants', parent=root)",
    )
    load(text, database="other")
    assert not values(Taxon, "pk")
    names = Taxon.objects.using("other").order_by("pk").values_list("name", "parent__name")
    assert list(names) == [("life", None), ("plants", "life")]
    assert Taxon.objects.create(name="after").pk
    assert values(Taxon, "name") == ["after"]


def test_a_program_that_the_router_leads_elsewhere_is_refused(load: Load, settings: Any) -> None:
    """W11"""
    settings.DATABASE_ROUTERS = [TaxaElsewhere()]
    said = message(load, fixture_of("Taxon.objects.create(name='x')", "yield Species(latin='y')"))
    assert "zoo.Taxon belongs to the database 'other'" in said
    assert not Taxon.objects.using("other").exists()


def test_rows_that_the_router_does_not_allow_are_left_out_and_said(
    load: Load, settings: Any
) -> None:
    """N6: they need not fit."""
    settings.DATABASE_ROUTERS = [TaxaElsewhere()]
    taxa = rows("zoo.Taxon", "id name gone", (1, "x", 2))
    said = load(dump_of(taxa, rows("zoo.Species", "id latin", (1, "y"))))
    assert "zoo.Taxon is left out: the router does not allow it in the database 'default'." in said
    assert values(Species, "latin") == ["y"]


def test_what_is_excluded_need_not_fit(load: Load) -> None:
    """N6"""
    taxa = rows("zoo.Taxon", "id name gone", ("no number", "x", 2))
    species = rows("zoo.Species", "id latin", (1, "y"))
    load(dump_of(taxa, species), exclude=["zoo.Taxon"])
    assert (values(Taxon, "pk"), values(Species, "latin")) == ([], ["y"])


def test_a_row_that_stands_in_the_way_is_named(load: Load) -> None:
    """N7"""
    Species.objects.create(pk=9, latin="a")
    (problem,) = refusal(load, dump_of(rows("zoo.Species", "id latin", (1, "a")))).problems
    assert "zoo.Species(pk=9) has the same latin and already exists." in problem.reason
    assert "manage.py restore" in problem.hint


def test_a_restore_is_not_advised_for_rows_of_one_file_that_exclude_each_other(
    load: Load,
) -> None:
    Species.objects.create(pk=9, latin="b")
    text = dump_of(rows("zoo.Species", "id latin", (1, "a"), (2, "a")))
    (problem,) = refusal(load, text).problems
    assert problem.reason.endswith("zoo.Species(pk=1) has the same latin.")
    assert problem.hint == ""


def test_a_restore_of_a_subset_is_not_advised(load: Load) -> None:
    Species.objects.create(pk=8, latin="a")
    Permission.objects.all().delete()
    Site.objects.all().delete()
    subset = "A subset of the data."
    text = dump_of(rows("zoo.Species", "id latin", (1, "a")), description=subset)
    (problem,) = refusal(load, text).problems
    assert problem.reason.endswith("zoo.Species(pk=8) has the same latin and already exists.")
    assert problem.hint == ""
    text = dump_of(rows("zoo.Species", "id latin", (1, "x")), description=subset)
    assert "existing rows kept: zoo.Species 1.\n" in load(text)


def test_rows_that_were_there_and_stay_are_counted(load: Load) -> None:
    """N7"""
    Species.objects.create(pk=8, latin="a")
    Species.objects.create(pk=9, latin="b")
    text = dump_of(rows("zoo.Species", "id latin", (1, "x"), (9, "y")))
    assert "existing rows kept: zoo.Species 1" in load(text)


def test_a_restore_that_would_empty_other_tables_is_not_advised(load: Load) -> None:
    Species.objects.create(pk=8, latin="a")
    text = dump_of(rows("zoo.Species", "id latin", (1, "x")))
    Permission.objects.all().delete()
    Site.objects.all().delete()
    assert "zoo.Species 1. To replace them: manage.py restore" in load(text)
    Taxon.objects.create(name="life")
    assert "existing rows kept: zoo.Species 1.\n" in load(text)
