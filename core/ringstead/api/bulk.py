"""Many rows at once, for plugins that take in thousands: `insert_rows(session, table, columns, rows)`."""

from ringstead.db.bulk import insert_rows, stage

__all__ = ["insert_rows", "stage"]
