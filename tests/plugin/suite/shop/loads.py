"""The names of the programs that were loaded in this process."""

LOADS: list[str] = []
