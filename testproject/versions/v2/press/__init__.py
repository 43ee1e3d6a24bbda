"""A small newspaper, release 2.0."""

__version__ = "2.0"
