"""Migrators: change the create functions of an old dump to fit the current models."""
