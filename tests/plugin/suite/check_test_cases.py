"""The mark on classes of unittest and of Django."""

import unittest

import pytest
from django.db import connection
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from seen import seen
from shop.models import Order, Product

pytestmark = pytest.mark.dumpy("tea", scope="module")


class FirstTests(TestCase):
    """A class sees the rows of the module, from the beginning."""

    @classmethod
    def setUpTestData(cls):
        cls.order = Order.objects.create(product=Product.objects.get(name="Assam"))

    def test_the_rows_are_there_with_those_of_the_class(self):
        assert seen() == ["Assam", "Sencha"]
        assert Order.objects.get() == self.order

    def test_rows_may_be_deleted(self):
        Product.objects.all().delete()
        assert Order.objects.count() == 0

    def test_rows_that_another_test_has_deleted_are_there(self):
        assert Order.objects.get().product.name == "Assam"


class SecondTests(TestCase):
    """The end of a class leaves the scope whole."""

    fixtures = ["coffee"]

    def test_fixtures_of_the_class_are_there_besides(self):
        assert seen() == ["Assam", "Espresso", "Sencha"]
        assert Order.objects.count() == 0

    @pytest.mark.dumpy("milk")
    def test_a_method_has_rows_of_its_own(self):
        assert seen() == ["Assam", "Espresso", "Sencha", "milk"]

    def test_another_method_does_not_see_them(self):
        assert "milk" not in seen()


@pytest.mark.dumpy("coffee", scope="class")
class ClassTests(TestCase):
    """Rows of the class are there before its own transaction."""

    @classmethod
    def setUpTestData(cls):
        cls.names = seen()

    def test_they_were_there_when_the_class_began(self):
        assert self.names == ["Assam", "Espresso", "Sencha"]


class ResettingTests(TransactionTestCase):
    """A new row has a key after those of the rows, although sequences are reset.

    Django resets them for the first test when the class begins, and for the others when they run.
    """

    reset_sequences = True

    def assert_new_row_is_last(self):
        keys = set(Product.objects.values_list("pk", flat=True))
        assert Product.objects.create(name="Oolong").pk > max(keys)

    def test_a_new_row_has_the_next_key(self):
        self.assert_new_row_is_last()

    def test_a_new_row_of_another_test_has_the_next_key(self):
        self.assert_new_row_is_last()


class CommittingTests(TransactionTestCase):
    """Each test has the rows committed, and they are flushed after it."""

    @unittest.skip("to see what stays")
    def test_a_skipped_one(self):
        raise AssertionError

    def test_the_rows_are_there(self):
        assert not connection.in_atomic_block
        assert seen() == ["Assam", "Sencha"]
        Product.objects.all().delete()

    def test_they_are_there_for_each(self):
        assert seen() == ["Assam", "Sencha"]


class PlainTests(unittest.TestCase):
    """A class that knows nothing of Django."""

    def test_the_rows_are_there(self):
        assert seen() == ["Assam", "Sencha"]


class SimpleTests(SimpleTestCase):
    """A class of Django without a database."""

    def test_it_runs(self):
        assert 1 + 1 == 2


def test_a_function_after_all_classes_sees_the_rows_of_the_module():
    assert seen() == ["Assam", "Sencha"]
