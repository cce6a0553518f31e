"""Compare a bundle with the database: what is there, what is missing, what differs. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ringstead.plugins.loader import GROUP
from ringstead.tenancy import directory
from ringstead.tenancy.bundle_change import Change, News
from ringstead.tenancy.bundle_features import organization_changes, partner_changes
from ringstead.tenancy.bundle_file import Bundle
from ringstead.tenancy.bundle_groups import group_changes, refuse_unknown
from ringstead.tenancy.bundle_packages import given_changes, package_changes, refuse_unknown_packages
from ringstead.tenancy.bundle_rows import Rows, read_rows, refuse_foreign
from ringstead.tenancy.bundle_schema import MemberPart, OrganizationPart, StaffPart, SubscriberPart
from ringstead.tenancy.bundle_settings import SETTINGS
from ringstead.tenancy.bundle_source import BundleError, Key, Problem
from ringstead.tenancy.models import (
    Organization,
    OrganizationSetting,
    Partner,
    PartnerSetting,
    Subscriber,
)
from ringstead.theming.brand import Brand, InvalidBrand

Named = PartnerSetting | OrganizationSetting


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
    refuse_foreign(session, bundle, rows)
    refuse_unknown(bundle, rows)
    refuse_unknown_packages(bundle, rows)
    _refuse_unreachable(bundle, rows)
    planner = _Planner(bundle, rows, installed)
    planner.partner()
    planner.hosts(None)
    planner.features()
    planner.changes += package_changes(rows, bundle.content.packages)
    for i, member in enumerate(bundle.content.staff):
        planner.account(member, ("staff", i), member.role)
    for i, organization in enumerate(bundle.content.organizations):
        planner.organization(organization, ("organizations", i))
    warnings = bundle.source.describe_all(planner.warnings)
    return Plan(bundle, rows, planner.changes, warnings, planner.moved_numbers)


def _refuse_unreachable(bundle: Bundle, rows: Rows) -> None:
    """Stop when a new partner has no portal or no console: nobody could sign in."""
    if rows.partner is None:
        hosts = bundle.content.hosts
        missing = [kind for kind in ("portal", "console") if not getattr(hosts, kind)]
        problems: list[Problem] = [(("hosts", kind), "name one host at least") for kind in missing]
        if problems:
            raise BundleError(bundle.source.describe_all(problems))


class _Planner:
    def __init__(self, bundle: Bundle, rows: Rows, installed: Collection[str]) -> None:
        self.bundle, self.rows, self.installed = bundle, rows, installed
        self.changes: list[Change] = []
        self.warnings: list[Problem] = []
        self.moved_numbers: list[Subscriber] = []
        self._planned: set[str] = set()
        self._not_installed: set[str] = set()

    def partner(self) -> None:
        part = self.bundle.content.partner
        known = self.rows.partner
        if known is None:

            def create(session: Session, rows: Rows) -> None:
                brand = self.bundle.brand.to_mapping()
                rows.partner = directory.create_partner(session, slug=part.slug, name=part.name, brand=brand)

            self._add("partner", part.slug, part.name, ("partner", "slug"), create, "hosts")
        else:
            self._update("partner", part.slug, known, {"name": part.name}, ("partner",), "hosts")
            self._brand(known)
        self._settings(part, ("partner",), part.slug, None)

    def _brand(self, known: Partner) -> None:
        wanted = _merged_brand(self.bundle, known)
        changed = {name: value for name, value in wanted.items() if known.brand.get(name) != value}
        if not changed:
            return

        def repaint(_session: Session, rows: Rows) -> None:
            assert rows.partner is not None
            rows.partner.brand = {**rows.partner.brand, **changed}

        self._change("brand", self.bundle.slug, ", ".join(changed), ("brand",), repaint, "hosts")

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

    def features(self) -> None:
        """What the partner says of plugins for all its organizations."""
        content = self.bundle.content
        named: list[tuple[Key, str]] = [(("features", plugin), plugin) for plugin in content.features]
        named += [
            (("packages", i, "features"), plugin)
            for i, package in enumerate(content.packages)
            for plugin in package.features or ()
        ]
        for key, plugin in named:
            if plugin not in self.installed:
                self._warn_not_installed(plugin, key)
        self.changes += partner_changes(self.rows, self.bundle.slug, content.partner, content.features)

    def _warn_not_installed(self, plugin: str, key: Key) -> None:
        """Once for each plugin, however many organizations want it."""
        why = f"no plugin {plugin!r} is installed here; it comes on once it is"
        if plugin not in self._not_installed:
            self._not_installed.add(plugin)
            self.warnings.append((key, why))

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
        self._status(
            "organization", part.slug, part.suspended, known, at, lambda rows: rows.organizations[part.slug]
        )
        self._limit(part, known, at)
        self.changes += given_changes(
            self.rows, part, known, part.slug, lambda rows: rows.organizations[part.slug], at
        )
        self._settings(part, at, part.slug, part.slug)
        self.hosts(part, at)
        self._features(part, at)
        for i, person in enumerate(part.subscribers):
            self._subscriber(part.slug, person, (*at, "subscribers", i))
        self.changes += group_changes(self.rows, part, at)

    def _limit(self, part: OrganizationPart, known: Organization | None, at: Key) -> None:
        """How many subscribers it may have; 0: as many as there come."""
        if part.subscriber_limit is None:
            return
        limit = part.subscriber_limit or None
        if limit == (None if known is None else known.subscriber_limit):
            return

        def store(_session: Session, rows: Rows) -> None:
            rows.organizations[part.slug].subscriber_limit = limit

        said = f"subscriber_limit {limit or 'none'}"
        self._change("organization", part.slug, said, (*at, "subscriber_limit"), store)

    def _features(self, part: OrganizationPart, at: Key) -> None:
        for plugin, said in sorted(part.features.items()):
            if said and plugin not in self.installed:
                self._warn_not_installed(plugin, (*at, "features", plugin))
        content = self.bundle.content
        self.changes += organization_changes(self.rows, content.features, part, content.partner, at)

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
        self._status(
            "subscriber", name, part.suspended, known, at, lambda rows: rows.subscribers[org, part.extension]
        )
        self.changes += given_changes(
            self.rows, part, known, name, lambda rows: rows.subscribers[org, part.extension], at
        )
        for member, where in part.members:
            self.account(member, (*at, *where), None)
            self._membership(org, part, member, (*at, *where))

    def account(self, part: StaffPart | MemberPart, at: Key, staff_role: str | None) -> None:
        """An account, once, however many portals it opens; `staff_role` None leaves what it has."""
        email = part.email
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
        else:
            wanted = {"name": part.name} | ({"staff_role": staff_role} if staff_role else {})
            self._update("account", email, known, wanted, at)
        self._status("account", email, part.suspended, known, at, lambda rows: rows.accounts[email])

    def _membership(self, org: str, part: SubscriberPart, member: MemberPart, at: Key) -> None:
        person = self.rows.subscribers.get((org, part.extension))
        account = self.rows.accounts.get(member.email)
        name = f"{org}/{part.extension}"
        known = self.rows.memberships.get((person.id, account.id)) if person and account else None
        if known is not None:
            self._update("membership", name, known, {"role": member.role}, (*at, "role"))
            return
        named = {account.id for one, _ in part.members if (account := self.rows.accounts.get(one.email))}
        others = self.rows.openers(person.id) - named if person is not None else set()
        if others:
            why = f"{len(others)} other account(s) open this portal too; that is left as it is"
            self.warnings.append(((*at, "email"), why))

        def create(session: Session, rows: Rows) -> None:
            subscriber, opener = rows.subscribers[org, part.extension], rows.accounts[member.email]
            directory.add_membership(session, subscriber, opener, role=member.role)

        self._add("membership", name, f"{member.email}, {member.role}", (*at, "email"), create)

    def _status(
        self, thing: str, name: str, suspended: bool | None, known: Any, at: Key, find: Callable[[Rows], Any]
    ) -> None:
        """Suspend or let in again; nothing when the file does not say. Who is leaving is suspended, too."""
        is_suspended = known is not None and known.status != "active"
        if suspended is None or suspended == is_suspended:
            return

        def store(_session: Session, rows: Rows) -> None:
            find(rows).status = "suspended" if suspended else "active"

        self._change(thing, name, "suspended" if suspended else "active", (*at, "suspended"), store)

    def _settings(self, part: Any, at: Key, name: str, org: str | None) -> None:
        given = part.model_dump(include={kept.field for kept in SETTINGS}, exclude_none=True)
        owner = self.rows.partner if org is None else self.rows.organizations.get(org)
        for kept in SETTINGS:
            if kept.field not in given:
                continue
            setting, value = kept.name, kept.stored(given[kept.field])
            if owner is not None and self.rows.settings.get((owner.id, setting)) == value:
                continue

            def store(session: Session, rows: Rows, setting: str = setting, value: Any = value) -> None:
                if org is None:
                    key = {"partner_id": rows.partner_id, "name": setting}
                    _upsert(session, PartnerSetting, key, {"value": value})
                else:
                    key = {"org_id": rows.organizations[org].org_id, "name": setting}
                    _upsert(session, OrganizationSetting, key, {"value": value})

            said = value if isinstance(value, str) else f"{len(value)} entries"
            self._change("setting", f"{name}/{setting}", said, (*at, kept.field), store)

    def _update(
        self,
        thing: str,
        name: str,
        row: object,
        wanted: dict[str, Any],
        key: Key,
        news: News = "",
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
        news: News = "",
    ) -> None:
        self.changes.append(Change("+", thing, name, detail, key, run, news))

    def _change(
        self,
        thing: str,
        name: str,
        detail: str,
        key: Key,
        run: Callable[[Session, Rows], object],
        news: News = "",
        organization: str = "",
    ) -> None:
        self.changes.append(Change("~", thing, name, detail, key, run, news, organization))


def _merged_brand(bundle: Bundle, known: Partner) -> dict[str, Any]:
    """What the file's keys make of the brand that the partner has; keys that it leaves out keep their values."""
    given, whole, has = bundle.content.brand, bundle.brand.to_mapping(), known.brand
    wanted = {name: whole[name] for name in given}
    # Both stand for another key until they are given values of their own.
    if "name" not in given and has.get("name") == known.name:
        wanted["name"] = bundle.content.partner.name
    follows = "accent" not in given and has.get("accent", "") in ("", has.get("color"))
    if follows and wanted.get("color", has.get("color")) != has.get("color"):
        wanted["accent"] = whole["color"]
    try:
        Brand.from_mapping({**has, **wanted})
    except InvalidBrand as error:
        problems: list[Problem] = [
            (("brand", name), f"together with the brand in force: {why}")
            for name, why in error.errors.items()
        ]
        raise BundleError(bundle.source.describe_all(problems)) from None
    return wanted


def _upsert(session: Session, model: type[Named], key: dict[str, Any], values: dict[str, Any]) -> None:
    statement = insert(model).values({**key, **values})
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))
