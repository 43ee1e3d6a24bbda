"""The mark for the session, in module two of two, whose tests are those of module one."""

from check_session_one import TestTea, pytestmark, test_the_rows_of_the_session_are_there

__all__ = ["TestTea", "pytestmark", "test_the_rows_of_the_session_are_there"]
