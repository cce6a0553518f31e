"""The columns that a file of calls may have: their headings, their values, and which ones are asked for."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Text, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from ringstead.api import translations
from ringstead.api.cells import safe_cell, safe_column
from ringstead.api.formatting import format_number_e164
from ringstead_calllogs.filters import DIRECTIONS
from ringstead_calllogs.patterns import date_pattern, halves, time_pattern, to_char
from ringstead_calllogs.presenting import DIALLED, RECEIVED

_ = translations("ringstead_calllogs")
Kind = Literal["date", "time", "moment", "text", "seconds"]
UTC_PATTERN: Final = 'YYYY-MM-DD"T"HH24:MI:SS"Z"'


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and what it holds. `width` is in characters.

    `read` gives the value from a row of `listing.FILE_COLUMNS` and the words; times stay in UTC.
    """

    title: Any
    kind: Kind
    width: int
    read: Callable[[Any, Mapping[str, str]], Any]

    @property
    def heading(self) -> Any:
        """The heading where the cells are bare numbers."""
        return _IN_SECONDS.get(self.title, self.title)


def _direction(row: Any, words: Mapping[str, str]) -> str:
    return words[f"direction {'internal' if row.is_internal else row.direction}"]


def _result(row: Any, words: Mapping[str, str]) -> str:
    return words.get(f"{_side(row.direction == 'outgoing')} {row.disposition}", row.disposition)


def _side(outgoing: bool) -> str:
    return "dialled" if outgoing else "received"


_RINGING, _TALKING = _("Ringing"), _("Talking")
_IN_SECONDS: Final = {_RINGING: _("Ringing (seconds)"), _TALKING: _("Talking (seconds)")}
COLUMNS: Final[dict[str, Column]] = {
    "whose": Column(
        _("Whose call"), "text", 24, lambda row, words: words.get(f"person {row.subscriber_id}", "")
    ),
    "date": Column(_("Date"), "date", 12, lambda row, _words: row.started_at),
    "time": Column(_("Time"), "time", 13, lambda row, _words: row.started_at),
    "utc": Column(_("Time (UTC)"), "moment", 23, lambda row, _words: row.started_at.astimezone(UTC)),
    "direction": Column(_("Direction"), "text", 17, _direction),
    "result": Column(_("Result"), "text", 19, _result),
    "name": Column(_("Name"), "text", 28, lambda row, _words: row.name or ""),
    "number": Column(_("Number"), "text", 19, lambda row, _words: format_number_e164(row.number or "")),
    "e164": Column(_("Number (E.164)"), "text", 17, lambda row, _words: _public(row.number)),
    "phone": Column(_("Phone"), "text", 18, lambda row, _words: " + ".join(row.devices)),
    "ring": Column(_RINGING, "seconds", 10, lambda row, _words: row.ring_seconds),
    "talk": Column(
        _TALKING,
        "seconds",
        10,
        lambda row, _words: row.talk_seconds if row.disposition == "answered" else None,
    ),
    "note": Column(_("Note"), "text", 40, lambda row, _words: row.note or ""),
    "tags": Column(_("Tags"), "text", 20, lambda row, _words: ", ".join(row.tags or ())),
}
USUAL: Final = ("date", "time", "utc", "result", "name", "number", "e164", "phone", "ring", "talk")
PRINTED: Final = ("date", "time", "result", "name", "number", "phone", "ring", "talk")


def columns_of(others: bool) -> dict[str, Column]:
    """The columns that there are: whose call it is only of others', notes and tags only of one's own."""
    hidden = ("note", "tags") if others else ("whose",)
    return {name: column for name, column in COLUMNS.items() if name not in hidden}


def usual_columns(kind: str, others: bool = False) -> tuple[str, ...]:
    """The columns of a file when nobody chose: on paper, each thing once."""
    usual = PRINTED if kind == "pdf" else USUAL
    return ("whose", *usual) if others else usual


def read_columns(values: Iterable[str], kind: str, others: bool = False) -> tuple[tuple[str, ...], Any]:
    """The columns named in the address, with commas between or one by one, in their order; and what is wrong."""
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    known = columns_of(others)
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        said = {"name": unknown[:30], "known": ", ".join(known)}
        return (), _("There is no column “${name}”. These are known: ${known}.", mapping=said)
    return tuple(dict.fromkeys(names)) or usual_columns(kind, others), None


def word_messages() -> dict[str, Any]:
    """The fixed texts in rows and headings by name, not translated yet."""
    return {
        **{f"direction {name}": message for name, message in DIRECTIONS.items()},
        **{f"received {name}": message for name, message in RECEIVED.items()},
        **{f"dialled {name}": message for name, message in DIALLED.items()},
        **{f"title {name}": column.title for name, column in COLUMNS.items()},
        **{f"heading {name}": column.heading for name, column in COLUMNS.items()},
    }


def csv_cells(
    found: Any, names: Sequence[str], locale: str, zone: str, words: Mapping[str, str]
) -> list[ColumnElement[Any]]:
    """The cells of a row as PostgreSQL writes them; `found` are the columns of a subquery of the list."""
    local = func.timezone(literal(zone, Text), found.started_at)
    texts: dict[str, Callable[[], ColumnElement[Any]]] = {
        "whose": lambda: _person_cell(found, words),
        "name": lambda: func.nullif(found.name, ""),
        "number": lambda: found.number,
        "e164": lambda: case((found.number.op("~")(literal(r"^\+[0-9]+$", Text)), found.number)),
        "phone": lambda: _joined(found.devices, " + "),
        "note": lambda: func.nullif(found.note, ""),
        "tags": lambda: _joined(found.tags, ", "),
    }
    others: dict[str, Callable[[], ColumnElement[Any]]] = {
        "date": lambda: func.to_char(local, literal(to_char(date_pattern(locale)), Text)),
        "time": lambda: _time_cell(local, locale),
        "utc": lambda: func.to_char(
            func.timezone(literal("UTC", Text), found.started_at), literal(UTC_PATTERN, Text)
        ),
        "direction": lambda: _direction_cell(found, words),
        "result": lambda: _result_cell(found, words, is_first=names[0] == "result"),
        "ring": lambda: found.ring_seconds,
        "talk": lambda: case((found.disposition == "answered", found.talk_seconds)),
    }
    if names[0] != "e164":  # digits alone need no second look
        others["e164"] = texts["e164"]
    cells = [
        others[name]()
        if name in others
        else safe_column(texts[name](), is_first=place == 0, is_number=name in ("number", "e164"))
        for place, name in enumerate(names)
    ]
    return [cell.label(name) for name, cell in zip(names, cells, strict=True)]


def _public(number: str | None) -> str:
    return number if number and number[0] == "+" and number[1:].isascii() and number[1:].isdigit() else ""


def _time_cell(local: ColumnElement[Any], locale: str) -> ColumnElement[Any]:
    pattern, names = time_pattern(locale), halves(locale)
    if names is None:
        return func.to_char(local, literal(to_char(pattern), Text))
    if names in (("AM", "PM"), ("am", "pm")):
        # The server's own words, in either case.
        return func.to_char(local, literal(to_char(pattern, names[0]), Text))
    morning, evening = (literal(to_char(pattern, half), Text) for half in names)
    return func.to_char(local, case((func.date_part("hour", local) < 12, morning), else_=evening))


def _person_cell(found: Any, words: Mapping[str, str]) -> ColumnElement[Any]:
    """The name of whose call it is: looked up in an object with the names of all of them."""
    names = {key.removeprefix("person "): name for key, name in words.items() if key.startswith("person ")}
    known = cast(literal(json.dumps(names), Text), JSONB)
    return func.nullif(known.op("->>")(cast(found.subscriber_id, Text)), "")


def _direction_cell(found: Any, words: Mapping[str, str]) -> ColumnElement[Any]:
    internal, outgoing, incoming = (
        literal(safe_cell(words[f"direction {name}"]), Text) for name in ("internal", "outgoing", "incoming")
    )
    return case((found.is_internal, internal), (found.direction == "outgoing", outgoing), else_=incoming)


def _result_cell(found: Any, words: Mapping[str, str], is_first: bool) -> ColumnElement[Any]:
    sides = [
        case(
            {name: literal(safe_cell(words[f"{_side(outgoing)} {name}"]), Text) for name in known},
            value=found.disposition,
            else_=safe_column(found.disposition, is_first=is_first),
        )
        for outgoing, known in ((True, DIALLED), (False, RECEIVED))
    ]
    return case((found.direction == "outgoing", sides[0]), else_=sides[1])


def _joined(texts: ColumnElement[Any], between: str) -> ColumnElement[Any]:
    """A JSON list of texts as one text; NULL when it is empty. One element, the usual case, needs no subquery."""
    elements = func.jsonb_array_elements_text(cast(texts, JSONB))
    each = elements.table_valued("value", with_ordinality="n").render_derived()
    in_order = aggregate_order_by(literal(between, Text), each.c.n)
    several = select(func.string_agg(each.c.value, in_order)).scalar_subquery()
    length = func.jsonb_array_length(cast(texts, JSONB))
    return case((length == 1, cast(texts, JSONB).op("->>")(0)), (length > 1, several))
