"""Read dumps and fixtures, and locate their errors."""

from dumpy.reading.dump import Dump, DumpedTable, open
from dumpy.reading.program import Program

__all__ = ["Dump", "DumpedTable", "Program", "open"]
