"""Text to dumps, and the places of whatever is wrong with them."""

from dumpy.reading.dump import Dump, DumpedTable, open
from dumpy.reading.program import Program

__all__ = ["Dump", "DumpedTable", "Program", "open"]
