"""A small newspaper, release 4.0."""

__version__ = "4.0"
