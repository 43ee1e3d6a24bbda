"""Restore chosen rows of a dump into a database that is in use."""
