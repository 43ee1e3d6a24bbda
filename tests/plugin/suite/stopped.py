"""A test that fails within a scope of the session."""

import pytest

pytestmark = pytest.mark.dumpy("tea", scope="session")


def test_that_fails():
    raise AssertionError


def test_that_does_not_run():
    raise AssertionError
