"""Every text a person reads goes through gettext: in the made-up language, any that does not shows itself."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import matrix
from support.calls import file_of, node_key, record_calls
from support.people import ask_to_open, make_groups, read_file
from support.voicemail import add_greeting, leave_recording

from ringstead.api.testing import Client, Tenants
from ringstead.db.engine import Database
from ringstead.web.pseudo import untranslated

# Names that tests made up, and a unit that Babel writes; never words of ours.
DATA = ("Qqq", "example.com", "Harbour", " min")


@pytest.fixture(scope="module")
def pseudo_wsgi(app_with: Callable[..., Any]) -> Any:
    return app_with(pseudo_locale=True)


@pytest.mark.parametrize("site", ["portal", "console"])
def test_every_text_is_translated(
    site: str, pseudo_wsgi: Any, tenants: Tenants, portal: Any, console: Any, visitor: Any, database: Database
) -> None:
    partner = tenants.partner("Harbour")
    organization = tenants.organization(partner, "calllogs", "voicemail", name="Qqq")
    person = tenants.person(organization, "Qqq", "org_admin")
    make_groups(tenants, pseudo_wsgi, "qqq", [person])
    calls = record_calls(pseudo_wsgi, person, 4, name="Qqq") if site == "portal" else ["none"]
    signed_in: Client = (
        portal(person, pseudo_wsgi)
        if site == "portal"
        else console(tenants.staff(partner, name="Qqq"), pseudo_wsgi)
    )
    things = {
        "org": organization.org_id,
        "call": calls[0],
        "session": "none",
        "group": "qqq",
        "file": file_of(database, person),
        "message": leave_recording(pseudo_wsgi, node_key(pseudo_wsgi), person, name="Qqq").json["message"],
        "greeting": add_greeting(pseudo_wsgi, person, "Qqq"),
        "subscriber": person.subscriber.id,  # type: ignore[union-attr]
        "package": tenants.package(partner, "calllogs", name="Qqq").id,
        "location": tenants.location(organization, "qqq-place", name="Qqq").id,
        "import": read_file(database, person, "Qqq"),
        "wish": ask_to_open(database, tenants.staff(partner, name="Qqq"), person, "Qqq"),
    }
    found = {}
    for client in (visitor(partner, site, pseudo_wsgi), signed_in):
        for owned in pseudo_wsgi.registry["ringstead.plugins"].routes():
            route = owned.item
            if route.site == site and "sign_out" not in route.name:
                for response in answers(client, route, matrix.MATRIX[route.name].path.format(**things)):
                    is_page = response.content_type == "text/html" and response.status_int // 100 != 3
                    bare = untranslated(response.text, DATA) if is_page else []
                    if bare:
                        found[route.name] = bare[:5]
    assert found == {}


def answers(client: Client, route: Any, path: str) -> Iterator[Any]:
    """A page; and what a form says that was sent as it should be, without anything, with nonsense, and in bytes."""
    headers = {"Accept": "text/html", "Origin": f"http://{client.host}"}
    if "GET" in route.methods:
        yield client.get(path, headers=headers, status="*")
        yield client.get(f"{path.partition('?')[0]}?q=%ff&next=%ff", headers=headers, status="*")
        return
    form = matrix.MATRIX[route.name].form
    token = client.csrf_token or client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    for values in (form, {}, *({**form, name: "nonsense"} for name in form)):
        yield client.post(path, {"csrf_token": token, **values}, headers=headers, status="*")
    yield client.post(path, form, headers=headers, status="*")
    yield client.post(path, b"csrf_token=%ff", headers=headers, status="*")
    yield client.post(path, b"{}", content_type="application/json", headers=headers, status="*")
