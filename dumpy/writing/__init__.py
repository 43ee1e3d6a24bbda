"""Database to text."""
