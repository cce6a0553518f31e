"""The open list hears of new calls: how many it does not show, asked for cheaply."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ringstead.api.testing import Client, Person

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]


def told(answer: Any) -> str:
    return " ".join(answer.html.get_text(" ").split())


def test_what_came_since_is_counted(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime
) -> None:
    switch.accept(*(leg(person, at=now - timedelta(hours=n)) for n in range(2, 6)))
    client = portal(person)
    url = client.get("/calls").html.select_one("[data-poll]")["hx-get"]
    quiet = client.get(url)
    assert told(quiet) == ""
    tag = quiet.headers["ETag"]
    assert client.get(url, headers={"If-None-Match": tag}).status_int == 304
    # The second began before the newest one that is shown: a long call, told of when it ended.
    switch.accept(
        leg(person, at=now - timedelta(hours=1)), leg(person, at=now - timedelta(hours=2, minutes=1))
    )
    news = client.get(url, headers={"If-None-Match": tag})
    assert (news.status_int, told(news)) == (200, "2 new calls")
    assert news.html.select_one("a")["href"] == "/calls"
    switch.accept(*(leg(person, at=now - timedelta(minutes=n)) for n in range(1, 40)))
    assert told(client.get(url)) == "More than 25 new calls"


def test_only_of_what_the_filter_wants(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime
) -> None:
    client = portal(person)
    url = client.get("/calls?kind=missed&q=wren").html.select_one("[data-poll]")["hx-get"]
    switch.accept(leg(person), leg(person, disposition="missed"))
    news = client.get(url)
    assert told(news) == "1 new call"
    assert news.html.select_one("a")["href"] == "/calls?kind=missed&q=wren"


@pytest.mark.parametrize(
    "query", ["", "shown=x", "shown=99", "shown=-1", f"shown={'9' * 5000}", "shown=1&from=x"]
)
def test_nonsense_is_refused(query: str, person: Person, portal: Portal) -> None:
    portal(person).get(f"/calls/new?{query}", status=422)


def test_older_pages_do_not_ask(person: Person, switch: Any, portal: Portal, leg: Make) -> None:
    switch.accept(*(leg(person) for _ in range(27)))
    client = portal(person)
    older = client.get("/calls").html.select_one(".more a")["href"]
    assert client.get(older).html.select_one("[data-poll]") is None
