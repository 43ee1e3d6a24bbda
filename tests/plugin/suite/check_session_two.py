"""The mark for the session, in module two of two."""

import pytest
from seen import seen

pytestmark = pytest.mark.dumpy("milk", scope="session")


def test_the_rows_of_the_session_are_there():
    assert seen() == ["milk"]


@pytest.mark.dumpy("tea", scope="module")
class TestTea:
    """Rows of the module are within those of the session."""

    def test_both_are_there(self):
        assert seen() == ["Assam", "Sencha", "milk"]

    @pytest.mark.dumpy("coffee", scope="class")
    def test_a_class_is_within_both(self):
        assert seen() == ["Assam", "Espresso", "Sencha", "milk"]
