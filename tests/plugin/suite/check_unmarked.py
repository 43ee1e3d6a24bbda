"""Tests without the mark, in the middle of those with it."""

import pytest
from django.test import TestCase
from seen import seen


@pytest.mark.django_db
def test_no_rows_of_others_are_there():
    assert seen() == []


@pytest.mark.django_db(transaction=True)
def test_no_rows_are_committed():
    assert seen() == []


class UnmarkedTests(TestCase):
    """A class without a mark."""

    def test_no_rows_are_in_its_database(self):
        assert seen() == []
