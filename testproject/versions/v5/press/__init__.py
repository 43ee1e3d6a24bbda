"""A small newspaper, release 5.0."""

__version__ = "5.0"
