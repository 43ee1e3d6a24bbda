"""Sections and objects to the database."""
