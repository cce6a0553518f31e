"""Text in the cells of files: safe in a spreadsheet, whatever it says; and lines of CSV.

What a spreadsheet would take for a formula gets an apostrophe in front (OWASP, «CSV Injection»), inside a text too:
a spreadsheet that splits lines at another separator than ours makes a cell of what follows it. A telephone number is
no formula though it begins with a plus: it is let through when only digits and spaces follow; but not at the
beginning of a line, for where lines are not split at all, what follows it belongs to the same cell.

The rules are here twice: for a text in Python, and for a column in SQL, where a large file is made. Tests compare them.
"""

import csv
import io
import re
from functools import lru_cache
from typing import Any, Final

from babel import numbers
from sqlalchemy import ColumnElement, Text, case, func, literal

from ringstead.web.i18n import parse_locale

# Spreadsheets skip what cannot be seen before a sign, and know the signs of East Asian width too. The white space is
# spelled out, as engines of regular expressions do not agree on what it is.
_SPACES: Final = "\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
UNSEEN: Final = f"\x01-\x20{_SPACES}\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_FORMULA_SIGNS: Final = "=+@|%\uff1d\uff0b\uff0d\uff20\\-"
_SEPARATORS: Final = ";,\t\r\n"
SUSPICIOUS: Final = f"[{_FORMULA_SIGNS}\t\r\n]"
_NUMBER: Final = r"\+[0-9][0-9 ]*"
# Quotation marks vanish when a line is split at another separator than ours.
_AHEAD: Final = f'[{UNSEEN}"]*[{_FORMULA_SIGNS}]'
_BEGINS: Final = f"^(?:[\t\r\n]|{_AHEAD})"
_FOLLOWS: Final = f"([{_SEPARATORS}])(?={_AHEAD})"


def _compiled(pattern: str) -> re.Pattern[str]:
    # PostgreSQL has no character zero, so its patterns do not name it; Python's do.
    return re.compile(pattern.replace("\x01-\x20", "\x00-\x20"))


_SUSPICIOUS_RE, _NUMBER_RE = re.compile(SUSPICIOUS), re.compile(_NUMBER)
_BEGINS_RE, _FOLLOWS_RE = _compiled(_BEGINS), _compiled(_FOLLOWS)


def safe_cell(text: str) -> str:
    """Text in which no spreadsheet finds a formula, wherever it splits lines."""
    if _SUSPICIOUS_RE.search(text) is None or _NUMBER_RE.fullmatch(text):
        return text
    start = "'" if _BEGINS_RE.match(text) else ""
    return start + _FOLLOWS_RE.sub(r"\1'", text)


def safe_column(
    text: ColumnElement[Any], *, is_first: bool = False, is_number: bool = False
) -> ColumnElement[Any]:
    """The same of a column, which `is_first` in its line or not.

    All but the first test happens only where that finds something suspicious. In a column of telephone numbers it is
    whether this is one, as all of them begin with a plus.
    """
    start = case((text.op("~")(literal(_BEGINS, Text)), "'"), else_="")
    mended = start.concat(func.regexp_replace(text, literal(_FOLLOWS, Text), literal(r"\1'", Text), "g"))
    plain = text.op("!~")(literal(SUSPICIOUS, Text))
    number = text.op("~")(literal(f"^{_NUMBER}$", Text))
    if is_first:
        return case((plain, text), else_=mended)
    tests = [(number, text), (plain, text)] if is_number else [(plain, text), (number, text)]
    return case(*tests, else_=mended)


@lru_cache(maxsize=256)
def separator(locale: str) -> str:
    """What spreadsheets of a language expect between cells: a semicolon where the comma is for decimals."""
    return ";" if numbers.get_decimal_symbol(parse_locale(locale) or parse_locale("en")) == "," else ","


class Lines:
    """CSV lines (RFC 4180) that wait to be written, after the mark without which umlauts would not survive."""

    def __init__(self, delimiter: str) -> None:
        self._text = io.StringIO()
        self._text.write("\ufeff")
        self._writer = csv.writer(self._text, delimiter=delimiter, lineterminator="\n")

    def write(self, cells: list[str]) -> None:
        """Add a line."""
        self._writer.writerow([safe_cell(cell) for cell in cells])

    def take(self) -> bytes:
        """The lines since the last time."""
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()
