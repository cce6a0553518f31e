"""The chart: bars by hour and day in the reader's zone, also on days with 23 and 25 hours; a text says the same."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ringstead.api.formatting import Formats
from ringstead.api.testing import Client, Person
from ringstead.db.engine import Database
from ringstead_calllogs.charts import Chart, Span, chart_span, read_chart
from ringstead_calllogs.filters import Filter, day_start

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
HTMX = {"HX-Request": "true"}
NIGHT = timedelta(hours=0, minutes=50)


def chart_of(database: Database, person: Person, span: Span, by: str, zone: str) -> Chart:
    assert person.organization is not None
    assert person.subscriber is not None
    fmt = Formats("en_GB", ZoneInfo(zone), lambda text, **_: str(text))
    with database.run_as(person.organization.org_id) as session:
        return read_chart(session, person.subscriber.id, span, by, fmt)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Vienna", date(2026, 3, 29), 23),
        ("Europe/Vienna", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("America/Santiago", date(2026, 4, 4), 25),
        ("Asia/Kathmandu", date(2026, 6, 1), 24),
        ("Africa/Cairo", date(2026, 10, 29), 25),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25),
    ],
)
def test_a_day_has_the_hours_that_it_has(
    zone: str, day: date, hours: int, person: Person, switch: Any, leg: Make, database: Database
) -> None:
    """One call in each hour that passes, and one just outside the day on each side."""
    begin, end = (day_start(day + timedelta(days=n), ZoneInfo(zone)) for n in (0, 1))
    moments = [begin + n * timedelta(hours=1) for n in range(hours) if begin + n * timedelta(hours=1) < end]
    switch.accept(*(leg(person, at=at) for at in [begin - timedelta(seconds=1), *moments, end]))
    chart = chart_of(database, person, Span(day, day), "hour", zone)
    assert len(chart.bars) == hours
    assert [bar.others for bar in chart.bars] == [1] * hours
    assert chart.calls == hours
    by_day = chart_of(database, person, Span(day - timedelta(days=1), day + timedelta(days=1)), "day", zone)
    assert [bar.others for bar in by_day.bars] == [1, hours, 1]


def test_hours_of_several_days_are_added_up(
    person: Person, switch: Any, leg: Make, database: Database
) -> None:
    zone = ZoneInfo("Asia/Kathmandu")  # a quarter of an hour off every hour of UTC
    days = [datetime(2026, 6, n, 9, 40, tzinfo=zone) for n in (1, 2, 3)]
    switch.accept(*(leg(person, at=at, talk=60) for at in days))
    switch.accept(leg(person, at=days[0] + timedelta(minutes=19), disposition="missed"))
    switch.accept(leg(person, at=days[0] + timedelta(minutes=20), direction="outgoing", disposition="busy"))
    chart = chart_of(database, person, Span(date(2026, 6, 1), date(2026, 6, 3)), "hour", "Asia/Kathmandu")
    counts = {n: (bar.others, bar.missed) for n, bar in enumerate(chart.bars) if bar.others or bar.missed}
    assert counts == {9: (3, 1), 10: (1, 0)}
    assert (chart.calls, chart.missed, chart.average) == (5, 1, 60)
    assert "09:00" in chart.summary.interpolate()


def test_long_spans_are_shown_by_month(person: Person, switch: Any, leg: Make, database: Database) -> None:
    switch.accept(leg(person, at=datetime(2026, 1, 31, 23, 59, tzinfo=UTC)))
    chart = chart_of(database, person, Span(date(2025, 11, 15), date(2026, 3, 2)), "day", "UTC")
    assert [bar.others for bar in chart.bars] == [0, 0, 1, 0, 0]


def test_the_span_is_the_filters() -> None:
    today = date(2026, 11, 24)
    assert chart_span(Filter(), today) == (date(2026, 11, 18), today)
    assert chart_span(Filter(first=date(2026, 1, 1), last=date(2026, 1, 2)), today).days == 2
    assert chart_span(Filter(last=date(2099, 1, 1)), today).last == today
    assert chart_span(Filter(first=date(2030, 1, 1)), today) == (today, today)


def test_the_page_brings_it_as_a_part(person: Person, switch: Any, portal: Portal, leg: Make) -> None:
    switch.accept(leg(person, talk=100), leg(person, disposition="missed"))
    client = portal(person)
    place = client.get("/calls").html.select_one("[hx-trigger=load]")
    assert place.select_one("a")["href"] == place["hx-get"]
    part = client.get(place["hx-get"], headers=HTMX)
    assert "<html" not in part.text
    assert [found.get_text() for found in part.html.select(".stat b")] == ["2", "1", "1:40"]
    assert "max-age" in part.headers["Cache-Control"]
    assert "most at" in part.html.select_one("svg")["aria-label"]
    [row] = part.html.select("table tr")[1:]
    assert [cell.get_text() for cell in row.select("td")] == ["2", "1"]
    page = client.get(place["hx-get"])
    assert page.html.select_one("h1").get_text() == "Calls by hour and day"
    assert page.html.select_one("svg rect.c2") is not None
    for query in (
        "by=day",
        "by=nonsense",
        "from=2020-01-01&to=2026-01-01&by=day",
        "from=2026-01-05&to=2026-01-05",
    ):
        assert client.get(f"/calls/chart?{query}").status_int == 200
    client.get("/calls/chart?from=yesterday", status=422)
