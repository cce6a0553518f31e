"""Cells of files, for plugins: text that no spreadsheet takes for a formula, and lines of CSV."""

from ringstead.web.cells import Lines, safe_cell, safe_column, separator

__all__ = ["Lines", "safe_cell", "safe_column", "separator"]
