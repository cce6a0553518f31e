"""The rules for cells, in Python and in SQL alike: no formula, and the reader's dates, times and words."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from babel import dates, localedata
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, literal, select

from ringstead.api import new_id
from ringstead.api.cells import Lines, safe_cell, safe_column, separator
from ringstead.api.formatting import parse_locale
from ringstead.api.models import TenantSession
from ringstead.api.testing import Person
from ringstead.db.engine import Database
from ringstead_calllogs import patterns
from ringstead_calllogs.columns import columns_of, word_messages
from ringstead_calllogs.files import pieces
from ringstead_calllogs.filters import Filter
from ringstead_calllogs.models import Annotation, Conversation
from ringstead_calllogs.orders import Order, content_of

DANGEROUS = [
    "=1+1",
    "+1+1",
    "-1",
    "@SUM(A1)",
    " =1",
    "\u00a0=1",
    "\u200b=1",
    "\ufeff=1",
    "＝1",
    "=cmd|' /C calc'!A0",
    "+12125550158+cmd",
    "+1 212=1",
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_formulas_become_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["+12125550158", "+1 212 555 0158", "Wren", "214", "*72", "", "12:30", "O’Hara = x"]
)
def test_what_is_no_formula_stays(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("foo;=cmd|' /C calc'!A0", "foo;'=cmd|' /C calc'!A0"),
        ("a,b\t -1", "a,b\t' -1"),
        ('a;"=1', "a;'\"=1"),
        ("a\n=1", "a\n'=1"),
        ("\t=1", "'\t'=1"),
        ("a; +1 212 555 0158", "a;' +1 212 555 0158"),
        ("a; b, c-d", "a; b, c-d"),
    ],
)
def test_a_separator_begins_no_formula(text: str, safe: str) -> None:
    assert safe_cell(text) == safe


TEXT = st.text("=+-@|%;,\t\r\n\"' a1\u200b\ufeff＝\x01\x1f\x85\u2028\u3000\xad\\%$", max_size=20) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=20
)
LOOKS_LIKE_A_FORMULA = re.compile(
    r"[\s\x00-\x1f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*[=+\-@|%＝＋－＠]"
)


@given(st.lists(st.lists(TEXT, min_size=4, max_size=4), max_size=3), st.sampled_from(";,"))
@example([['a;"=1', 'a\t"=1', 'a\n"=1', ";+1 2"]], ",")
def test_no_cell_starts_a_formula_wherever_lines_are_split(rows: list[list[str]], ours: str) -> None:
    lines = Lines(ours)
    for row in rows:
        lines.write(["2026-11-23", *row, "+1 212 555 0158"])
    assert_no_formula(lines.take().decode("utf-8-sig"))


def assert_no_formula(text: str) -> None:
    for delimiter in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            for cell in row:
                assert not LOOKS_LIKE_A_FORMULA.match(cell) or re.fullmatch(r"\+[0-9][0-9 ]*", cell), cell


@given(TEXT)
def test_a_safe_cell_says_what_the_text_says(text: str) -> None:
    assert safe_cell(text).replace("'", "") == text.replace("'", "")


def test_the_separator_is_that_of_the_language() -> None:
    assert [separator(locale) for locale in ("en", "en-GB", "de", "de-AT", "de-CH", "fr")] == [*",,;;,;"]


@pytest.fixture
def somebody(person: Person, database: Database) -> tuple[Database, Person]:
    return database, person


@settings(max_examples=100)
@given(texts=st.lists(TEXT, min_size=1, max_size=8))
@example(
    texts=[*DANGEROUS, '"=1', "\t=1", "\t\t=1", ";;=1", "a\r\n=1", "\x85=1", "\ufeff\t-", "\\", "'", "%s"]
)
def test_the_column_is_as_safe_as_the_text(somebody: tuple[Database, Person], texts: list[str]) -> None:
    database, person = somebody
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        row = session.execute(select(*(safe_column(literal(text, Text)) for text in texts))).one()
    assert list(row) == [safe_cell(text) for text in texts]


ZONES = ("Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")
LOCALES = (
    "en",
    "en-GB",
    "de-AT",
    "fr-CA",
    "cs",
    "bg",
    "ko",
    "zh-Hant",
    "ar",
    "fi",
    "hu",
    "es-MX",
    "ja",
    "ee",
)


@dataclass(frozen=True)
class Call:
    """What is put into a row."""

    started_at: datetime
    outgoing: bool
    internal: bool
    disposition: str
    number: str | None
    name: str | None
    devices: list[str]
    note: str | None
    tags: list[str]
    ring: int
    talk: int


CALL = st.builds(
    Call,
    started_at=st.datetimes(datetime(2020, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC)),
    outgoing=st.booleans(),
    internal=st.booleans(),
    disposition=st.sampled_from(
        ("answered", "missed", "voicemail", "blocked", "busy", "answered_elsewhere", "=1")
    ),
    number=st.none() | st.from_regex(r"\A\+[1-9][0-9]{5,12}\Z") | TEXT.filter(bool),
    name=st.none() | TEXT.filter(bool),
    devices=st.lists(TEXT, max_size=3),
    note=st.none() | TEXT,
    tags=st.lists(TEXT, max_size=3),
    ring=st.integers(0, 10_000),
    talk=st.integers(0, 100_000),
)


@settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.generate],  # what fails is small enough as it is
)
@given(
    calls=st.lists(CALL, min_size=1, max_size=6, unique_by=lambda call: call.started_at),
    locale=st.sampled_from(LOCALES),
    zone=st.sampled_from(ZONES),
    columns=st.permutations(list(columns_of(others=False))).map(tuple),
)
def test_what_the_server_writes_is_what_python_would_write(
    somebody: tuple[Database, Person], calls: list[Call], locale: str, zone: str, columns: tuple[str, ...]
) -> None:
    database, person = somebody
    assert person.organization is not None
    assert person.subscriber is not None
    words = {name: f"«{name}»;" for name in word_messages()}
    order = Order(person.subscriber.id, Filter(), "csv", columns, locale, ZoneInfo(zone), "US", words)
    rows: list[list[str]] = []
    with pytest.raises(_Undo), database.run_as(person.organization.org_id) as session:  # noqa: PT012
        insert(session, person.subscriber.id, calls)
        text = b"".join(pieces(session, order, content_of(session, order))).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator(locale)))
        raise _Undo
    newest_first = sorted(calls, key=lambda call: call.started_at, reverse=True)
    assert rows[0] == [safe_cell(words[f"heading {name}"]) for name in columns]
    cells = [[expected(call, name, locale, zone, words) for name in columns] for call in newest_first]
    # What begins a line is not let through as a number.
    cells = [[f"'{line[0]}" if line[0].startswith("+") else line[0], *line[1:]] for line in cells]
    assert rows[1:] == cells
    assert_no_formula(text)


class _Undo(Exception):
    pass


def insert(session: TenantSession, subscriber: UUID, calls: list[Call]) -> None:
    for month in {call.started_at.strftime("%Y-%m-01") for call in calls}:
        session.connection().exec_driver_sql("SELECT calllogs_conversation_ensure_month(%s)", (month,))
    for call in calls:
        one = Conversation(
            id=new_id(),
            started_at=call.started_at,
            subscriber_id=subscriber,
            linked_id="x",
            is_primary=True,
            kind="dialled" if call.outgoing else "received",
            direction="outgoing" if call.outgoing else "incoming",
            is_internal=call.internal,
            disposition=call.disposition,
            number=call.number,
            name=call.name,
            name_folded="",
            ended_at=call.started_at,
            ring_seconds=call.ring,
            talk_seconds=call.talk,
            devices=call.devices,
            leg_count=1,
        )
        session.add(one)
        if call.note is not None:
            session.add(
                Annotation(subscriber_id=subscriber, conversation_id=one.id, note=call.note, tags=call.tags)
            )
    session.flush()


def expected(call: Call, name: str, locale: str, zone: str, words: dict[str, str]) -> str:
    """A cell by the rules in Python."""
    local = call.started_at.astimezone(ZoneInfo(zone))
    babel = parse_locale(locale)
    side = "dialled" if call.outgoing else "received"
    direction = "internal" if call.internal else "outgoing" if call.outgoing else "incoming"
    number = call.number or ""
    cells: dict[str, Callable[[], str]] = {
        "date": lambda: str(dates.format_date(local, patterns.date_pattern(locale), locale=babel)),
        "time": lambda: str(dates.format_time(local, patterns.time_pattern(locale), locale=babel)),
        "utc": lambda: call.started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "direction": lambda: safe_cell(words[f"direction {direction}"]),
        "result": lambda: safe_cell(words.get(f"{side} {call.disposition}", call.disposition)),
        "name": lambda: safe_cell(call.name or ""),
        "number": lambda: safe_cell(number),
        "e164": lambda: number if re.fullmatch(r"\+[0-9]+", number) else "",
        "phone": lambda: safe_cell(" + ".join(call.devices)),
        "ring": lambda: str(call.ring),
        "talk": lambda: str(call.talk) if call.disposition == "answered" else "",
        "note": lambda: safe_cell(call.note or ""),
        "tags": lambda: safe_cell(", ".join(call.tags) if call.note is not None else ""),
    }
    return cells[name]()


def test_every_locale_has_patterns_that_all_three_understand() -> None:
    for name in localedata.locale_identifiers():
        locale = name.replace("_", "-")
        day, clock = patterns.date_pattern(locale), patterns.time_pattern(locale)
        for pattern in (day, clock):
            assert patterns.to_char(pattern, "AM"), name
            assert patterns.sheet_format(pattern), name
        assert patterns.date_text(locale, datetime(2026, 11, 2).date()), name
        assert patterns.time_text(locale, 23, 5, 9), name


def test_patterns_of_a_sheet() -> None:
    shown = {
        locale: patterns.sheet_format(patterns.date_pattern(locale)) for locale in ("en", "en-GB", "de", "bg")
    }
    assert shown == {"en": "m/d/yyyy", "en-GB": "dd/mm/yyyy", "de": "d.m.yyyy", "bg": 'd.mm.yyyy"\u202f""г".'}
    assert patterns.sheet_format(patterns.time_pattern("en")) == "h:mm:ss AM/PM"
    assert patterns.sheet_format(patterns.time_pattern("de")) == "hh:mm:ss"
