"""Marks that are refused."""

import pytest
from django.test import TestCase
from seen import seen


@pytest.mark.dumpy
def test_no_names():
    raise AssertionError


@pytest.mark.dumpy("tea", scope="modul")
def test_unknown_scope():
    raise AssertionError


@pytest.mark.dumpy("tea", database="other")
def test_unknown_argument():
    raise AssertionError


@pytest.mark.dumpy("tea", databases=["nowhere"])
def test_unknown_database():
    raise AssertionError


@pytest.mark.dumpy("green_tea")
def test_unknown_fixture():
    raise AssertionError


@pytest.mark.dumpy("tea", "dangling", scope="class")
class TestDangling:
    """A fixture that cannot be loaded, after one that could."""

    def test_first(self):
        raise AssertionError

    def test_second(self):
        raise AssertionError


@pytest.mark.dumpy("tea")
@pytest.mark.dumpy("dangling")
@pytest.mark.django_db(transaction=True)
def test_dangling_committed():
    raise AssertionError


@pytest.mark.dumpy("orders", "tea")
def test_rows_of_another_fixture():
    raise AssertionError


@pytest.mark.dumpy("renamed")
def test_unknown_field():
    raise AssertionError


class FaultyTests(TestCase):
    """Marks in a class of Django."""

    @pytest.mark.dumpy("tea", scope="module")
    def test_scope_of_a_method(self):
        raise AssertionError

    @pytest.mark.dumpy("tea", databases=["other"])
    def test_database_of_a_class(self):
        raise AssertionError


@pytest.mark.django_db
def test_nothing_is_there_in_the_end():
    assert seen() == []


@pytest.mark.django_db(transaction=True)
def test_nothing_is_committed_in_the_end():
    assert seen() == []


@pytest.mark.dumpy("tea", scope="session")
def test_a_right_one():
    assert seen() == ["Assam", "Sencha"]
