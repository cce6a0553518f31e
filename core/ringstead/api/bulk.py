"""Many rows at once, for plugins that take in or give out thousands.

`insert_rows(session, table, columns, rows)` and `stage` bring rows in; `copy_out(session, statement, values)` gives the
rows of a SELECT as CSV.
"""

from ringstead.db.bulk import Lines, copier, copy_out, insert_rows, stage

__all__ = ["Lines", "copier", "copy_out", "insert_rows", "stage"]
