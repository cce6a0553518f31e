"""Calls as a sheet: real dates, times, durations and numbers; texts that no program takes for a formula.

Rows are written as they come (XlsxWriter's `constant_memory`), so memory does not grow with their number.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from ringstead_calllogs.columns import COLUMNS, Column
from ringstead_calllogs.orders import Order
from ringstead_calllogs.patterns import date_pattern, sheet_format, time_pattern

_DAY: Final = 86_400
# Day 0 of sheets (ECMA-376, part 1, 18.17.4.1, the 1900 date system).
_EPOCH: Final = datetime(1899, 12, 30).toordinal()
_MOST_CHARACTERS: Final = 32_767
_LANDSCAPE_MARGIN: Final = 0.4


def write(path: Path, order: Order, rows: Iterable[Any]) -> None:
    """Write the rows of `listing.FILE_COLUMNS` to a new file."""
    options = {"constant_memory": True, "tmpdir": str(path.parent)}
    workbook = Workbook(str(path), options)
    workbook.set_properties({"title": order.words["calls"], "author": order.words["brand"]})
    sheet = workbook.add_worksheet(_sheet_name(order.words["calls"]))
    columns = [COLUMNS[name] for name in order.columns]
    formats = _formats(workbook, order)
    _prepare(sheet, order, columns, formats["heading"])
    last = 0
    for last, row in enumerate(rows, start=1):
        for place, column in enumerate(columns):
            value = column.read(row, order.words)
            if value is None or value == "":
                continue
            if column.kind == "text":
                sheet.write_string(last, place, value[:_MOST_CHARACTERS], formats["text"])
            else:
                sheet.write_number(last, place, _number(value, column.kind, order), formats[column.kind])
    sheet.autofilter(0, 0, last, len(columns) - 1)
    workbook.close()


def _prepare(sheet: Worksheet, order: Order, columns: list[Column], heading: Format) -> None:
    for place, column in enumerate(columns):
        title = order.words[f"title {order.columns[place]}"]
        sheet.set_column(place, place, max(column.width, len(title) + 4))
        sheet.write_string(0, place, title, heading)
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.repeat_rows(0)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer(f"&L{order.words['brand'].replace('&', '&&')}&R&P / &N")
    sheet.set_margins(_LANDSCAPE_MARGIN, _LANDSCAPE_MARGIN)


def _formats(workbook: Workbook, order: Order) -> dict[str, Format]:
    day, clock = sheet_format(date_pattern(order.locale)), sheet_format(time_pattern(order.locale))
    return {
        "heading": workbook.add_format({"bold": True, "bottom": 1}),
        "date": workbook.add_format({"num_format": day}),
        "time": workbook.add_format({"num_format": clock}),
        "moment": workbook.add_format({"num_format": f"{day} {clock}"}),
        "seconds": workbook.add_format({"num_format": "[h]:mm:ss"}),
        # «Text»: what begins with a sign stays text when somebody edits the cell.
        "text": workbook.add_format({"num_format": "@"}),
    }


def _number(value: Any, kind: str, order: Order) -> float:
    """A value as sheets count: days, from the evening of 1899."""
    if kind == "seconds":
        return float(value) / _DAY
    local = value if kind == "moment" else value.astimezone(order.zone)
    day = float(local.toordinal() - _EPOCH)
    clock = (local.hour * 3600 + local.minute * 60 + local.second) / _DAY
    return day if kind == "date" else clock if kind == "time" else day + clock


def _sheet_name(title: str) -> str:
    """A name that sheets may have: 31 characters, and none of a few signs."""
    return "".join(char for char in title if char not in "[]:*?/\\'")[:31] or "1"
