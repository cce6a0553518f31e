"""What the handler of a switch's message needs: the node, the body, the organization it speaks of, a refusal. And for
jobs, what is told to switches.

A handler may raise `BodyRefused`; what else it raises is contained: the switch gets 503 and sends the message again.
"""

from uuid import UUID

from pyramid.request import Request

from ringstead.db.engine import Database
from ringstead.switch.bodies import BodyRefused, read_body, read_records
from ringstead.switch.nodes import SwitchNode
from ringstead.switch.telling import (
    Adapter,
    NoAdapter,
    SwitchAway,
    SwitchRefused,
    adapter_of,
    adapters_for,
    tell_switches,
)
from ringstead.tenancy.hosts import HostDirectory, normal_host
from ringstead.web.problems import problem

__all__ = [
    "Adapter",
    "BodyRefused",
    "Database",
    "NoAdapter",
    "SwitchAway",
    "SwitchNode",
    "SwitchRefused",
    "adapter_of",
    "adapters_for",
    "organization_of_domain",
    "problem",
    "read_body",
    "read_records",
    "tell_switches",
]


def organization_of_domain(request: Request, domain: str) -> UUID | None:
    """The organization that a SIP domain belongs to, or None."""
    if not domain.isprintable():
        return None  # the database takes no NUL
    hosts: HostDirectory = request.registry["ringstead.hosts"]
    site = hosts.resolve(normal_host(domain))
    return site.org_id if site is not None and site.kind == "sip" else None
