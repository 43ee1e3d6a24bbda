"""Versions to create functions: what an old dump means today."""
