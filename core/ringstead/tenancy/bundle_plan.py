"""Compare a bundle with the database: what is there, what is missing, what differs. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Final, Literal, cast
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ringstead.plugins.loader import GROUP
from ringstead.tenancy import directory
from ringstead.tenancy.bundle_schema import (
    Bundle,
    BundleError,
    Key,
    OrganizationPart,
    StaffPart,
    SubscriberPart,
)
from ringstead.tenancy.models import (
    Account,
    Host,
    Membership,
    Organization,
    OrganizationFeature,
    OrganizationSetting,
    Partner,
    PartnerSetting,
    Subscriber,
)

_SETTINGS: Final = {"locale": "core.locale", "time_zone": "core.time_zone"}
Named = PartnerSetting | OrganizationSetting | OrganizationFeature


@dataclass
class Rows:
    """What the database holds of the bundle's things; applying a plan fills in what it creates."""

    partner: Partner | None = None
    hosts: dict[str, Host] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    subscribers: dict[tuple[str, str], Subscriber] = field(default_factory=dict)
    memberships: dict[tuple[UUID, UUID], Membership] = field(default_factory=dict)
    settings: dict[tuple[UUID, str], Any] = field(default_factory=dict)
    features: dict[tuple[UUID, str], bool] = field(default_factory=dict)

    @property
    def partner_id(self) -> UUID:
        """The partner's id, once there is a partner."""
        assert self.partner is not None, "the plan's first step creates the partner"
        return self.partner.id


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan: `+` adds, `~` changes. `news` says which caches of other processes it makes stale."""

    sign: Literal["+", "~"]
    thing: str
    name: str
    detail: str
    key: Key
    run: Callable[[Session, Rows], object]
    news: Literal["", "hosts", "features"] = ""
    organization: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.thing} {self.name}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying a bundle will do, in order. `str(plan)` is for people."""

    bundle: Bundle
    rows: Rows
    changes: list[Change]
    warnings: list[str]
    moved_numbers: list[Subscriber]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        lines = [f"! {warning}" for warning in self.warnings] + [str(change) for change in self.changes]
        if not self.changes:
            lines.append(f"{self.bundle.slug}: nothing to change.")
        return "\n".join(lines)


def plan_bundle(session: Session, bundle: Bundle, installed: Collection[str] | None = None) -> Plan:
    """What must change so that the database holds what `bundle` says. Needs the operator's session.

    `installed`: the plugins of this installation (default: by their entry points). Raises BundleError when a
    host or number belongs to somebody else. The lock keeps two commands from applying one partner at once.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"ringstead bundle {bundle.slug}"}
    )
    if installed is None:
        installed = {entry.name for entry in entry_points(group=GROUP)}
    rows = read_rows(session, bundle)
    _refuse_foreign(session, bundle, rows)
    planner = _Planner(bundle, rows, installed)
    planner.partner()
    planner.hosts(None)
    for i, member in enumerate(bundle.content.staff):
        planner.account(member, ("staff", i), member.role)
    for i, organization in enumerate(bundle.content.organizations):
        planner.organization(organization, ("organizations", i))
    return Plan(bundle, rows, planner.changes, planner.warnings, planner.moved_numbers)


def read_rows(session: Session, bundle: Bundle) -> Rows:
    """The rows that the bundle speaks about, as they are in the database."""
    rows = Rows(session.scalars(select(Partner).where(Partner.slug == bundle.slug)).one_or_none())
    rows.hosts = {
        host.name: host for host in session.scalars(select(Host).where(Host.name.in_(_host_names(bundle))))
    }
    if rows.partner is None:
        return rows
    own = rows.partner.id
    slugs = [organization.slug for organization in bundle.content.organizations]
    organizations = session.scalars(
        select(Organization).where(Organization.partner_id == own, Organization.slug.in_(slugs))
    )
    rows.organizations = {organization.slug: organization for organization in organizations}
    by_id = {organization.org_id: slug for slug, organization in rows.organizations.items()}
    subscribers = session.scalars(select(Subscriber).where(Subscriber.org_id.in_(by_id)))
    rows.subscribers = {(by_id[person.org_id], person.extension): person for person in subscribers}
    for account in session.scalars(
        select(Account).where(Account.partner_id == own, Account.email.in_(_emails(bundle)))
    ):
        rows.accounts[account.email] = account
    for member in session.scalars(select(Membership).where(Membership.org_id.in_(by_id))):
        rows.memberships[member.subscriber_id, member.account_id] = member
    for setting in session.scalars(select(PartnerSetting).where(PartnerSetting.partner_id == own)):
        rows.settings[own, setting.name] = setting.value
    for value in session.scalars(select(OrganizationSetting).where(OrganizationSetting.org_id.in_(by_id))):
        rows.settings[value.org_id, value.name] = value.value
    for feature in session.scalars(select(OrganizationFeature).where(OrganizationFeature.org_id.in_(by_id))):
        rows.features[feature.org_id, feature.plugin] = feature.enabled
    return rows


class _Planner:
    def __init__(self, bundle: Bundle, rows: Rows, installed: Collection[str]) -> None:
        self.bundle, self.rows, self.installed = bundle, rows, installed
        self.changes: list[Change] = []
        self.warnings: list[str] = []
        self.moved_numbers: list[Subscriber] = []
        self._planned: set[str] = set()

    def partner(self) -> None:
        part, brand = self.bundle.content.partner, self.bundle.brand.to_mapping()
        known = self.rows.partner
        if known is None:

            def create(session: Session, rows: Rows) -> None:
                rows.partner = directory.create_partner(session, slug=part.slug, name=part.name, brand=brand)

            self._add("partner", part.slug, part.name, ("partner", "slug"), create, "hosts")
        else:
            self._update("partner", part.slug, known, {"name": part.name}, ("partner",), "hosts")
            changed = [name for name in brand if known.brand.get(name) != brand[name]]
            if changed:

                def repaint(_session: Session, rows: Rows) -> None:
                    assert rows.partner is not None
                    rows.partner.brand = {**rows.partner.brand, **brand}

                self._change("brand", part.slug, ", ".join(changed), ("brand",), repaint, "hosts")
        self._settings(part, ("partner",), part.slug, None)

    def hosts(self, organization: OrganizationPart | None, at: Key = ()) -> None:
        """The hosts of the partner, or of one of its organizations."""
        source = self.bundle.content.hosts if organization is None else organization.hosts
        slug = "" if organization is None else organization.slug
        for kind in source.model_fields_set:
            for i, name in enumerate(getattr(source, kind)):
                self._host(name, kind, slug, (*at, "hosts", kind, i))

    def _host(self, name: str, kind: str, slug: str, key: Key) -> None:
        def add(session: Session, rows: Rows) -> None:
            org_id = rows.organizations[slug].org_id if slug else None
            directory.add_host(session, rows.partner_id, name=name, kind=kind, org_id=org_id)

        def change(_session: Session, rows: Rows) -> None:
            rows.hosts[name].kind = kind
            rows.hosts[name].org_id = rows.organizations[slug].org_id if slug else None

        known = self.rows.hosts.get(name)
        owner = self.rows.organizations.get(slug)
        if known is None:
            self._add("host", name, f"{kind} of {slug or self.bundle.slug}", key, add, "hosts")
        elif (known.kind, known.org_id) != (kind, owner.org_id if owner else None):
            self._change("host", name, f"{kind} of {slug or self.bundle.slug}", key, change, "hosts")

    def organization(self, part: OrganizationPart, at: Key) -> None:
        known = self.rows.organizations.get(part.slug)
        if known is None:

            def create(session: Session, rows: Rows) -> None:
                rows.organizations[part.slug] = directory.create_organization(
                    session, rows.partner_id, slug=part.slug, name=part.name
                )

            self._add("organization", part.slug, part.name, (*at, "slug"), create)
        else:
            self._update("organization", part.slug, known, {"name": part.name}, at)
        self._settings(part, at, part.slug, part.slug)
        self.hosts(part, at)
        self._features(part, at)
        for i, person in enumerate(part.subscribers):
            self._subscriber(part.slug, person, (*at, "subscribers", i))

    def _features(self, part: OrganizationPart, at: Key) -> None:
        known = self.rows.organizations.get(part.slug)
        for plugin, enabled in sorted(part.features.items()):
            key = (*at, "features", plugin)
            if enabled and plugin not in self.installed:
                why = f"no plugin {plugin!r} is installed here; it comes on once it is"
                self.warnings.append(self.bundle.source.describe(key, why))
            now = self.rows.features.get((known.org_id, plugin), False) if known else False
            if now != enabled:

                def switch(
                    session: Session, rows: Rows, plugin: str = plugin, enabled: bool = enabled
                ) -> None:
                    org_id = rows.organizations[part.slug].org_id
                    key = {"org_id": org_id, "plugin": plugin}
                    _upsert(session, OrganizationFeature, key, {"enabled": enabled})

                detail = "on" if enabled else "off"
                name = f"{part.slug}/{plugin}"
                self._change("feature", name, detail, key, switch, "features", part.slug)

    def _subscriber(self, org: str, part: SubscriberPart, at: Key) -> None:
        name = f"{org}/{part.extension}"
        known = self.rows.subscribers.get((org, part.extension))
        if known is None:

            def create(session: Session, rows: Rows) -> None:
                rows.subscribers[org, part.extension] = directory.create_subscriber(
                    session,
                    rows.organizations[org],
                    name=part.name,
                    extension=part.extension,
                    number=part.number,
                )

            self._add("subscriber", name, part.name, at, create)
        else:
            wanted = {"name": part.name} | ({"number": part.number} if part.number else {})
            if part.number and known.number not in (None, part.number):
                self.moved_numbers.append(known)
            self._update("subscriber", name, known, wanted, at)
        if part.email:
            self.account(part, at, None)
            self._membership(org, part, at)

    def account(self, part: StaffPart | SubscriberPart, at: Key, staff_role: str | None) -> None:
        """An account, once, however many portals it opens; `staff_role` None leaves what it has."""
        email = cast(str, part.email)
        if email in self._planned:
            return
        self._planned.add(email)
        known = self.rows.accounts.get(email)
        if known is None:

            def create(session: Session, rows: Rows) -> None:
                rows.accounts[email] = directory.create_account(
                    session, rows.partner_id, email=email, name=part.name, staff_role=staff_role
                )

            self._add("account", email, staff_role or "", (*at, "email"), create)
            return
        wanted = {"name": part.name} | ({"staff_role": staff_role} if staff_role else {})
        self._update("account", email, known, wanted, at)

    def _membership(self, org: str, part: SubscriberPart, at: Key) -> None:
        person, account = (
            self.rows.subscribers.get((org, part.extension)),
            self.rows.accounts.get(part.email or ""),
        )
        name = f"{org}/{part.extension}"
        known = self.rows.memberships.get((person.id, account.id)) if person and account else None
        if known is not None:
            self._update("membership", name, known, {"role": part.role}, (*at, "role"))
            return
        others = [key for key in self.rows.memberships if person is not None and key[0] == person.id]
        if others:
            why = f"{len(others)} other account(s) open this portal too; that is left as it is"
            self.warnings.append(self.bundle.source.describe((*at, "email"), why))

        def create(session: Session, rows: Rows) -> None:
            subscriber, opener = rows.subscribers[org, part.extension], rows.accounts[part.email or ""]
            directory.add_membership(session, subscriber, opener, role=part.role)

        self._add("membership", name, f"{part.email}, {part.role}", (*at, "email"), create)

    def _settings(self, part: Any, at: Key, name: str, org: str | None) -> None:
        for field_name, setting in _SETTINGS.items():
            value = getattr(part, field_name)
            owner = self.rows.partner if org is None else self.rows.organizations.get(org)
            if value is None or (owner is not None and self.rows.settings.get((owner.id, setting)) == value):
                continue

            def store(session: Session, rows: Rows, setting: str = setting, value: str = value) -> None:
                if org is None:
                    key = {"partner_id": rows.partner_id, "name": setting}
                    _upsert(session, PartnerSetting, key, {"value": value})
                else:
                    key = {"org_id": rows.organizations[org].org_id, "name": setting}
                    _upsert(session, OrganizationSetting, key, {"value": value})

            self._change("setting", f"{name}/{setting}", value, (*at, field_name), store)

    def _update(
        self,
        thing: str,
        name: str,
        row: object,
        wanted: dict[str, Any],
        key: Key,
        news: Literal["", "hosts"] = "",
    ) -> None:
        differing = {field: value for field, value in wanted.items() if getattr(row, field) != value}
        if not differing:
            return

        def update(_session: Session, _rows: Rows) -> None:
            for field_name, value in differing.items():
                setattr(row, field_name, value)

        said = ", ".join(f"{field} {getattr(row, field)!r} → {value!r}" for field, value in differing.items())
        self._change(thing, name, said, key, update, news)

    def _add(
        self,
        thing: str,
        name: str,
        detail: str,
        key: Key,
        run: Callable[[Session, Rows], object],
        news: Literal["", "hosts"] = "",
    ) -> None:
        self.changes.append(Change("+", thing, name, detail, key, run, news))

    def _change(
        self,
        thing: str,
        name: str,
        detail: str,
        key: Key,
        run: Callable[[Session, Rows], object],
        news: Literal["", "hosts", "features"] = "",
        organization: str = "",
    ) -> None:
        self.changes.append(Change("~", thing, name, detail, key, run, news, organization))


def _refuse_foreign(session: Session, bundle: Bundle, rows: Rows) -> None:
    """Stop when a host or number of the bundle belongs to another partner or to a subscriber it does not name."""
    own = rows.partner.id if rows.partner else None
    problems = [
        bundle.source.describe(key, f"{name} belongs to another partner; choose another host name")
        for key, name in _hosts(bundle)
        if name in rows.hosts and rows.hosts[name].partner_id != own
    ]
    wanted = {
        person.number: (organization.slug, person.extension, ("organizations", i, "subscribers", j, "number"))
        for i, organization in enumerate(bundle.content.organizations)
        for j, person in enumerate(organization.subscribers)
        if person.number
    }
    moving = {
        (rows.organizations[organization.slug].org_id, person.extension): person.number
        for organization in bundle.content.organizations
        if organization.slug in rows.organizations
        for person in organization.subscribers
    }
    for holder in session.scalars(select(Subscriber).where(Subscriber.number.in_(wanted))):
        slug, extension, key = wanted[cast(str, holder.number)]
        organization = rows.organizations.get(slug)
        is_same = organization is not None and (holder.org_id, holder.extension) == (
            organization.org_id,
            extension,
        )
        gives_up = moving.get((holder.org_id, holder.extension)) not in (None, holder.number)
        if not is_same and not gives_up:
            why = f"{holder.number} is the number of another subscriber; take it away there first"
            problems.append(bundle.source.describe(key, why))
    if problems:
        raise BundleError(problems)


def _hosts(bundle: Bundle) -> list[tuple[Key, str]]:
    content = bundle.content
    found: list[tuple[Key, str]] = []
    for kind in ("portal", "console"):
        found += [(("hosts", kind, i), name) for i, name in enumerate(getattr(content.hosts, kind))]
    for i, organization in enumerate(content.organizations):
        for kind in ("sip", "portal"):
            at: Key = ("organizations", i, "hosts", kind)
            found += [((*at, j), name) for j, name in enumerate(getattr(organization.hosts, kind))]
    return found


def _host_names(bundle: Bundle) -> list[str]:
    return [name for _, name in _hosts(bundle)]


def _emails(bundle: Bundle) -> set[str]:
    people = [person for organization in bundle.content.organizations for person in organization.subscribers]
    return {member.email for member in bundle.content.staff} | {p.email for p in people if p.email}


def _upsert(session: Session, model: type[Named], key: dict[str, Any], values: dict[str, Any]) -> None:
    statement = insert(model).values({**key, **values})
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))
