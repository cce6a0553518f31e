"""Every text a person reads goes through gettext: in the made-up language, any that does not shows itself."""

from collections.abc import Callable
from typing import Any

import pytest
from support import matrix
from support.calls import record_calls

from ringstead.api.testing import Client, Tenants
from ringstead.web.pseudo import untranslated

# Names that tests made up, and a unit that Babel writes; never words of ours.
DATA = ("Qqq", "example.com", "Harbour", " min")


@pytest.fixture(scope="module")
def pseudo_wsgi(app_with: Callable[..., Any]) -> Any:
    return app_with(pseudo_locale=True)


@pytest.mark.parametrize("site", ["portal", "console"])
def test_every_text_is_translated(
    site: str, pseudo_wsgi: Any, tenants: Tenants, portal: Any, console: Any, visitor: Any
) -> None:
    partner = tenants.partner("Harbour")
    organization = tenants.organization(partner, "calllogs", name="Qqq")
    person = tenants.person(organization, "Qqq")
    calls = record_calls(pseudo_wsgi, person, 4, name="Qqq") if site == "portal" else ["none"]
    signed_in: Client = (
        portal(person, pseudo_wsgi)
        if site == "portal"
        else console(tenants.staff(partner, name="Qqq"), pseudo_wsgi)
    )
    things = {"org": organization.org_id, "call": calls[0], "session": "none"}
    found = {}
    for client in (visitor(partner, site, pseudo_wsgi), signed_in):
        for owned in pseudo_wsgi.registry["ringstead.plugins"].routes():
            route = owned.item
            if route.site == site and "GET" in route.methods:
                response = client.get(matrix.MATRIX[route.name].path.format(**things), status="*")
                if response.content_type == "text/html":
                    bare = untranslated(response.text, DATA)
                    if bare:
                        found[route.name] = bare[:5]
    assert found == {}
