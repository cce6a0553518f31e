"""The pages, the card and the search through the front door."""

import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringstead.api.formatting import Formats
from ringstead.api.testing import Client, Person, Tenants
from ringstead_calllogs.filters import day_start
from ringstead_calllogs.listing import PAGE_SIZE
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.presenting import day_groups

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
Shown = Callable[[Any], list[str]]
Read = Callable[[Person], list[Conversation]]
HTMX = {"HX-Request": "true"}


def texts(page: Any, selector: str) -> list[str]:
    return [" ".join(found.get_text(" ").split()) for found in page.html.select(selector)]


def test_the_lists(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime, shown: Shown, calls_of: Read
) -> None:
    switch.accept(
        leg(person, at=now - timedelta(hours=1)),
        leg(person, at=now - timedelta(hours=2), disposition="missed", **{"from": {}}),
        leg(person, at=now - timedelta(hours=3), disposition="voicemail"),
        leg(person, at=now - timedelta(hours=4), disposition="answered_elsewhere"),
        leg(person, at=now - timedelta(hours=5), direction="outgoing", disposition="busy"),
    )
    client, calls = portal(person), [str(call.id) for call in calls_of(person)]
    expected = {"": calls, "missed": calls[1:3], "received": [calls[0], calls[3]], "dialled": calls[4:]}
    for kind, ids in expected.items():
        page = client.get(f"/calls?kind={kind}")
        assert shown(page) == ids
        [current] = page.html.select(".seg [aria-pressed=true]")
        assert current.get_text().lower() == (kind or "all")
    page = client.get("/calls")
    assert texts(page, ".calls .t1") == ["Wren Halloway", "Number withheld", *["Wren Halloway"] * 3]
    assert texts(page, ".calls .t1.missed") == ["Number withheld", "Wren Halloway"]
    labels = [text.partition(" ·")[0] for text in texts(page, ".calls .t2")]
    assert labels == ["Received", "Missed", "Went to voicemail", "Answered elsewhere", "Busy"]
    assert texts(page, ".calls .dur") == ["1:00", "–", "–", "–", "–"]
    assert [a["href"] for a in page.html.select(".calls .act a")] == ["tel:+12125550158"] * 4
    assert page.html.select_one('nav a[href="/calls"][aria-current="page"]') is not None


def test_a_number_without_a_name_is_shown_as_people_write_it(
    person: Person, switch: Any, portal: Portal, leg: Make
) -> None:
    switch.accept(leg(person, **{"from": {"number": "+442079460018"}}))
    assert texts(portal(person).get("/calls"), ".calls .t1") == ["+44 20 7946 0018"]


def test_pages_follow_one_another(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime, shown: Shown, calls_of: Read
) -> None:
    """Calls of one moment, of two partitions and of years ago: none is lost, none is there twice."""
    instants = [now - timedelta(days=days) for days in (1, 1, 40, 100, 900, 3000)]
    chance = random.Random(4)
    switch.accept(*(leg(person, at=chance.choice(instants)) for _ in range(3 * PAGE_SIZE + 7)))
    client, url, pages = portal(person), "/calls", []
    for _ in range(4):
        page = client.get(url)
        pages.append(shown(page))
        more = page.html.select_one(".more a")
        url = more["href"] if more else ""
    assert url == ""
    assert [len(page) for page in pages] == [PAGE_SIZE] * 3 + [7]
    assert [call for page in pages for call in page] == [str(call.id) for call in calls_of(person)]


def test_with_htmx_only_rows_come(
    person: Person, switch: Any, portal: Portal, leg: Make, shown: Shown
) -> None:
    switch.accept(*(leg(person) for _ in range(PAGE_SIZE + 3)))
    client = portal(person)
    more = client.get("/calls").html.select_one(".more a")
    assert more["hx-get"] == more["href"]
    part = client.get(more["href"], headers=HTMX)
    assert "<html" not in part.text
    assert len(shown(part)) == 3
    # The day goes on in the page, and is named anew on a page of its own.
    assert texts(part, "h2") == []
    assert part.html.select_one("section")["aria-label"]
    assert texts(client.get(more["href"]), ".dayhead")[0].endswith(", continued")


def test_a_row_opens(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime, shown: Shown
) -> None:
    at = now - timedelta(days=2)
    desk = leg(person, linked_id="one", at=at, disposition="answered_elsewhere", ring=9)
    mobile = leg(person, linked_id="one", at=at, ring=9, talk=75, device="Mobile", hangup_cause=16)
    switch.accept(desk, mobile | {"requested": {"number": "+12125550100"}})
    client = portal(person)
    [call] = shown(client.get("/calls"))
    page = client.get(f"/calls/{call}")
    assert texts(page, "h1") == ["Wren Halloway"]
    assert len(page.html.select(".legs-list li")) == 2
    shown_text = " ".join(page.html.select_one("main").get_text(" ").split())
    for text in ("Answered on another phone", "Desk phone", "Mobile", "talked 1 min", "cause 16"):
        assert text in shown_text
    assert "+1 212 555 0100" in page.text
    part = client.get(f"/calls/{call}", headers=HTMX)
    assert "<html" not in part.text
    assert len(part.html.select(".legs-list li")) == 2


def test_legs_of_others_are_not_shown(
    tenants: Tenants, person: Person, switch: Any, portal: Portal, leg: Make, shown: Shown
) -> None:
    """A ring group: what the colleague's mobile is called is the colleague's business."""
    colleague = tenants.person(person.organization, "Pip Larkspur")  # type: ignore[arg-type]  # it has one
    switch.accept(leg(person, linked_id="one", disposition="cancelled"))
    switch.accept(leg(colleague, linked_id="one", device="Pip’s boat"))
    client = portal(person)
    page = client.get("/calls")
    assert "Answered elsewhere" in page.text
    detail = client.get(f"/calls/{shown(page)[0]}")
    assert "Pip" not in page.text + detail.text
    assert "Pip’s boat" in portal(colleague).get("/calls").text


def test_nobody_else_opens_a_call(
    tenants: Tenants, person: Person, switch: Any, portal: Portal, leg: Make, shown: Shown
) -> None:
    assert person.organization is not None
    switch.accept(leg(person))
    [call] = shown(portal(person).get("/calls"))
    strangers = [
        tenants.person(person.organization),
        tenants.person(person.organization, role="org_admin"),
        tenants.person(tenants.organization(person.partner, "calllogs")),
        tenants.person(tenants.organization(None, "calllogs")),
    ]
    for stranger in strangers:
        client = portal(stranger)
        theirs = client.get(f"/calls/{call}", status=404).text
        nobodys = client.get(f"/calls/{uuid4()}", status=404).text
        assert theirs == nobodys
        assert shown(client.get("/calls")) == []
        assert shown(client.get("/calls?q=Wren")) == []
        assert len(client.get("/calls.csv").text.splitlines()) == 1
        assert "Wren" not in client.get("/").text
        assert client.get("/search?q=Wren").html.select('main a[href^="/calls/"]') == []
    for nonsense in ("x", "0", "%00", "%ff", call + "0", "../calls"):
        portal(person).get(f"/calls/{nonsense}", status=[400, 404])


def test_switched_off_there_is_nothing(
    tenants: Tenants, person: Person, switch: Any, portal: Portal, leg: Make, shown: Shown
) -> None:
    assert person.organization is not None
    switch.accept(leg(person))
    client = portal(person)
    [call] = shown(client.get("/calls"))
    tenants.switch(person.organization, "calllogs", enabled=False)
    for path in ("/calls", f"/calls/{call}", "/calls.csv"):
        client.get(path, status=404)
    assert "/calls" not in client.get("/").text
    tenants.switch(person.organization, "calllogs")
    assert shown(client.get("/calls")) == [call]


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("wren", {"Wren"}),
        ("HALLO", {"Wren"}),
        ("halloway wren", {"Wren"}),
        ("alloway", set()),
        ("émile", {"Émile"}),
        ("emile zo", {"Émile"}),
        ("100% ok_", {"100%"}),
        ("%", None),
        ("+1 212 555", {"Wren", "100%"}),
        ("2125550158", {"Wren"}),
        ("212", {"Wren", "100%"}),
        ("0158", {"Wren"}),
        ("15", {"Pip"}),
        ("215", {"Pip"}),
        ("+44", {"Émile"}),
        ("0044 20", {"Émile"}),
        ("7946", set()),
        ("(212) 555-0199", {"100%"}),
        ("*72", {"star"}),
        ("999", set()),
    ],
)
def test_search(
    query: str, fits: set[str] | None, person: Person, switch: Any, portal: Portal, leg: Make
) -> None:
    """Words of a name by their beginning; a number by its beginning (international or not) or its last digits."""
    parties = {
        "Wren": ("+12125550158", "Wren Halloway"),
        "Émile": ("+442079460018", "Émile Zola"),
        "100%": ("+12125550199", "100% OK_Ltd"),
        "Pip": ("215", "Pip Larkspur"),
        "star": ("*72", "Forwarding"),
    }
    switch.accept(*(leg(person, **{"from": {"number": n, "name": name}}) for n, name in parties.values()))
    page = portal(person).get("/calls", {"q": query}, status="*")
    if fits is None:
        assert page.status_int == 422
    else:
        assert page.status_int == 200
        assert set(texts(page, ".calls .t1")) == {parties[key][1] for key in fits}


def test_filters_go_together_and_stay_in_the_address(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime, shown: Shown, calls_of: Read
) -> None:
    days = [now.replace(hour=12) - timedelta(days=n) for n in range(1, 6)]
    switch.accept(*(leg(person, at=day) for day in days))
    switch.accept(*(leg(person, at=day, direction="outgoing") for day in days))
    wanted = [
        str(c.id) for c in calls_of(person) if c.kind == "dialled" and days[3] <= c.started_at <= days[1]
    ]
    client = portal(person)
    page = client.get(f"/calls?kind=dialled&from={days[3]:%Y-%m-%d}&to={days[1]:%Y-%m-%d}&q=wren")
    assert shown(page) == wanted
    assert page.html.select_one("form.filters input[name=q]")["value"] == "wren"
    # Another list, by its button, keeps everything else; Enter in a field keeps the list.
    form = page.html.select_one("form.filters")
    assert [form.select_one(f"[name={name}]")["value"] for name in ("from", "to")] == [
        f"{days[n]:%Y-%m-%d}" for n in (3, 1)
    ]
    first = form.select_one("button[type=submit]")
    assert (first["name"], first["value"]) == ("kind", "dialled")
    [words] = [chip["href"] for chip in page.html.select("a.chip")]
    assert f"kind=dialled&from={days[3]:%Y-%m-%d}" in words
    assert "q=" not in words
    asked = [
        (field["name"], field["value"]) for field in page.html.select("form.filemenu input[type=hidden]")
    ]
    assert "/calls?" + urlencode(asked) == words + "&q=wren"


def test_empty_lists_say_why(person: Person, switch: Any, portal: Portal, leg: Make) -> None:
    client = portal(person)
    assert texts(client.get("/calls"), ".empty h2") == ["No calls yet"]
    assert texts(client.get("/"), ".empty h3") == ["No calls in the last two months"]
    switch.accept(leg(person))
    page = client.get("/calls?kind=missed")
    assert texts(page, ".empty h2") == ["No calls match"]
    assert texts(page, ".empty p") == ["Missed"]
    assert texts(client.get("/calls?q=halo"), ".empty h2") == ["No calls match “halo”"]
    assert page.html.select_one(".empty a")["href"] == "/calls"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=all", None),
        ("kind=eaten", "#kind"),
        ("from=yesterday", "#from"),
        ("from=2026-02-30", "#from"),
        ("from=1815-06-18", "#from"),
        ("to=9999-12-31", "#to"),
        ("to=%D9%A2%D9%A0%D9%A2%D9%A6-01-01", "#to"),
        ("from=2026-11-02&to=2026-11-01", "#to"),
        ("q=" + "x" * 101, "#q"),
        ("before=1", "#before"),
        ("before=99999999999999999-" + "0" * 32, "#before"),
    ],
)
def test_a_filter_that_is_none_says_so(query: str, field: str | None, person: Person, portal: Portal) -> None:
    page = portal(person).get(f"/calls?{query}", status=422)
    links = [a["href"] for a in page.html.select(".errsum a")]
    assert links == [field or "#kind"]
    assert portal(person).get(f"/calls.csv?{query}", status=422).content_type == "text/html"


@given(data=st.data())
@settings(max_examples=60)
def test_no_filter_ends_in_a_server_error(data: st.DataObject, person: Person, portal: Portal) -> None:
    value = st.one_of(
        st.text(max_size=40),
        st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]", fullmatch=True),
        st.from_regex(r"[0-9]{1,17}-[0-9a-f]{32}", fullmatch=True),
        st.from_regex(r"[+*#0-9 ().-]{1,20}", fullmatch=True),
        st.sampled_from(["missed", "received", "dialled"]),
    )
    params = data.draw(
        st.lists(st.tuples(st.sampled_from(["kind", "from", "to", "q", "before", "x"]), value), max_size=5)
    )
    client = portal(person)
    encoded = [(name, text.encode("utf-8", "replace").decode()) for name, text in params]
    for path in ("/calls", "/calls.csv", "/search"):
        assert client.get(path, encoded, status="*").status_int in (200, 400, 422)


ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago",
         "Pacific/Apia", "Africa/Cairo"]  # fmt: skip
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2026, 4, 23, 22, tzinfo=UTC),
]


@given(
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(CHANGES),
    minutes=st.lists(st.integers(-2000, 2000), min_size=1, max_size=30),
)
@settings(max_examples=200)
def test_days_are_the_readers_around_clock_changes(zone: str, change: datetime, minutes: list[int]) -> None:
    tz = ZoneInfo(zone)
    moments = sorted((change + timedelta(minutes=m) for m in minutes), reverse=True)
    rows = [_row(moment) for moment in moments]
    fmt = Formats("en", tz, lambda text, **_: str(text), now=lambda: datetime(2027, 5, 1, tzinfo=UTC))
    groups = day_groups(rows, fmt)
    days = [date.fromisoformat(group.date) for group in groups]
    assert days == sorted(set(days), reverse=True)
    assert sum(len(group.rows) for group in groups) == len(moments)
    left = iter(moments)
    for group, day in zip(groups, days, strict=True):
        begin, end = day_start(day, tz), day_start(day + timedelta(days=1), tz)
        assert timedelta(hours=22) < end - begin < timedelta(hours=26)
        for _row_shown, moment in zip(group.rows, left, strict=False):
            assert begin <= moment < end


def _row(moment: datetime) -> Any:
    return SimpleNamespace(
        id=uuid4(),
        started_at=moment,
        kind="received",
        direction="incoming",
        disposition="answered",
        number="215",
        name=None,
        talk_seconds=1,
        ring_seconds=1,
        devices=[],
        note=None,
        tags=None,
    )


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Vienna", "2026-03-29", 23),
        ("Europe/Vienna", "2026-10-25", 25),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Santiago", "2026-09-06", 23),
        ("Asia/Kathmandu", "2026-10-25", 24),
    ],
)
def test_the_date_filter_has_the_days_of_the_zone(
    zone: str, day: str, hours: float, person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any,
    shown: Shown, calls_of: Read,
) -> None:  # fmt: skip
    prefer(person, "core.time_zone", zone)
    begin = day_start(date.fromisoformat(day), ZoneInfo(zone))
    edges = [timedelta(seconds=-1), timedelta(), timedelta(hours=hours, seconds=-1), timedelta(hours=hours)]
    switch.accept(*(leg(person, at=begin + edge) for edge in edges))
    calls = [str(call.id) for call in reversed(calls_of(person))]
    page = portal(person).get(f"/calls?from={day}&to={day}")
    assert shown(page) == [calls[2], calls[1]]
    assert [time["datetime"] for time in page.html.select(".dayhead time")] == [day]


def test_today_and_yesterday_are_the_readers(
    person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any
) -> None:
    prefer(person, "core.time_zone", "Pacific/Kiritimati")
    here = datetime.now(ZoneInfo("Pacific/Kiritimati"))
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    switch.accept(leg(person, at=midnight), leg(person, at=midnight - timedelta(minutes=1)))
    assert texts(portal(person).get("/calls"), ".dayhead") == ["Today", "Yesterday"]


def test_the_card_shows_the_newest(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime, calls_of: Read
) -> None:
    switch.accept(*(leg(person, at=now - timedelta(hours=n)) for n in range(1, 7)))
    page = portal(person).get("/")
    links = [a["href"] for a in page.html.select("#card-calllogs-recent a.t1")]
    assert links == [f"/calls/{call.id}" for call in calls_of(person)[:4]]


def test_the_search_box_finds_a_party_once(person: Person, switch: Any, portal: Portal, leg: Make) -> None:
    switch.accept(*(leg(person) for _ in range(3)))
    client = portal(person)
    for query in ("wren", "555 0158", "0158"):
        assert len(client.get("/search", {"q": query}).html.select('a[href^="/calls/"]')) == 1
    for query in ("...", "%", "(", "-"):
        client.get("/search", {"q": query})


def test_german(person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any) -> None:
    prefer(person, "core.locale", "de")
    switch.accept(leg(person, disposition="missed"))
    client = portal(person)
    page = client.get("/calls")
    assert texts(page, "h1") == ["Anrufe"]
    assert texts(page, ".seg button") == ["Alle", "Verpasst", "Angenommen", "Gewählt"]
    assert "Verpasst" in texts(page, ".calls .t2")[0]
    assert client.get("/calls.csv").body.decode("utf-8-sig").startswith("Datum;Uhrzeit;")


def test_the_page_asks_the_database_once(
    person: Person, switch: Any, portal: Portal, leg: Make, wsgi: Any
) -> None:
    """One statement for the session with everything about the reader, one for the rows; nothing is counted."""
    from sqlalchemy import event

    switch.accept(*(leg(person) for _ in range(PAGE_SIZE + 1)))
    client, seen = portal(person), []
    client.get("/calls")
    engine = wsgi.database.app_engine

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        client.get("/calls?kind=received&q=wren")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(seen) == 2
    assert "open_session" in seen[0]
    assert not re.search(r"count\(| OR ", seen[1])
