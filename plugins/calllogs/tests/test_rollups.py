"""The counted quarters of an hour always equal a recount, whatever comes late, twice, corrected or goes away."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from support.counting import counted

from ringstead.api.testing import Person, Tenants
from ringstead.db.engine import Database
from ringstead_calllogs.models import Conversation

Make = Callable[..., dict[str, Any]]


@st.composite
def batches(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Requests with legs of few calls, keys and minutes, so that much comes twice, late and corrected."""
    leg = st.fixed_dictionaries(
        {
            "key": st.integers(0, 11),
            "call": st.integers(0, 3),
            "person": st.integers(0, 2),
            "minute": st.integers(0, 70),
            "ring": st.integers(0, 40),
            "talk": st.integers(0, 300),
            "direction": st.sampled_from(["incoming", "outgoing", "internal"]),
            "disposition": st.sampled_from(["answered", "missed", "voicemail", "answered_elsewhere", "busy"]),
            "revision": st.integers(0, 2),
            "merges": st.none() | st.integers(0, 3),
        }
    )
    return draw(st.lists(st.lists(leg, min_size=1, max_size=5), min_size=1, max_size=6))


@given(sent=batches())
@settings(max_examples=40)
def test_quarters_equal_a_recount(
    sent: list[list[dict[str, Any]]],
    switch: Any,
    tenants: Tenants,
    database: Database,
    leg: Make,
    now: datetime,
) -> None:
    organization = tenants.organization(None, "calllogs")
    people = [tenants.person(organization, extension=str(200 + n)) for n in range(3)]
    for batch in sent:
        switch.accept(*(_record(leg, people, values, now) for values in batch))
        found, wanted = counted(database, organization.org_id)
        assert found == wanted


def _record(leg: Make, people: list[Person], values: dict[str, Any], now: datetime) -> dict[str, Any]:
    person, call = people[values["person"]], values["call"]
    fields = {name: values[name] for name in ("ring", "direction", "disposition", "revision")}
    if values["disposition"] in ("answered", "voicemail"):
        fields["talk"] = values["talk"]
    if values["direction"] == "internal":
        fields["from"] = {"extension": str(200 + (values["person"] + 1) % 3)}
    if values["merges"] not in (None, call):
        fields["merges"] = [f"call {values['merges']}"]
    at = now - timedelta(hours=5) + timedelta(minutes=values["minute"])
    return leg(person, id=f"leg {values['key']}", linked_id=f"call {call}", at=at, **fields)


def test_a_call_that_reached_nobody_leaves_no_row_when_another_joins_it(
    switch: Any, tenants: Tenants, database: Database, leg: Make, now: datetime
) -> None:
    """What was nobody's row of the one call is not one of the whole, which has a row for each of its people."""
    organization = tenants.organization(None, "calllogs")
    person = tenants.person(organization)
    outside = {"from": {"number": "+12125550158"}, "to": {"number": "+12125550199"}}
    switch.accept(leg(person, id="nobody", linked_id="one", at=now, **outside))
    switch.accept(leg(person, id="mine", linked_id="other", at=now))
    switch.accept(leg(person, id="nobody", linked_id="one", at=now, merges=["other"], **outside))
    with database.run_as(organization.org_id) as session:
        (call,) = session.scalars(select(Conversation)).all()
    assert person.subscriber is not None
    assert (call.subscriber_id, call.is_primary) == (person.subscriber.id, True)
    found, wanted = counted(database, organization.org_id)
    assert found == wanted
