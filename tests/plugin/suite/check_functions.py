"""The mark on functions."""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.sites.models import Site
from django.db import connection
from seen import seen
from shop.models import Product


@pytest.fixture(autouse=True)
def first_seen(request):
    """Return what a fixture of the project sees, if the test has the database."""
    return seen() if request.node.get_closest_marker("dumpy") else []


@pytest.mark.dumpy("tea")
def test_the_rows_are_there_for_the_test_and_its_fixtures(first_seen):
    assert first_seen == seen() == ["Assam", "Sencha"]


@pytest.mark.django_db
def test_another_test_does_not_see_them():
    assert seen() == []


@pytest.mark.dumpy("tea.py", "coffee")
def test_formats_may_be_mixed_and_endings_named():
    assert seen() == ["Assam", "Espresso", "Sencha"]


@pytest.mark.dumpy(["tea", "coffee"], databases="default", scope="module")
def test_names_may_be_a_list_as_in_a_test_case():
    assert seen() == ["Assam", "Espresso", "Sencha"]


@pytest.mark.dumpy("tea")
def test_a_new_row_gets_a_free_key():
    assert Product.objects.create(name="Oolong").pk not in (7, 8)


@pytest.mark.dumpy("tea")
def test_a_fixture_of_pytest_django_may_be_asked_for_as_well(db, client):
    assert seen() == ["Assam", "Sencha"]


@pytest.mark.dumpy("tea")
@pytest.mark.parametrize("number", [1, 2])
def test_a_parameter_is_no_matter(number):
    assert seen() == ["Assam", "Sencha"]


@pytest.mark.dumpy("tea")
def test_a_test_that_commits_has_them_committed(transactional_db):
    assert not connection.in_atomic_block
    assert seen() == ["Assam", "Sencha"]


@pytest.mark.dumpy("tea")
@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_a_test_that_resets_sequences_gets_free_keys():
    assert Product.objects.create(name="Oolong").pk not in (7, 8)


@pytest.mark.django_db(transaction=True)
def test_nothing_stays_after_one_that_commits():
    assert seen() == []


@pytest.mark.dumpy("tea", databases=["other"])
def test_another_database_is_loaded_alone():
    assert (seen("other"), seen()) == (["Assam", "Sencha"], [])


@pytest.mark.dumpy("tea", databases="__all__")
def test_all_databases_are_loaded():
    assert seen() == seen("other") == ["Assam", "Sencha"]


@pytest.mark.dumpy("tea", databases=["other"], scope="module")
@pytest.mark.django_db(transaction=True)
def test_another_database_is_loaded_for_a_test_that_commits():
    assert (seen("other"), seen()) == (["Assam", "Sencha"], [])


@pytest.mark.dumpy("alien")
def test_content_types_of_a_fixture_are_looked_up():
    assert ContentType.objects.get_by_natural_key("alien", "egg").pk == 900
    assert ContentType.objects.get_for_id(900).model == "egg"
    assert Site.objects.get_current().domain == "tea.example"


@pytest.mark.django_db
def test_content_types_and_sites_of_a_fixture_are_forgotten():
    with pytest.raises(ContentType.DoesNotExist):
        ContentType.objects.get_for_id(900)
    assert Site.objects.get_current().domain == "example.com"


def test_a_test_loads_fixtures_itself(dumpy_load):
    dumpy_load("tea")
    assert seen() == ["Assam", "Sencha"]
    dumpy_load("coffee", "tea")
    assert seen() == ["Assam", "Espresso", "Sencha"]


@pytest.mark.django_db(databases=["default", "other"])
def test_a_test_loads_into_another_database(dumpy_load):
    dumpy_load("tea", database="other")
    assert (seen("other"), seen()) == (["Assam", "Sencha"], [])


def test_what_a_test_has_loaded_is_undone(db):
    assert seen() == []
