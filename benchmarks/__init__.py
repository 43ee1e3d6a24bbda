"""dumpy beside Django's own formats and the limits of the database: ``python -m benchmarks``."""
