"""Calls on paper: a table with its heading on every page, numbered, in the brand's name and with the filter in words.

The font is our own (Inter: Latin with all its accents, Greek, Cyrillic, Vietnamese). What it lacks, such as Arabic,
Hebrew, Chinese, Japanese, Korean, Thai and the scripts of India, becomes a box, and the last page says so. A document
is kept in memory until it is whole, which is why `orders.MOST_ROWS` bounds it.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from babel import Locale
from reportlab.lib.pagesizes import A4, LETTER, landscape
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from ringstead.api.formatting import format_duration, parse_locale
from ringstead_calllogs.columns import COLUMNS
from ringstead_calllogs.orders import Order
from ringstead_calllogs.patterns import date_text, time_text

_FONTS: Final = Path(__file__).parent / "fonts"
REGULAR, BOLD = "RingsteadRegular", "RingsteadBold"
_SIZE, _LEADING, _MARGIN, _GAP, _PADDING = 7.5, 9.5, 34.0, 6.0, 2.6
_HEAD_SIZE: Final = 13
_MOST_LINES: Final = 4
_INK, _QUIET, _RULE = 0.1, 0.42, 0.82
_BOX: Final = "□"
# Where paper is as wide as it is called: countries that print on Letter (CLDR, measurementData).
_LETTER: Final = frozenset(
    ["BZ", "CA", "CL", "CO", "CR", "GT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE"]
)
# What takes as much room as any.
_LATE: Final = datetime(2000, 12, 28, 22, 58, 58)
_LONG: Final = 36_000
_LONG_NUMBERS: Final = {"number": ("+49 1520 3456789",), "e164": ("+4915203456789",)}
_lock = Lock()


def write(path: Path, order: Order, rows: Iterable[Any]) -> None:
    """Write the rows of `listing.FILE_COLUMNS` to a new file."""
    page = _Page(path, order)
    for row in rows:
        page.add([_text(row, name, order) for name in order.columns])
    page.end()


def _text(row: Any, name: str, order: Order) -> str:
    column = COLUMNS[name]
    value = column.read(row, order.words)
    if column.kind == "text":
        return str(value)
    if column.kind == "seconds":
        return "" if value is None else format_duration(value)
    local = value if column.kind == "moment" else value.astimezone(order.zone)
    day = date_text(order.locale, local.date())
    clock = time_text(order.locale, local.hour, local.minute, local.second)
    return day if column.kind == "date" else clock if column.kind == "time" else f"{day} {clock}"


class _Glyphs(dict[int, str]):
    """For `str.translate`: every character as the font has it. `missing` tells whether one was not."""

    def __init__(self, known: Iterable[int]) -> None:
        self._known = frozenset(known)
        self.missing = False

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isspace() or unicodedata.category(char) == "Cc":
            shown = " "
        elif code in self._known:
            shown = char
        elif unicodedata.category(char) in ("Cf", "Mn"):
            shown = ""
        else:
            self.missing = True
            return _BOX if ord(_BOX) in self._known else "?"  # not kept, so that each is noticed
        self[code] = shown
        return shown


@cache
def _known_characters() -> frozenset[int]:
    with _lock:
        for name, file in ((REGULAR, "inter-400.ttf"), (BOLD, "inter-600.ttf")):
            pdfmetrics.registerFont(TTFont(name, str(_FONTS / file)))
    return frozenset(pdfmetrics.getFont(REGULAR).face.charToGlyph)


class _Page:
    """A document, page after page."""

    def __init__(self, path: Path, order: Order) -> None:
        self._glyphs = _Glyphs(_known_characters())
        self._order = order
        self._width, self._height = landscape(LETTER if _territory(order.locale) in _LETTER else A4)
        self._canvas = Canvas(
            str(path),
            pagesize=(self._width, self._height),
            pageCompression=1,
            lang=order.locale.replace("_", "-"),
        )
        words = order.words
        self._canvas.setTitle(f"{words['calls']} · {words['brand']}")
        self._canvas.setAuthor(words["brand"])
        self._canvas.setCreator(words["brand"])
        self._canvas.setProducer(words["brand"])
        self._edges = _edges(order, self._width)
        self._number = 0
        self._y = 0.0
        self._begin()

    def add(self, cells: Sequence[str]) -> None:
        """Add a row."""
        lines = [self._fitted(text, place) for place, text in enumerate(cells)]
        height = max(map(len, lines)) * _LEADING + 2 * _PADDING
        if self._y - height < _MARGIN + 2 * _LEADING:
            self._close()
            self._begin()
        top = self._y - _PADDING - _SIZE
        for place, column in enumerate(lines):
            for number, line in enumerate(column):
                if line:
                    self._canvas.drawString(self._edges[place], top - number * _LEADING, line)
        self._y -= height
        self._canvas.line(_MARGIN, self._y, self._width - _MARGIN, self._y)

    def end(self) -> None:
        """Close the last page and write the file."""
        if self._glyphs.missing:
            self._y -= 2 * _LEADING
            self._draw(
                _MARGIN, max(self._y, _MARGIN + _LEADING), self._order.words["unshown"], REGULAR, _SIZE
            )
        self._close()
        self._canvas.save()

    def _begin(self) -> None:
        self._number += 1
        canvas, words = self._canvas, self._order.words
        self._y = self._height - _MARGIN
        if self._number == 1:
            self._y -= _HEAD_SIZE
            title = f"{words['calls']} · {words['whose']}" if words["whose"] else words["calls"]
            self._draw(_MARGIN, self._y, title, BOLD, _HEAD_SIZE)
            self._draw_right(self._y, words["brand"], BOLD, _SIZE + 1.5)
            self._y -= _LEADING * 1.5
            canvas.setFillGray(_QUIET)
            self._draw(_MARGIN, self._y, words["sought"], REGULAR, _SIZE + 1)
            canvas.setFillGray(_INK)
            self._y -= _LEADING * 1.4
        self._y -= _SIZE
        titles = [
            self._fitted(words[f"title {name}"], place, BOLD)
            for place, name in enumerate(self._order.columns)
        ]
        for place, lines in enumerate(titles):
            for number, line in enumerate(lines):
                self._draw(self._edges[place], self._y - number * _LEADING, line, BOLD, _SIZE)
        self._y -= (max(map(len, titles)) - 1) * _LEADING + _PADDING + 2
        canvas.setStrokeGray(_QUIET)
        canvas.setLineWidth(0.7)
        canvas.line(_MARGIN, self._y, self._width - _MARGIN, self._y)
        canvas.setStrokeGray(_RULE)
        canvas.setLineWidth(0.35)
        canvas.setFillGray(_INK)
        canvas.setFont(REGULAR, _SIZE)

    def _close(self) -> None:
        words = self._order.words
        self._canvas.setFillGray(_QUIET)
        y = _MARGIN - _LEADING
        self._draw(_MARGIN, y, f"{words['brand']} · {words['made']}", REGULAR, _SIZE)
        self._draw_right(y, f"{words['page']} {self._number}", REGULAR, _SIZE)
        self._canvas.showPage()

    def _draw(self, x: float, y: float, text: str, font: str, size: float) -> None:
        self._canvas.setFont(font, size)
        self._canvas.drawString(x, y, self._shown(text))

    def _draw_right(self, y: float, text: str, font: str, size: float) -> None:
        self._canvas.setFont(font, size)
        self._canvas.drawRightString(self._width - _MARGIN, y, self._shown(text))

    def _shown(self, text: str) -> str:
        return text if text.isascii() and text.isprintable() else _composed(text).translate(self._glyphs)

    def _fitted(self, text: str, place: int, font: str = REGULAR) -> list[str]:
        """A text in lines that fit into its column; what is too long for them ends in an ellipsis."""
        room = self._edges[place + 1] - self._edges[place] - _GAP
        shown = self._shown(text)
        if _wide(shown, font) <= room:
            return [shown]
        lines: list[str] = []
        rest = shown
        while rest and len(lines) < _MOST_LINES:
            line = _cut(rest, room, font)
            rest = rest[len(line) :].lstrip()
            lines.append(line.rstrip())
        if rest:
            lines[-1] = lines[-1][:-1].rstrip() + "…"
        return lines


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _wide(text: str, font: str) -> float:
    return float(pdfmetrics.stringWidth(text, font, _SIZE))


def _cut(text: str, room: float, font: str) -> str:
    """As much of a text as fits, to the end of a word if one ends there."""
    fits = 1
    while fits < len(text) and _wide(text[: fits + 1], font) <= room:
        fits += 1
    if fits == len(text):
        return text
    space = text.rfind(" ", 1, fits + 1)
    return text[: space if space > 0 else fits]


def _edges(order: Order, width: float) -> list[float]:
    """Where each column begins, and where the last one ends.

    Each has room for its dates, times or numbers in a line; what is left goes to texts, by how long they are.
    """
    room = width - 2 * _MARGIN + _GAP
    needs = [_needed(name, order) + _GAP for name in order.columns]
    is_wordy = [COLUMNS[name].kind == "text" and name not in _LONG_NUMBERS for name in order.columns]
    shares = [
        COLUMNS[name].width if wordy else 1 for name, wordy in zip(order.columns, is_wordy, strict=True)
    ]
    fit, spare = min(1.0, room / sum(needs)), max(0.0, room - sum(needs))
    edges = [_MARGIN]
    for need, share in zip(needs, shares, strict=True):
        edges.append(edges[-1] + need * fit + spare * share / sum(shares))
    return edges


def _needed(name: str, order: Order) -> float:
    """The room for a column's longest date, time or number, and for each word of its heading."""
    day, clock = date_text(order.locale, _LATE.date()), time_text(order.locale, *_LATE.timetuple()[3:6])
    examples = {
        "date": (day,),
        "time": (clock,),
        "moment": (day, clock),
        "seconds": (format_duration(_LONG),),
        "text": _LONG_NUMBERS.get(name, ()),
    }[COLUMNS[name].kind]
    words = order.words[f"title {name}"].split()
    return max(*(_wide(text, REGULAR) for text in examples), *(_wide(word, BOLD) for word in words), 0.0)


def _territory(locale: str) -> str:
    known: Locale | None = parse_locale(locale)
    if known is None:
        return ""
    return known.territory or ("US" if known.language == "en" else "")
