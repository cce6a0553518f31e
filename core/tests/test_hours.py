"""Business hours: what people type, and whether it is open then, over midnights, holidays and changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringstead.tenancy import hours as module
from ringstead.tenancy.hours import DAYS, day_text, parse_day, parse_holidays, public_holidays, state_at

VIENNA = ZoneInfo("Europe/Vienna")
OFFICE = [[day, "09:00", "12:00"] for day in DAYS[:5]] + [[day, "13:00", "17:30"] for day in DAYS[:5]]


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIENNA).astimezone(UTC)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("9-12, 13:00-17:30", "09:00-12:00, 13:00-17:30"),
        ("", ""),
        ("8.30 – 16", "08:30-16:00"),
        ("22-2", "22:00-02:00"),
        ("0-24", "00:00-24:00"),
    ],
)
def test_hours_are_read_as_people_type_them(typed: str, shown: str) -> None:
    assert day_text(parse_day("mon", typed), "mon") == shown


@pytest.mark.parametrize("typed", ["9", "morning", "9-9", "25-26", "9-24:30", "24-3", "1-2,3-4,5-6,7-8,9-10"])
def test_what_is_no_period_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_day("mon", typed)


@pytest.mark.parametrize(
    ("at", "is_open", "until"),
    [
        ("2026-11-26T08:59", False, "2026-11-26T09:00"),  # a Thursday
        ("2026-11-26T09:00", True, "2026-11-26T12:00"),
        ("2026-11-26T12:00", False, "2026-11-26T13:00"),
        ("2026-11-27T17:30", False, "2026-11-30T09:00"),
        ("2026-12-24T17:30", False, "2026-12-28T09:00"),  # Christmas is a Friday
    ],
)
def test_an_office_opens_and_closes(at: str, is_open: bool, until: str) -> None:
    state = state_at(OFFICE, [["2026-12-25", "Christmas Day"]], VIENNA, local(at))
    assert state is not None
    assert (state.is_open, state.until) == (is_open, local(until))


def test_a_bar_is_open_after_midnight_and_a_holiday_begins_when_it_closes() -> None:
    bar = [["thu", "20:00", "02:00"], ["fri", "20:00", "02:00"]]
    state = state_at(bar, [["2026-11-27", "Feast"]], VIENNA, local("2026-11-27T01:30"))
    assert state is not None
    assert (state.is_open, state.until, state.holiday) == (True, local("2026-11-27T02:00"), "Feast")
    later = state_at(bar, [["2026-11-27", "Feast"]], VIENNA, local("2026-11-27T21:00"))
    assert later is not None
    assert not later.is_open


def test_who_is_always_open_never_closes() -> None:
    state = state_at([[day, "00:00", "24:00"] for day in DAYS], [], VIENNA, local("2026-11-27T01:30"))
    assert state is not None
    assert (state.is_open, state.until) == (True, None)
    assert state_at([], [], VIENNA, local("2026-11-27T01:30")) is None


def test_the_clock_changes_in_the_night() -> None:
    night = [["sat", "22:00", "06:00"]]
    # In Vienna, 2:00 becomes 3:00 on 2026-03-29, and 3:00 becomes 2:00 on 2026-10-25.
    for day, length in (("2026-03-28", 7), ("2026-10-24", 9)):
        start = local(f"{day}T22:00")
        state = state_at(night, [], VIENNA, start)
        assert state is not None
        assert state.until == start + timedelta(hours=length)


@given(
    st.lists(
        st.tuples(st.sampled_from(DAYS), st.integers(0, 23), st.integers(1, 24)), min_size=1, max_size=8
    ),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
)
def test_the_state_holds_until_it_says(periods: list[tuple[str, int, int]], at: datetime) -> None:
    hours = [[day, f"{a:02d}:00", f"{b:02d}:00"] for day, a, b in periods if a != b]
    moment = at.replace(tzinfo=UTC)
    state = state_at(hours, [], VIENNA, moment)
    if state is None or state.until is None:
        return
    assert state.until > moment
    just_before = state_at(hours, [], VIENNA, state.until - timedelta(seconds=1))
    just_after = state_at(hours, [], VIENNA, state.until)
    assert just_before is not None
    assert just_after is not None
    assert (just_before.is_open, just_after.is_open) == (state.is_open, not state.is_open)


def test_holidays_are_lines_and_a_wrong_one_is_quoted() -> None:
    assert parse_holidays("2026-12-25 Christmas Day\n\n2026-01-01\n") == [
        ["2026-01-01", ""],
        ["2026-12-25", "Christmas Day"],
    ]
    with pytest.raises(ValueError, match="Christmas"):
        parse_holidays("Christmas")
    with pytest.raises(ValueError, match="days"):
        parse_holidays("\n".join(f"{2000 + i}-01-01 x" for i in range(module.MOST_HOLIDAYS + 1)))


def test_public_holidays_are_in_the_language_that_is_spoken_there() -> None:
    assert ["2026-12-25", "Christmas Day"] in public_holidays("US", 2026, "en")
    assert "2026-10-26" in [day for day, _name in public_holidays("AT", 2026, "de")]
    assert public_holidays("XX", 2026, "en") == []
