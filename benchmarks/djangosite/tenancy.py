"""Which partner and organization a request is for, and the frame around each page."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from benchmarks.djangosite.models import Host, OrganizationFeature, Profile

_FRESH_SECONDS = 30
_hosts: dict[str, tuple[float, Host]] = {}
_features: dict[Any, tuple[float, frozenset[str]]] = {}


def tenant_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Find the partner by host and the organization by the person's profile; their time zone holds for the request."""

    def middleware(request: Any) -> HttpResponse:
        host = _known(_hosts, request.get_host().partition(":")[0], _read_host)
        request.partner = host.partner
        if request.user.is_authenticated:
            request.profile = Profile.objects.select_related("organization").get(user=request.user)
            if request.profile.organization.partner_id != request.partner.id:
                raise PermissionDenied
            request.organization = request.profile.organization
            request.features = _known(_features, request.organization.org_id, _read_features)
            with timezone.override(zoneinfo.ZoneInfo(request.profile.time_zone)):
                response: HttpResponse = get_response(request)
                return response
        return get_response(request)

    return middleware


def _known(cache: dict[Any, tuple[float, Any]], key: Any, read: Callable[[Any], Any]) -> Any:
    """What the process knows, for half a minute."""
    found = cache.get(key)
    if found is None or time.monotonic() - found[0] > _FRESH_SECONDS:
        found = cache[key] = (time.monotonic(), read(key))
    return found[1]


def _read_host(name: str) -> Host:
    host = Host.objects.select_related("partner").filter(name=name, partner__status="active").first()
    if host is None:
        raise Http404("there is no site at this address")
    return host


def _read_features(org_id: Any) -> frozenset[str]:
    rows = OrganizationFeature.objects.filter(org_id=org_id, enabled=True)
    return frozenset(rows.values_list("plugin", flat=True))


MAIN = [("Home", "/", "house", None), ("Calls", "/calls", "phone", "calllogs")]
ADDONS = [(f"Things {n}", f"/thing{n:03}", "puzzle", f"thing{n:03}") for n in range(9)]
ACCOUNT = [("Your account", "/account", "circle-user", None), ("Sign out", "/sign-out", "log-out", None)]


def frame(request: Any) -> dict[str, Any]:
    """The navigation that the reader may use, and the person."""
    if not request.user.is_authenticated:
        return {}
    groups = [
        (title, [link for link in links if link[3] is None or link[3] in request.features])
        for title, links in (("", MAIN), ("Add-ons", ADDONS), ("Your account", ACCOUNT))
    ]
    name = request.profile.name
    return {
        "groups": groups,
        "tabs": groups[0][1],
        "brand": request.partner.name,
        "person": name,
        "initials": "".join(word[0] for word in name.split()[:2]).upper(),
        "extension": request.profile.extension,
    }
