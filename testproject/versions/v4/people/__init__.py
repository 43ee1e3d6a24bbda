"""The people of the newspaper."""
