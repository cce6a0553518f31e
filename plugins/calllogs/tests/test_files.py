"""Sheets and pages: real values in a sheet, every script that the font has on paper, the limits of both."""

import hashlib
import io
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest

from ringstead.api.testing import Client, Person
from ringstead.db.engine import Database
from ringstead_calllogs import files, orders, pdf_files
from ringstead_calllogs.columns import columns_of

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
FONTS = Path(pdf_files.__file__).parent / "fonts"


def sheet_of(answer: Any) -> Any:
    assert answer.content_type == orders.MEDIA_TYPES["xlsx"]
    return openpyxl.load_workbook(io.BytesIO(answer.body)).active


def paper_of(answer: Any) -> pypdf.PdfReader:
    assert answer.content_type == "application/pdf"
    return pypdf.PdfReader(io.BytesIO(answer.body))


def test_a_sheet_has_real_values(person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any) -> None:
    prefer(person, "core.time_zone", "Europe/Vienna")
    prefer(person, "core.locale", "en-GB")
    at = datetime(datetime.now(UTC).year - 1, 10, 5, 22, 30, 9, tzinfo=UTC)
    switch.accept(
        leg(person, at=at, ring=6, talk=3675, **{"from": {"number": "+12125550158", "name": "=1+1"}})
    )
    switch.accept(leg(person, at=at - timedelta(hours=1), disposition="missed"))
    answer = portal(person).get("/calls.xlsx?columns=date,time,utc,name,number,e164,ring,talk,note")
    assert answer.headers["Content-Disposition"].endswith('.xlsx"')
    sheet = sheet_of(answer)
    heading, first, second = sheet.iter_rows()
    assert [cell.value for cell in heading] == [
        *("Date", "Time", "Time (UTC)", "Name", "Number", "Number (E.164)", "Ringing", "Talking", "Note")
    ]
    day, clock, moment, name, number, e164, ring, talk, note = first
    assert (day.value, day.number_format) == (datetime(at.year, 10, 6), "dd/mm/yyyy")
    assert (clock.value, clock.number_format) == (time(0, 30, 9), "hh:mm:ss")
    assert moment.value == at.replace(tzinfo=None)
    assert (name.value, name.data_type, name.number_format) == ("=1+1", "s", "@")
    assert (number.value, e164.value) == ("+1 212 555 0158", "+12125550158")
    assert (ring.value, ring.number_format) == (timedelta(seconds=6), "[h]:mm:ss")
    assert talk.value == timedelta(seconds=3675)
    assert note.value is None
    assert second[7].value is None
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:I3")
    assert sheet.column_dimensions["D"].width > 20


def test_a_sheet_of_nothing_has_its_heading(person: Person, portal: Portal) -> None:
    sheet = sheet_of(portal(person).get("/calls.xlsx?columns=name"))
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [["Name"]]


def test_more_rows_than_a_format_holds_are_refused(
    person: Person, switch: Any, leg: Make, portal: Portal, allow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("xlsx", "pdf"):
        monkeypatch.setitem(orders.MOST_ROWS, kind, 3)
    switch.accept(*(leg(person) for _ in range(3)), *(leg(person, disposition="missed") for _ in range(2)))
    client = portal(person)
    allow(person, 0)
    for kind in ("xlsx", "pdf"):
        page = client.get(f"/calls.{kind}").follow()
        assert "more fit" in page.html.find("main").get_text()
        assert page.html.select_one("form[action='/calls/downloads']") is None
        offers = [link["href"] for link in page.html.select("main a.btn")]
        assert "file=csv" in offers[0]
        assert offers[1] == "/calls"
        client.post_form("/calls/downloads", {"file": kind}, status=422)
        # What the kept counts do not know (a name), is looked for.
        client.post_form("/calls/downloads", {"file": kind, "q": "wren"}, status=422)
        client.post_form("/calls/downloads", {"file": kind, "q": "nobody"}, status=303)
        page = client.get(f"/calls.{kind}?kind=received").follow()
        assert page.html.select_one("form[action='/calls/downloads']") is not None


def test_paper_shows_the_scripts_of_its_font_and_says_what_it_lacks(
    person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any
) -> None:
    prefer(person, "core.locale", "de-AT")
    names = [
        "Jürgen Größl",
        "Ελένη Παπαδοπούλου",
        "Зоя Щербакова",
        "Nguyễn Thị Hồng",
        "Łukasz Żółć",
        "O\u0308zge",
    ]
    switch.accept(*(leg(person, **{"from": {"number": "+12125550158", "name": name}}) for name in names))
    client = portal(person)
    paper = paper_of(client.get("/calls.pdf"))
    text = "".join(page.extract_text() for page in paper.pages)
    for name in (*names[:5], "Özge", "Anrufe", "Juno Birdsong", "Angenommen", "Seite 1"):
        assert name in text, name
    assert "Schriften" not in text
    assert paper.metadata is not None
    assert paper.metadata.author == "Partner"
    switch.accept(leg(person, **{"from": {"number": "+12125550158", "name": "مریم 山田"}}))
    text = "".join(page.extract_text() for page in paper_of(client.get("/calls.pdf")).pages)
    assert "Schriften" in text


def test_pages_repeat_the_heading_and_have_numbers(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime
) -> None:
    switch.accept(*(leg(person, at=now - timedelta(minutes=n)) for n in range(1, 120)))
    client = portal(person)
    paper = paper_of(client.get("/calls.pdf?kind=received&columns=name,number,note"))
    assert len(paper.pages) >= 3
    for number, page in enumerate(paper.pages, start=1):
        text = page.extract_text()
        assert "Name" in text
        assert "Note" in text
        assert f"Page {number}" in text
    assert "Received" in paper.pages[0].extract_text()
    assert sum(page.extract_text().count("Wren Halloway") for page in paper.pages) == 119


def test_long_notes_are_wrapped_and_their_end_is_marked(
    person: Person, switch: Any, portal: Portal, leg: Make, calls_of: Any
) -> None:
    switch.accept(leg(person))
    client = portal(person)
    client.post_form(f"/calls/{calls_of(person)[0].id}", {"note": "word " * 300, "tags": ""})
    names = ",".join(("name", "note", "date", "time", "utc", "phone", "tags", "number"))
    text = paper_of(client.get(f"/calls.pdf?columns={names}")).pages[0].extract_text()
    assert text.count("word") > 12
    assert "…" in text


@pytest.mark.parametrize("locale", ["en-US", "de-AT"])
def test_no_date_number_or_heading_is_broken(
    locale: str, person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any, now: datetime
) -> None:
    prefer(person, "core.locale", locale)
    at = now.replace(month=10, day=28) - timedelta(days=366)
    switch.accept(leg(person, at=at, **{"from": {"number": "+4915203456789", "name": "Wren"}}))
    client = portal(person)
    columns = columns_of(others=False)
    chosen = f"columns={','.join(columns)}"
    day, clock = re.split("[;,]", client.get(f"/calls.csv?{chosen}").text.splitlines()[1])[:2]
    sheet = sheet_of(client.get(f"/calls.xlsx?{chosen}"))
    text = paper_of(client.get(f"/calls.pdf?{chosen}")).pages[0].extract_text()
    for word in (day, clock, "+49 1520 3456789", "+4915203456789"):
        assert word in text, word
    for cell in sheet[1]:
        assert all(word in text for word in cell.value.split()), cell.value


def test_fonts_are_the_ones_on_record() -> None:
    (listing,) = tomllib.loads((FONTS / "vendored.toml").read_text())["vendored"]
    for name, digest in listing["files"].items():
        assert hashlib.sha256((FONTS / name).read_bytes()).hexdigest() == digest


@pytest.mark.slow
def test_memory_of_sheets_does_not_grow_with_the_rows(
    person: Person, switch: Any, leg: Make, copies: Any, database: Database
) -> None:
    import tracemalloc
    from zoneinfo import ZoneInfo

    from ringstead_calllogs.columns import usual_columns, word_messages
    from ringstead_calllogs.filters import Filter

    assert person.organization is not None
    assert person.subscriber is not None
    switch.accept(leg(person))
    words = {name: str(text) for name, text in word_messages().items()} | {"calls": "Calls", "brand": "B"}
    order = orders.Order(
        person.subscriber.id, Filter(), "xlsx", usual_columns("xlsx"), "en", ZoneInfo("UTC"), "US", words
    )
    peaks = []
    for count in (2_000, 10_000, 20_000):
        copies(database, person, count)
        tracemalloc.start()
        with database.run_as(person.organization.org_id) as session:
            for _ in files.pieces(session, order, orders.content_of(session, order)):
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] * 1.2
