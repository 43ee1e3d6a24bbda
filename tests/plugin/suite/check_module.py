"""The mark on a module, and on classes within it."""

import pytest
from django.db import connection, transaction
from seen import seen
from shop.models import Product

pytestmark = pytest.mark.dumpy("tea", scope="module")


def test_the_rows_of_the_module_are_there():
    assert seen() == ["Assam", "Sencha"]


def test_a_test_deletes_them():
    Product.objects.all().delete()
    assert seen() == []


def test_the_next_one_has_them_again():
    assert seen() == ["Assam", "Sencha"]


@pytest.mark.django_db(transaction=True)
def test_one_that_commits_has_them_and_deletes_them():
    assert not connection.in_atomic_block
    assert seen() == ["Assam", "Sencha"]
    Product.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_the_next_that_commits_has_them_again():
    assert seen() == ["Assam", "Sencha"]


@pytest.mark.dumpy("coffee")
def test_a_test_has_rows_of_its_own_besides():
    assert seen() == ["Assam", "Espresso", "Sencha"]


def test_a_durable_block_is_allowed():
    with transaction.atomic(durable=True):
        Product.objects.create(name="Oolong")


def test_a_failing_block_is_rolled_back_alone():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Product.objects.create(name=str(1 / 0))
    assert seen() == ["Assam", "Sencha"]


def test_a_test_may_break_the_connection():
    connection.connection.rollback()


def test_the_scope_is_whole_after_that():
    assert seen() == ["Assam", "Sencha"]


@pytest.mark.dumpy("coffee", scope="class")
class TestCoffee:
    """A class has rows of its own besides those of the module."""

    def test_both_are_there(self):
        assert seen() == ["Assam", "Espresso", "Sencha"]

    def test_a_new_row_gets_a_free_key(self):
        assert Product.objects.create(name="Ristretto").pk not in (7, 8, 20)

    @pytest.mark.dumpy("milk", scope="function")
    def test_three_scopes_are_there(self):
        assert seen() == ["Assam", "Espresso", "Sencha", "milk"]

    @pytest.mark.django_db(transaction=True)
    def test_a_test_that_commits_has_both(self):
        assert seen() == ["Assam", "Espresso", "Sencha"]


def test_after_the_class_its_rows_are_gone():
    assert seen() == ["Assam", "Sencha"]
