"""Fields that are of another type than in the dump."""

from __future__ import annotations

from itertools import islice

from dumpy.loading.references import References
from dumpy.loading.values import Failures, is_kept, to_python
from dumpy.reading import DumpedTable
from dumpy.schema.tables import Table

_ROWS = 1000


def keeps_values(dumped: DumpedTable, table: Table, using: str) -> bool:
    """Whether the fields of today hold all that the values of rows say."""
    references = References(using)
    columns = [column for column in table.columns if column.name in dumped.fields]
    rows = dumped.rows()
    while batch := list(islice(rows, _ROWS)):
        for column in columns:
            where = dumped.fields[column.name]
            values = [row.values[where] for row in batch if isinstance(where, int)]
            failures: Failures = {}
            made = to_python(column, values, references, failures)
            if failures or not all(map(is_kept, values, made)):
                return False
    return True
