"""A live partner as a bundle, the other way round than `bundle_plan`: what the database holds, as parts of the file.

Each field of `BundlePart` and of `OrganizationPart` has one function here that says where it is taken from; a test
compares. Passwords, keys and the like are not in those parts, so none can be written.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from ringstead.plugins.decisions import decide
from ringstead.tenancy.bundle_features import ZONE, Said, said_by_partner, said_of
from ringstead.tenancy.bundle_packages import written_package
from ringstead.tenancy.bundle_schema import BundlePart, OrganizationPart
from ringstead.tenancy.bundle_settings import written_hours, written_setting
from ringstead.tenancy.bundle_source import spell
from ringstead.tenancy.models import (
    Account,
    FeaturePackage,
    Host,
    Location,
    LocationManager,
    Membership,
    Organization,
    OrganizationFeature,
    OrganizationSetting,
    Partner,
    PartnerFeature,
    PartnerSetting,
    Subscriber,
    Team,
    TeamMember,
)
from ringstead.theming.brand import LOGOS, Brand, InvalidBrand
from ringstead.theming.logo import Logo

LOGO_NAMES: Final = {"logo": "logo", "logo_dark": "logo-dark", "favicon": "favicon"}


class ExportRefused(Exception):
    """Something of the partner cannot stand in a bundle; the message names it and the mend."""


@dataclass
class Exported:
    """A partner as parts of a bundle. `organizations` reads one after the other, so hold none of them for long.

    `logos` are the files that the brand names, by those names. `left_out` tells, once everything was read, what a
    bundle cannot say.
    """

    head: BundlePart
    logos: Mapping[str, bytes]
    organizations: Iterator[OrganizationPart]
    left_out: list[str] = field(default_factory=list)


def export_partner(session: Session, partner_id: UUID) -> Exported:
    """Everything of a partner that a bundle can hold. Needs the operator's session, best one that sees a single moment.

    Raises ExportRefused, also while the organizations are read.
    """
    partner = session.get_one(Partner, partner_id)
    values = {name: read(session, partner) for name, read in PARTNER_FIELDS.items()}
    try:
        head = BundlePart.model_validate(values)
    except ValidationError as error:
        raise _refusal(partner.slug, error) from None
    exported = Exported(head, _logos(partner), iter(()))
    exported.left_out += _hosts_left_out(session, partner)
    exported.organizations = _organizations(session, partner_id)
    return exported


def _organizations(session: Session, partner_id: UUID) -> Iterator[OrganizationPart]:
    """By slug. The ids of all, but the rows of one at a time."""
    zone = _zone(session, partner_id)
    every = session.execute(
        select(Organization.slug, Organization.org_id).where(Organization.partner_id == partner_id)
    )
    for slug, org_id in sorted((row.slug, row.org_id) for row in every):
        reading = Reading(session, session.get_one(Organization, org_id), zone)
        values = {name: read(reading) for name, read in ORGANIZATION_FIELDS.items()}
        session.expunge_all()
        try:
            yield OrganizationPart.model_validate(values)
        except ValidationError as error:
            raise _refusal(slug, error) from None


def _refusal(owner: str, error: ValidationError) -> ExportRefused:
    first = error.errors()[0]
    why = first["msg"].removeprefix("Value error, ")
    said = f"{owner}: {spell(first['loc'])} is {str(first['input'])[:60]!r}, which no bundle takes: {why}"
    return ExportRefused(f"{said}. Mend: change it on the console, then export again.")


def _values_of(**values: Any) -> dict[str, Any]:
    """What there is to say: `None` and what is as it is without saying are left out."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _status(status: str) -> bool | None:
    return None if status == "active" else True


# --- of the partner ---------------------------------------------------------------------------------------------


def _partner_settings(session: Session, partner_id: UUID) -> dict[str, Any]:
    stored = select(PartnerSetting.name, PartnerSetting.value).where(PartnerSetting.partner_id == partner_id)
    return {row.name: row.value for row in session.execute(stored)}


def _zone(session: Session, partner_id: UUID) -> ZoneInfo:
    return ZoneInfo(_partner_settings(session, partner_id).get(ZONE) or "UTC")


def _partner(session: Session, partner: Partner) -> dict[str, Any]:
    settings = _partner_settings(session, partner.id)
    region = {field: written_setting(field, settings) for field in ("locale", "time_zone")}
    return _values_of(slug=partner.slug, name=partner.name, **region)


def _brand(_session: Session, partner: Partner) -> dict[str, Any]:
    """The keys that the stored brand has, and no others: what is left out keeps its value."""
    try:
        brand = Brand.from_mapping(partner.brand)
    except InvalidBrand as error:
        raise ExportRefused(
            f"{partner.slug}: the brand in force is damaged ({error}). Mend: save it anew."
        ) from None
    names = [name for name in Brand.__dataclass_fields__ if name not in LOGOS and name in partner.brand]
    found = {name: partner.brand[name] for name in names}
    if found.get("name") == partner.name:
        del found["name"]  # it follows
    for name in LOGOS:
        logo: Logo | None = getattr(brand, name)
        if logo is not None:
            found[name] = f"{LOGO_NAMES[name]}.{logo.kind}"
    return _values_of(**found)


def _logos(partner: Partner) -> dict[str, bytes]:
    """The logos as files that give the very same logos again when they are read."""
    found = {}
    for name, stem in LOGO_NAMES.items():
        data = _logo(partner.brand.get(name))
        if data is not None:
            found[f"{stem}.{next(iter(partner.brand[name]))}"] = data
    return found


def _logo(stored: object) -> bytes | None:
    match stored:
        case {"svg": str(text)}:
            own, plain = '<svg class="logo" aria-hidden="true" focusable="false"', '<svg xmlns="{}"'
            drawing = text.replace(own, plain.format("http://www.w3.org/2000/svg"), 1)
            return (drawing.replace("><", ">\n<") + "\n").encode()
        case {"png": str(text)}:
            return base64.b64decode(text)
    return None


def _hosts_of(session: Session, partner_id: UUID, org_id: UUID | None) -> list[Host]:
    owner = Host.org_id.is_(None) if org_id is None else Host.org_id == org_id
    return list(session.scalars(select(Host).where(Host.partner_id == partner_id, owner).order_by(Host.name)))


def _by_kind(hosts: list[Host], *kinds: str) -> dict[str, list[str]]:
    return {kind: [host.name for host in hosts if host.kind == kind] for kind in kinds}


def _hosts(session: Session, partner: Partner) -> dict[str, Any]:
    return _by_kind(_hosts_of(session, partner.id, None), "portal", "console")


def _hosts_left_out(session: Session, partner: Partner) -> Iterator[str]:
    """A SIP domain of nobody, and a console of one organization: nothing reads them, and a bundle has no place."""
    odd = (Host.org_id.is_(None) & (Host.kind == "sip")) | (
        Host.org_id.is_not(None) & (Host.kind == "console")
    )
    for host in session.scalars(select(Host).where(Host.partner_id == partner.id, odd).order_by(Host.name)):
        where = "the partner" if host.org_id is None else "an organization"
        yield f"host {host.name}: {host.kind} of {where}, for which a bundle has no place"


def _partner_features(session: Session, partner: Partner) -> dict[str, Said]:
    zone = _zone(session, partner.id)
    rows = (
        select(PartnerFeature).where(PartnerFeature.partner_id == partner.id).order_by(PartnerFeature.plugin)
    )
    return {row.plugin: said_by_partner(row, zone) for row in session.scalars(rows)}


def _staff(session: Session, partner: Partner) -> list[dict[str, Any]]:
    rows = (
        select(Account)
        .where(Account.partner_id == partner.id, Account.staff_role.is_not(None))
        .order_by(Account.email)
    )
    return [
        _values_of(name=row.name, email=row.email, role=row.staff_role, suspended=_status(row.status))
        for row in session.scalars(rows)
    ]


def _packages(session: Session, partner: Partner) -> list[dict[str, Any]]:
    rows = select(FeaturePackage).where(FeaturePackage.partner_id == partner.id).order_by(FeaturePackage.name)
    return [written_package(row) for row in session.scalars(rows)]


PARTNER_FIELDS: Final[Mapping[str, Callable[[Session, Partner], Any]]] = {
    "partner": _partner,
    "brand": _brand,
    "hosts": _hosts,
    "features": _partner_features,
    "staff": _staff,
    "packages": _packages,
}


# --- of an organization -----------------------------------------------------------------------------------------


@dataclass
class Reading:
    """One organization while it is read, with what several of its fields need."""

    session: Session
    row: Organization
    zone: ZoneInfo

    def all(self, model: Any) -> list[Any]:
        """All rows of a table that are the organization's."""
        return list(self.session.scalars(select(model).where(model.org_id == self.row.org_id)))

    @cached_property
    def settings(self) -> dict[str, Any]:
        return {row.name: row.value for row in self.all(OrganizationSetting)}

    @cached_property
    def hosts(self) -> list[Host]:
        return _hosts_of(self.session, self.row.partner_id, self.row.org_id)

    @cached_property
    def subscribers(self) -> list[Subscriber]:
        """By extension, as numbers are counted."""
        return sorted(self.all(Subscriber), key=lambda person: _counted(person.extension))

    @cached_property
    def extensions(self) -> dict[UUID, str]:
        return {person.id: person.extension for person in self.subscribers}

    @cached_property
    def locations(self) -> list[Location]:
        return sorted(self.all(Location), key=lambda location: location.slug)

    @cached_property
    def accounts(self) -> dict[UUID, list[tuple[Account, Membership]]]:
        """Who opens which subscriber's portal, by address."""
        found: dict[UUID, list[tuple[Account, Membership]]] = {}
        rows = self.session.execute(
            select(Account, Membership)
            .join(
                Membership,
                (Membership.account_id == Account.id) & (Membership.partner_id == Account.partner_id),
            )
            .where(Membership.org_id == self.row.org_id)
            .order_by(Account.email)
        )
        for account, member in rows:
            found.setdefault(member.subscriber_id, []).append((account, member))
        return found

    @cached_property
    def packages(self) -> dict[UUID, str]:
        rows = select(FeaturePackage).where(FeaturePackage.partner_id == self.row.partner_id)
        return {row.id: row.name for row in self.session.scalars(rows)}

    def package_name(self, package_id: UUID | None) -> str | None:
        """The name of a package that somebody has."""
        return None if package_id is None else self.packages.get(package_id)

    def sorted_extensions(self, ids: Iterable[UUID]) -> list[str]:
        return sorted((self.extensions[id_] for id_ in ids), key=_counted)


def _counted(extension: str) -> tuple[int, str]:
    return len(extension), extension


def _features(reading: Reading) -> dict[str, bool | date]:
    """What it decided itself, as far as it holds: what the partner said for all later stands with the partner."""
    partners = reading.session.scalars(
        select(PartnerFeature).where(PartnerFeature.partner_id == reading.row.partner_id)
    )
    found = sorted(decide(reading.all(OrganizationFeature), partners).items())
    own = {row.plugin for row in reading.all(OrganizationFeature)}
    return {
        plugin: said_of(one.enabled, one.until, reading.zone)
        for plugin, one in found
        if plugin in own and not one.is_for_all
    }


def _locations(reading: Reading) -> list[dict[str, Any]]:
    managers = reading.all(LocationManager)
    return [
        _values_of(
            slug=location.slug,
            name=location.name,
            time_zone=location.time_zone,
            hours=written_hours(location.hours),
            managers=reading.sorted_extensions(
                one.subscriber_id for one in managers if one.location_id == location.id
            ),
        )
        for location in reading.locations
    ]


def _teams(reading: Reading) -> list[dict[str, Any]]:
    members = reading.all(TeamMember)

    def those(team: Team, is_lead: bool) -> list[str]:
        return reading.sorted_extensions(
            one.subscriber_id for one in members if one.team_id == team.id and one.is_lead == is_lead
        )

    return [
        _values_of(slug=team.slug, name=team.name, leads=those(team, True), members=those(team, False))
        for team in sorted(reading.all(Team), key=lambda team: team.slug)
    ]


def _subscribers(reading: Reading) -> list[dict[str, Any]]:
    places: dict[UUID | None, str] = {location.id: location.slug for location in reading.locations}
    return [
        _values_of(
            extension=person.extension,
            name=person.name,
            number=person.number,
            location=places.get(person.location_id),
            package=reading.package_name(person.package_id),
            suspended=_status(person.status),
            **_accounts(person, reading.accounts.get(person.id, [])),
        )
        for person in reading.subscribers
    ]


def _accounts(person: Subscriber, opened_by: list[tuple[Account, Membership]]) -> dict[str, Any]:
    """`email` and `role` for the usual case: one account, of the subscriber's name."""
    match opened_by:
        case [(account, member)] if account.name == person.name and account.status == "active":
            return {"email": account.email, "role": None if member.role == "subscriber" else member.role}
    return {
        "accounts": [
            _values_of(
                name=account.name, email=account.email, role=member.role, suspended=_status(account.status)
            )
            for account, member in opened_by
        ]
    }


ORGANIZATION_FIELDS: Final[Mapping[str, Callable[[Reading], Any]]] = {
    "slug": lambda reading: reading.row.slug,
    "name": lambda reading: reading.row.name,
    "locale": lambda reading: written_setting("locale", reading.settings),
    "time_zone": lambda reading: written_setting("time_zone", reading.settings),
    "suspended": lambda reading: _status(reading.row.status),
    "package": lambda reading: reading.package_name(reading.row.package_id),
    "subscriber_limit": lambda reading: reading.row.subscriber_limit,
    "hours": lambda reading: written_setting("hours", reading.settings),
    "holidays": lambda reading: written_setting("holidays", reading.settings),
    "hosts": lambda reading: _by_kind(reading.hosts, "sip", "portal"),
    "features": _features,
    "locations": _locations,
    "teams": _teams,
    "subscribers": _subscribers,
}
