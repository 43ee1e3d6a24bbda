"""A small newspaper, release 3.0."""

__version__ = "3.0"
