"""Objects of hand-written fixtures that cannot be saved when it is their turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from dumps import module as dump_of
from dumps import rows
from loading_tools import Load, fixture_of, line_of, message, refusal, values

from dumpy.errors import DumpyError
from zoo.models import (
    Curator,
    Exhibit,
    Introduction,
    Island,
    Lemur,
    Meal,
    Otter,
    Parrot,
    Region,
    Snack,
    Species,
    Taxon,
    Visa,
    Wing,
)

pytestmark = pytest.mark.django_db

SetHook = Callable[[Callable[[Any], None]], None]


@pytest.fixture
def snack_hook(monkeypatch: pytest.MonkeyPatch) -> SetHook:
    """A function that gives snacks another ``before_dumpy_save``, one without a parameter."""
    return lambda hook: monkeypatch.setattr(Snack, "before_dumpy_save", lambda snack: hook(snack))


def test_a_foreign_key_may_lead_to_an_object_that_comes_later(load: Load) -> None:
    load(
        fixture_of(
            "yield Taxon(pk=1, name='child', parent_id=2)",
            "yield Taxon(pk=2, name='root')",
        )
    )
    assert values(Taxon, "pk", "parent") == [(1, 2), (2, None)]


def test_a_foreign_key_to_a_field_that_is_no_primary_key_may_lead_forward(load: Load) -> None:
    load(
        fixture_of(
            "yield Exhibit(pk=1, species_id='Lutra lutra')",
            "yield Species(pk=1, latin='Lutra lutra')",
        )
    )
    assert Exhibit.objects.get().species.pk == 1


def test_a_chain_of_one_to_ones_may_come_backwards(load: Load) -> None:
    load(
        fixture_of(
            "yield Visa(passport_id=1, number='V')",
            "yield Passport(species_id=1, number='P')",
            "yield Species(pk=1, latin='x')",
        )
    )
    assert Visa.objects.get().passport.species.latin == "x"


def test_an_object_may_wait_for_several_others(load: Load) -> None:
    load(
        fixture_of(
            "yield Introduction(pk=1, animal_id=2, other_id=3, witness_id=1, went_well=True)",
            "yield [Animal(pk=pk, name='x') for pk in (1, 2, 3)]",
        )
    )
    assert values(Introduction, "animal", "other", "witness") == [(2, 3, 1)]


def test_an_object_may_wait_for_a_row_of_a_dump_that_is_loaded_with_it(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text(fixture_of("yield Taxon(pk=1, name='child', parent_id=2)"))
    second.write_text(dump_of(rows("zoo.Taxon", "id name parent_id", (2, "root", None))))
    call_command("loaddata", str(first), str(second), verbosity=0)
    assert values(Taxon, "pk", "parent") == [(1, 2), (2, None)]


@pytest.mark.parametrize("word", ["FlushDeferredObjects", "FlushDeferredObjects()"])
def test_a_flush_saves_what_can_be_saved_by_then(load: Load, word: str) -> None:
    load(
        fixture_of(
            "yield Taxon(pk=1, name='child', parent_id=2)",
            "yield Taxon(pk=2, name='root')",
            f"yield {word}",
            "yield Taxon(pk=3, name=f'{Taxon.objects.count()} so far')",
        )
    )
    assert Taxon.objects.get(pk=3).name == "2 so far"


def test_none_is_nothing(load: Load) -> None:
    load(fixture_of("yield None", "yield Taxon(pk=1, name='x')", "yield [None, []]"))
    assert values(Taxon, "pk") == [1]


def test_lists_tuples_sets_querysets_and_generators_may_be_nested(load: Load) -> None:
    Species.objects.create(pk=5, latin="x")
    load(
        fixture_of(
            "yield (Taxon(pk=pk, name='x') for pk in (1, 2))",
            "yield [[Taxon(pk=3, name='x')], (Taxon(pk=4, name='x'),)]",
            "yield Species.objects.all()",
            "yield from [Taxon(pk=5, name='x')]",
            "yield map(lambda pk: Taxon(pk=pk, name='x'), {6})",
        )
    )
    assert values(Taxon, "pk") == [1, 2, 3, 4, 5, 6]


def test_objects_may_be_a_function_that_returns_a_list(load: Load) -> None:
    load(fixture_of("return [Taxon(pk=1, name='x')]"))
    assert values(Taxon, "pk") == [1]


def test_a_generator_may_use_what_it_has_yielded(load: Load) -> None:
    load(
        fixture_of(
            "root = Taxon(name='root')",
            "yield root",
            "yield Taxon(name='child', parent=root)",
        )
    )
    assert Taxon.objects.get(name="child").parent == Taxon.objects.get(name="root")


def test_unsaved_related_objects_are_saved_first(load: Load) -> None:
    load(fixture_of("yield Otter(name='Olli', pond=Pond(name='deep'))"))
    assert Otter.objects.get().pond.name == "deep"


FACTORIES = """
import factory
from zoo.models import Passport, Species, Visa


class SpeciesFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Species

    latin = factory.Sequence(lambda n: f"species {n}")


class PassportFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Passport

    species = factory.SubFactory(SpeciesFactory)


class VisaFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Visa

    passport = factory.SubFactory(PassportFactory, number="P")
    number = "V"


def objects():
    return VisaFactory.build_batch(3)
"""


def test_an_object_of_a_factory_is_saved_with_all_that_it_was_built_with(load: Load) -> None:
    load(FACTORIES)
    assert Visa.objects.count() == 3
    assert len({visa.passport.species.latin for visa in Visa.objects.all()}) == 3


def test_unsaved_parents_of_several_levels_are_saved_first(load: Load) -> None:
    load(
        fixture_of(
            "root = Taxon(name='root')",
            "twig = Taxon(name='twig', parent=Taxon(name='branch', parent=root))",
            "yield Taxon(name='leaf', parent=twig)",
            "yield [Taxon(name='bud', parent=Taxon(name='shoot', parent=root))]",
        )
    )
    parents = Taxon.objects.order_by("pk").values_list("name", "parent__name")
    assert list(parents) == [
        ("root", None), ("branch", "root"), ("twig", "branch"), ("leaf", "twig"),
        ("shoot", "root"), ("bud", "shoot"),
    ]  # fmt: skip


def test_objects_that_point_at_each_other_are_saved_once_each(load: Load) -> None:
    load(
        fixture_of(
            "wing = Wing(pk=1, name='north')",
            "wing.curator = Curator(pk=2, name='Ada', wing=wing)",
            "yield wing",
        )
    )
    assert values(Wing, "pk", "curator") == [(1, 2)]
    assert values(Curator, "pk", "wing") == [(2, 1)]


def test_an_unsaved_object_that_is_yielded_too_is_saved_once(load: Load) -> None:
    said = load(
        fixture_of(
            "root = Taxon(name='root')",
            "yield Taxon(name='child', parent=root)",
            "yield root",
        )
    )
    assert sorted(Taxon.objects.values_list("name", flat=True)) == ["child", "root"]
    assert "Installed 2 object(s)" in said


def test_a_hook_may_complete_an_object_before_it_is_validated(load: Load) -> None:
    load(fixture_of("yield Snack(pk=1, name='nuts')"))
    assert Snack.objects.get().shouted == "NUTS"


def test_a_hook_gets_the_loader_if_it_has_a_parameter_for_it(load: Load) -> None:
    load(
        fixture_of(
            "yield Species(pk=1, latin='Lutra')", "yield Meal(pk=1, name='fish', species_id=1)"
        )
    )
    assert Meal.objects.get().latin == "Lutra"


def test_an_object_whose_hook_fails_is_tried_again_when_more_is_there(load: Load) -> None:
    load(
        fixture_of(
            "yield Meal(pk=1, name='fish', species_id=1)", "yield Species(pk=1, latin='Lutra')"
        )
    )
    assert Meal.objects.get().latin == "Lutra"


def test_a_hook_without_a_parameter_may_fail_first_too(load: Load, snack_hook: SetHook) -> None:
    snack_hook(lambda snack: setattr(snack, "shouted", Species.objects.get().latin))
    load(fixture_of("yield Snack(pk=1, name='late')", "yield Species(pk=1, latin='x')"))
    assert Snack.objects.get().shouted == "x"


def test_a_hook_of_dumped_rows_sees_the_rows_before_it(load: Load) -> None:
    load(
        dump_of(
            rows("zoo.Species", "id latin", (1, "Lutra")),
            rows("zoo.Meal", "id name species_id latin", (1, "fish", 1, "")),
        )
    )
    assert Meal.objects.get().latin == "Lutra"


def test_a_hook_of_dumped_rows_may_wait_for_rows_after_it(load: Load) -> None:
    load(
        dump_of(
            rows("zoo.Meal", "id name species_id latin", (1, "fish", 2, ""), (2, "hay", 1, "")),
            rows("zoo.Species", "id latin", (1, "Lutra"), (2, "Panthera")),
        )
    )
    assert values(Meal, "latin") == ["Panthera", "Lutra"]


@pytest.mark.sql
def test_a_hook_may_flush_and_then_fail_without_taking_rows_with_it(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook(meal: Meal, loader: Any) -> None:
        loader.flush()
        assert meal.pk < 3 or Species.objects.exists()

    monkeypatch.setattr(Meal, "before_dumpy_save", hook)
    meals = rows("zoo.Meal", "id name", (1, "a"), (2, "b"), (3, "c"))
    load(dump_of(meals, rows("zoo.Species", "id latin", (1, "x"))))
    assert values(Meal, "pk") == [1, 2, 3]


@pytest.mark.sql
def test_what_waits_for_an_object_that_a_failing_hook_saves_is_not_lost(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook(meal: Meal, loader: Any) -> None:
        loader.save(Taxon(pk=2, name="root"))
        assert Species.objects.exists()

    monkeypatch.setattr(Meal, "before_dumpy_save", hook)
    load(
        fixture_of(
            "yield Taxon(pk=1, name='child', parent_id=2)",
            "yield Meal(pk=1, name='bread')",
            "yield Species(pk=1, latin='x')",
        )
    )
    assert values(Taxon, "pk", "parent") == [(1, 2), (2, None)]


def test_a_hook_may_end_the_load_with_a_sentence_of_its_own(
    load: Load, snack_hook: SetHook
) -> None:
    def refuse(snack: Snack) -> None:
        raise DumpyError("There are no snacks before lunch.")

    snack_hook(refuse)
    said = message(load, fixture_of("yield Snack(pk=1, name='nut')", "yield Snack(pk=2, name='x')"))
    assert said == "There are no snacks before lunch."
    assert not Snack.objects.exists()


def test_a_hook_that_never_succeeds_is_named_with_its_line(load: Load) -> None:
    """L7"""
    text = fixture_of("yield Meal(pk=1, name='fish', species_id=404)")
    (problem,) = refusal(load, text).problems
    assert (problem.ref.label, problem.ref.key) == ("zoo.Meal", 1)
    assert problem.ref.place is not None
    assert problem.ref.place.line == line_of(text, "species_id=404")


@pytest.mark.sql
def test_a_failing_hook_does_not_spoil_the_transaction(load: Load, snack_hook: SetHook) -> None:
    """In PostgreSQL the statement after a failed one fails too, unless there is a savepoint."""

    def fail_first(snack: Snack) -> None:
        if not Species.objects.exists():
            connection.cursor().execute("SELECT nonsense FROM nowhere")
        snack.shouted = "at last"

    snack_hook(fail_first)
    load(fixture_of("yield Snack(pk=1, name='x')", "yield Species(pk=1, latin='x')"))
    assert Snack.objects.get().shouted == "at last"


@pytest.mark.sql
def test_a_refused_save_is_tried_again_when_more_is_there(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Taxon, "clean", lambda taxon: Species.objects.get(pk=1))
    load(fixture_of("yield Taxon(pk=1, name='x')", "yield Species(pk=1, latin='x')"))
    assert values(Taxon, "pk") == [1]


@pytest.mark.sql
def test_two_not_null_keys_in_a_circle_are_saved_together(load: Load) -> None:
    """L8"""
    load(
        fixture_of(
            "yield Island(pk=1, name='x', chief_id=2)",
            "yield Lemur(pk=2, name='y', island_id=1)",
        )
    )
    assert values(Island, "chief") == [2]
    assert values(Lemur, "island") == [1]


def test_a_circle_takes_those_with_it_that_wait_for_it(load: Load) -> None:
    """L8"""
    load(
        fixture_of(
            "yield Lemur(pk=9, name='idle', island_id=3)",
            "yield [Island(pk=n, name='x', chief_id=n % 3 + 1) for n in (1, 2, 3)]",
            "yield [Lemur(pk=n, name='x', island_id=n % 3 + 1) for n in (1, 2, 3)]",
        )
    )
    assert (Island.objects.count(), Lemur.objects.count()) == (3, 4)


@pytest.mark.sql
def test_a_root_may_refer_to_itself(load: Load) -> None:
    """L8"""
    load(
        fixture_of(
            "yield Region(pk=2, name='part', within_id=1)",
            "yield Region(pk=1, name='world', within_id=1)",
        )
    )
    assert values(Region, "pk", "within") == [(1, 1), (2, 1)]


def test_a_circle_of_three_in_one_table_is_saved(load: Load) -> None:
    """L8"""
    load(fixture_of("yield [Region(pk=n, name='x', within_id=n % 3 + 1) for n in (1, 2, 3)]"))
    assert values(Region, "within") == [2, 3, 1]


def test_a_circle_with_one_invalid_member_is_an_error_that_names_it(load: Load) -> None:
    """D8"""
    text = fixture_of(
        "yield Island(pk=1, name='x' * 99, chief_id=2)",
        "yield Lemur(pk=2, name='y', island_id=1)",
    )
    problems = {(p.ref.label, p.ref.key): p.reason for p in refusal(load, text).problems}
    assert "40" in problems["zoo.Island", 1]
    assert not Lemur.objects.exists()


def test_every_object_that_cannot_be_loaded_is_named_with_line_and_reason(load: Load) -> None:
    """D8: Django names the first one, without its line."""
    text = fixture_of(
        "yield Taxon(pk=1, name='a', parent_id=404)",
        "yield Taxon(pk=2, name='b')",
        "yield Exhibit(pk=3, species_id='gone')",
    )
    error = refusal(load, text)
    found = [(p.ref.label, p.ref.key, p.ref.place and p.ref.place.line) for p in error.problems]
    assert found == [
        ("zoo.Taxon", 1, line_of(text, "parent_id=404")),
        ("zoo.Exhibit", 3, line_of(text, "'gone'")),
    ]
    assert "parent_id=404 refers to a row of zoo.Taxon" in error.problems[0].reason
    assert "species_id='gone' refers to a row of zoo.Species" in error.problems[1].reason


def test_the_message_says_what_and_where_and_that_nothing_was_written(load: Load) -> None:
    """D8"""
    text = fixture_of("yield Taxon(pk=1, name='a', parent_id=404)")
    said = message(load, text)
    assert "1 object could not be loaded; nothing was written." in said
    assert f"fixture.py:{line_of(text, '404')}: zoo.Taxon(pk=1): parent_id=404" in said


def test_those_who_wait_for_a_refused_object_are_named_too(load: Load) -> None:
    error = refusal(
        load,
        fixture_of(
            "yield Taxon(pk=1, name='a', parent_id=2)",
            "yield Taxon(pk=2, name='b', parent_id=3)",
            "yield Taxon(pk=3, name='c' * 99)",
        ),
    )
    assert [problem.ref.key for problem in error.problems] == [3, 1, 2]


@pytest.mark.sql
def test_a_failed_load_leaves_nothing_behind(load: Load) -> None:
    refusal(
        load,
        fixture_of(
            "yield Taxon(pk=1, name='good')", "yield Taxon(pk=2, name='bad', parent_id=404)"
        ),
    )
    assert not Taxon.objects.exists()


@pytest.mark.slow
def test_of_5000_waiting_objects_none_is_given_up_silently(load: Load) -> None:
    """L7: Lino sets the foreign keys of those beyond 4,000 to NULL."""
    text = fixture_of("yield [Taxon(pk=n, name='x', parent_id=99999) for n in range(1, 5001)]")
    error = refusal(load, text)
    assert {problem.ref.key for problem in error.problems} == set(range(1, 5001))
    assert len(error.problems) == 5000


@pytest.mark.slow
@pytest.mark.sqlite
def test_5000_waiting_objects_all_get_their_parent(load: Load) -> None:
    """L7"""
    load(
        fixture_of(
            "yield [Taxon(pk=n, name='x', parent_id=5001) for n in range(1, 5001)]",
            "yield Taxon(pk=5001, name='root')",
        )
    )
    assert Taxon.objects.filter(parent_id=5001).count() == 5000


def queries_of(load: Load, text: str) -> int:
    """Load a text into an empty table of taxa and return how many queries it took."""
    Taxon.objects.all().delete()
    with CaptureQueriesContext(connection) as queries:
        load(text)
    return len(queries)


def test_a_reversed_chain_costs_at_most_twice_the_queries_of_the_same_in_order(load: Load) -> None:
    """L7: Lino takes 499 passes for 500 objects."""
    chain = "[Taxon(pk=n, name='x', parent_id=n - 1 or None) for n in range(1, 301)]"
    in_order = queries_of(load, fixture_of(f"yield {chain}"))
    reversed_ = queries_of(load, fixture_of(f"yield reversed({chain})"))
    assert Taxon.objects.count() == 300
    assert reversed_ <= 2 * in_order


def test_a_reversed_chain_of_dumped_rows_costs_the_queries_of_the_same_in_order(
    load: Load,
) -> None:
    """L7"""
    chain = [(n, "x", n - 1 or None) for n in range(1, 2001)]
    fields = "id name parent_id"
    in_order = queries_of(load, dump_of(rows("zoo.Taxon", fields, *chain)))
    reversed_ = queries_of(load, dump_of(rows("zoo.Taxon", fields, *reversed(chain))))
    assert Taxon.objects.count() == 2000
    assert reversed_ <= 2 * in_order


def test_three_levels_of_inheritance_come_with_one_object(load: Load) -> None:
    load(fixture_of("yield Parrot(pk=1, name='Polly', wingspan=3, vocabulary='hello')"))
    polly = Parrot.objects.get()
    assert (polly.name, polly.wingspan, polly.vocabulary) == ("Polly", 3, "hello")
