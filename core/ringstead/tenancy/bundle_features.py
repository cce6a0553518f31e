"""What a bundle says of features: those of the partner, and those of each organization.

A partner's are `true` (allowed; each organization has its own way), `false` (forbidden), "on" or "off" (for all
organizations), or a day (on for all, as a trial until and with it). An organization's are `true`, `false` or a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ringstead.plugins.decisions import decide, end_of, last_day
from ringstead.tenancy.bundle_change import Change
from ringstead.tenancy.bundle_rows import Rows
from ringstead.tenancy.bundle_schema import OrganizationPart, PartnerPart
from ringstead.tenancy.bundle_source import Key
from ringstead.tenancy.models import OrganizationFeature, PartnerFeature

Said = bool | date | Literal["on", "off"]
ZONE: Final = "core.time_zone"


def said_of(enabled: bool, until: datetime | None, zone: ZoneInfo) -> bool | date:
    """How a file says that a feature is on, off or on trial."""
    return enabled if until is None or not enabled else last_day(until, zone)


def said_by_partner(row: PartnerFeature, zone: ZoneInfo) -> Said:
    """How a file says what a partner decided about a feature."""
    if not row.allowed or row.for_all is None:
        return row.allowed
    word = said_of(row.for_all, row.until, zone)
    return ("on" if word else "off") if isinstance(word, bool) else word


def partner_changes(rows: Rows, slug: str, part: PartnerPart, features: dict[str, Said]) -> Iterator[Change]:
    """What a partner says about features for all its organizations."""
    zone = _zone(rows, part.time_zone)
    for plugin, said in sorted(features.items()):
        row = rows.partner_features.get(plugin)
        if (True if row is None else said_by_partner(row, zone)) == said:
            continue

        def store(session: Session, rows: Rows, plugin: str = plugin, said: Said = said) -> None:
            values: dict[str, Any] = {"allowed": said is not False}
            if said is not False:
                values |= {"for_all": None, "until": None, "decided_at": func.clock_timestamp()}
            if not isinstance(said, bool):
                values["for_all"] = said != "off"
                values["until"] = end_of(said, zone) if isinstance(said, date) else None
            _upsert(session, PartnerFeature, {"partner_id": rows.partner_id, "plugin": plugin}, values)

        words: dict[Said, str] = {
            True: "allowed",
            False: "forbidden",
            "on": "on for all",
            "off": "off for all",
        }
        detail = words.get(said) or f"on for all until {said}"
        yield Change("~", "feature", f"{slug}/{plugin}", detail, ("features", plugin), store, "allowed")


def organization_changes(
    rows: Rows, said_for_all: dict[str, Said], part: OrganizationPart, partner: PartnerPart, at: Key
) -> Iterator[Change]:
    """What an organization has. `said_for_all`: what the file says for all, which is written before."""
    known = rows.organizations.get(part.slug)
    zone = _zone(rows, partner.time_zone)
    now = _now(rows, said_for_all, None if known is None else known.org_id, zone)
    for plugin, said in sorted(part.features.items()):
        if now.get(plugin, False) == said:
            continue

        def switch(session: Session, rows: Rows, plugin: str = plugin, said: bool | date = said) -> None:
            key = {"org_id": rows.organizations[part.slug].org_id, "plugin": plugin}
            until = None if isinstance(said, bool) else end_of(said, zone)
            values = {"enabled": bool(said), "until": until, "changed_at": func.clock_timestamp()}
            _upsert(session, OrganizationFeature, key, values)

        detail = ("on" if said else "off") if isinstance(said, bool) else f"on until {said}"
        name = f"{part.slug}/{plugin}"
        yield Change("~", "feature", name, detail, (*at, "features", plugin), switch, "features", part.slug)


def _now(rows: Rows, said_for_all: dict[str, Said], org_id: Any, zone: ZoneInfo) -> dict[str, bool | date]:
    """How a file would say what an organization has once the partner's words of this file are written."""
    own = [] if org_id is None else rows.features.get(org_id, [])
    found = decide(own, rows.partner_features.values())
    now = {plugin: said_of(one.enabled, one.until, zone) for plugin, one in found.items()}
    for plugin, said in said_for_all.items():
        row = rows.partner_features.get(plugin)
        if not isinstance(said, bool) and (row is None or said_by_partner(row, zone) != said):
            now[plugin] = said if isinstance(said, date) else said == "on"
        elif said is True and row is not None and row.for_all is not None:
            mine = {word.plugin: said_of(word.enabled, word.until, zone) for word in own}
            now[plugin] = mine.get(plugin, False)
    return now


def _zone(rows: Rows, given: str | None) -> ZoneInfo:
    """The zone of the partner, in which the days of trials end: as the file says, or as it is."""
    stored = None if rows.partner is None else rows.settings.get((rows.partner.id, ZONE))
    return ZoneInfo(given or stored or "UTC")


def _upsert(session: Session, model: Any, key: dict[str, Any], values: dict[str, Any]) -> None:
    statement = insert(model).values({**key, **values})
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))
