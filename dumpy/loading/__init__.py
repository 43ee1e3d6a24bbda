"""Load dumps and objects into the database."""
