"""`POST /switch/v1/feature-code`: somebody dials a code, and a plugin says what the switch shall do."""

import json
from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.contributions import FeatureCall, FeatureCode, SwitchMessage
from ringstead.api.directory import find_subscribers
from ringstead.db.engine import Database
from ringstead.db.session import TenantScopeMissing, TenantSession
from ringstead.plugins.registry import CORE, Owned
from ringstead.switch.bodies import read_body
from ringstead.switch.nodes import SwitchNode
from ringstead.tenancy.context import TenantContext
from ringstead.tenancy.hosts import HostDirectory, normal_host
from ringstead.tenancy.packages import plugins_of
from ringstead.web.problems import problem

_LONGEST: Final = 64


def messages() -> list[SwitchMessage]:
    """The core's own message."""
    return [SwitchMessage(path="feature-code", handle=receive_feature_code)]


def codes_of(context: TenantContext, request: Request) -> list[FeatureCode]:
    """The codes of the reader's organization, by code, for pages that tell of them."""
    owned = request.plugins.feature_codes()
    on = [o.item for o in owned if o.plugin == CORE or o.plugin in context.features.plugins]
    return sorted(on, key=lambda code: code.code)


def receive_feature_code(node: SwitchNode, request: Request, database: Database) -> Response:
    """Answer `{"organization"|"domain", "extension", "dialled"}`: 200 with `code` and what its plugin says, or 404."""
    asked = _read(request)
    if isinstance(asked, Response):
        return asked
    org_id = _organization(request, asked)
    try:
        if org_id is not None:
            with database.run_as(org_id) as session:
                partner_id = session.scope.partner_id
                if partner_id is not None and node.serves(partner_id):
                    return _answer(request, session, asked)
    except TenantScopeMissing:
        pass
    return problem(404, "No such organization", "This switch serves no such organization.")


def _answer(request: Request, session: TenantSession, asked: dict[str, str]) -> Response:
    dialled = asked["dialled"]
    who = next(iter(find_subscribers(session, extensions=[asked["extension"]])), None)
    if who is None:
        return problem(404, "No such extension", f"Nobody has the extension {asked['extension']!r} here.")
    on = plugins_of(session, who.id) | {CORE}
    for owned in request.plugins.feature_codes():
        rest = dialled.removeprefix(owned.item.code)
        if owned.plugin in on and dialled.startswith(owned.item.code) and _fits(owned, rest):
            found = owned.item.answer(session, FeatureCall(subscriber=who, dialled=dialled, argument=rest))
            if found is not None:
                return Response(json_body={"code": owned.item.name, **found})
    return problem(404, "No such code", f"{dialled!r} is no feature code here.")


def _fits(owned: Owned[FeatureCode], rest: str) -> bool:
    return rest == "" if owned.item.takes == "nothing" else rest.isdigit()


def _read(request: Request) -> dict[str, str] | Response:
    try:
        given: Any = json.loads(read_body(request))
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return problem(400, "No JSON object", "Send a JSON object with domain, extension and dialled.")
    for name in ("extension", "dialled"):
        value = given.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST or not value.isprintable():
            return problem(422, "Field refused", f"{name}: 1 to {_LONGEST} printable characters.")
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _organization(request: Request, asked: dict[str, str]) -> UUID | None:
    if asked.get("domain"):
        hosts: HostDirectory = request.registry["ringstead.hosts"]
        site = hosts.resolve(normal_host(asked["domain"]))
        return site.org_id if site is not None and site.kind == "sip" else None
    try:
        return UUID(asked.get("organization", ""))
    except ValueError:
        return None
