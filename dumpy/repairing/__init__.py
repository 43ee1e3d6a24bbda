"""Chosen rows of a dump, put back into a database that goes on living."""
