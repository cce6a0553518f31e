"""Notes and tags: kept with the call whatever becomes of its legs, found by the filter, nobody else's business."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from ringstead.api.testing import Client, Person, Tenants
from ringstead_calllogs.models import Conversation

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
Read = Callable[[Person], list[Conversation]]
Shown = Callable[[Any], list[str]]
HTMX = {"HX-Request": "true"}


def test_a_note_is_kept_shown_and_found(
    person: Person, switch: Any, portal: Portal, leg: Make, calls_of: Read, shown: Shown
) -> None:
    switch.accept(leg(person), leg(person))
    [first, second] = calls_of(person)
    client = portal(person)
    answer = client.post_form(
        f"/calls/{first.id}", {"note": " Ring back\r\non Monday ", "tags": "VIP, order  7,,vip"}
    )
    assert answer.status_int == 303
    page = answer.follow()
    assert page.html.select_one("textarea").get_text() == "Ring back\non Monday"
    assert page.html.select_one("input[name=tags]")["value"] == "order 7, vip"
    listed = client.get("/calls")
    rows = {row.select_one("a.t1")["href"]: row.get_text(" ") for row in listed.html.select(".calls > li")}
    assert "#order 7, vip" in rows[f"/calls/{first.id}"]
    assert "with a note" in rows[f"/calls/{first.id}"]
    assert "with a note" not in rows[f"/calls/{second.id}"]
    for tag in ("VIP", "order 7"):
        assert shown(client.get("/calls", {"tag": tag})) == [str(first.id)]
    assert shown(client.get("/calls?tag=nothing")) == []
    client.post_form(f"/calls/{first.id}", {"note": "", "tags": " , "})
    assert shown(client.get("/calls?tag=vip")) == []


def test_with_htmx_the_part_comes_back(
    person: Person, switch: Any, portal: Portal, leg: Make, calls_of: Read
) -> None:
    switch.accept(leg(person))
    url, client = f"/calls/{calls_of(person)[0].id}", portal(person)
    part = client.post_form(url, {"note": "x", "tags": ""}, headers=HTMX)
    assert "<html" not in part.text
    assert "Saved" in part.html.select_one("form [role=status]").get_text()
    wrong = client.post_form(url, {"note": "x" * 2001, "tags": "kept"}, headers=HTMX, status=422)
    assert wrong.html.select_one("textarea").get_text() == "x" * 2001
    assert wrong.html.select_one("input[name=tags]")["value"] == "kept"
    assert "2000" in wrong.html.select_one("[role=alert]").get_text()


@pytest.mark.parametrize(
    ("note", "tags", "field"),
    [
        ("x" * 2001, "", "note"),
        ("", ",".join(f"tag{n}" for n in range(11)), "tags"),
        ("", "x" * 31, "tags"),
        ("", "a\u0007", "tags"),
    ],
)
def test_what_is_wrong_is_named(
    note: str, tags: str, field: str, person: Person, switch: Any, portal: Portal, leg: Make, calls_of: Read
) -> None:
    switch.accept(leg(person))
    url = f"/calls/{calls_of(person)[0].id}"
    page = portal(person).post_form(url, {"note": note, "tags": tags}, status=422)
    assert page.html.select_one("[name=note][aria-invalid], [name=tags][aria-invalid]")["name"] == field


def test_a_note_stays_when_the_call_is_computed_anew_or_taken_over(
    person: Person, switch: Any, portal: Portal, leg: Make, calls_of: Read, now: datetime
) -> None:
    at = now - timedelta(hours=3)
    switch.accept(
        leg(person, linked_id="one", at=at), leg(person, linked_id="two", at=at + timedelta(minutes=1))
    )
    client = portal(person)
    for call in calls_of(person):
        client.post_form(f"/calls/{call.id}", {"note": f"about {call.linked_id}", "tags": "x"})
    switch.accept(leg(person, linked_id="one", at=at - timedelta(minutes=5), disposition="missed"))
    one = next(call for call in calls_of(person) if call.linked_id == "one")
    assert "about one" in client.get(f"/calls/{one.id}").text
    switch.accept(leg(person, linked_id="one", merges=["two"], at=at + timedelta(minutes=9)))
    [merged] = calls_of(person)
    note = client.get(f"/calls/{merged.id}").html.select_one("textarea").get_text()
    assert note == "about one\nabout two"


def test_nobody_else_writes_or_reads(
    tenants: Tenants, person: Person, switch: Any, portal: Portal, leg: Make, calls_of: Read
) -> None:
    assert person.organization is not None
    switch.accept(leg(person))
    url = f"/calls/{calls_of(person)[0].id}"
    portal(person).post_form(url, {"note": "mine", "tags": ""})
    strangers = [
        tenants.person(person.organization),
        tenants.person(person.organization, role="org_admin"),
        tenants.person(tenants.organization(person.partner, "calllogs")),
    ]
    for stranger in strangers:
        client = portal(stranger)
        theirs = client.post_form(url, {"note": "theirs", "tags": ""}, status=404)
        nobodys = client.post_form(f"/calls/{uuid4()}", {"note": "theirs", "tags": ""}, status=404)
        assert theirs.text == nobodys.text
    assert "theirs" not in portal(person).get(url).text
