"""The pages through the front door."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ringstead.api.testing import Client, Person

Portal = Callable[..., Client]


def test_smoke(person: Person, switch: Any, portal: Portal, leg: Any, now: Any) -> None:
    switch.accept(
        leg(person),
        leg(person, disposition="missed", at=now - timedelta(days=1)),
        leg(person, direction="outgoing", at=now - timedelta(days=3)),
    )
    client = portal(person)
    page = client.get("/calls")
    print(page.html.find("main").prettify())
    link = page.html.select(".calls a.t1")[0]["href"]
    print(client.get(link).html.find("main").prettify())
    print(client.get(link, headers={"HX-Request": "true"}).text)
    print(client.get("/calls.csv").text, client.get("/calls.csv").headers)
    print(client.get("/search?q=wren").html.find("main").prettify())
    print(client.get("/").html.find("main").prettify())
