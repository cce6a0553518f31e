"""Set up the demo: apply the bundles, give everybody the demo's password, let the demo's switch send its calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from ringstead.auth.passwords import Passwords
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.demo.generator import Office, Person, legs_between
from ringstead.demo.manifest import DemoAccount, DemoManifest, DemoOrganization, DemoSwitch, read_manifest
from ringstead.demo.records import CallSender, NobodyListens, RecordsRefused
from ringstead.settings import Settings
from ringstead.switch.nodes import ensure_node
from ringstead.tenancy.bundle_schema import OrganizationPart
from ringstead.tenancy.bundles import Bundle, Plan, apply_plan, bundle_folders, plan_bundle, read_bundle
from ringstead.tenancy.models import Account

DAYS: Final = 90
NODE: Final = "demo"


class DemoError(Exception):
    """The demo cannot be set up; the message says why and the mend."""


@dataclass(frozen=True, slots=True)
class AppliedDemo:
    """The demo's partners as they are in the database, and what `var_dir/demo.json` says of them."""

    manifest: DemoManifest
    plans: list[Plan]


def run_demo_setup(settings: Settings, urls: DatabaseUrls) -> DemoManifest:
    """Bring the demo up to date; the database is migrated already.

    Run again, it changes nothing but what is missing: the calls since the last run. Raises DemoError or
    BundleError.
    """
    return send_new_calls(settings, urls, apply_demo(settings, urls))


def apply_demo(settings: Settings, urls: DatabaseUrls) -> AppliedDemo:
    """Apply the bundles and write `var_dir/demo.json`. Raises DemoError or BundleError."""
    folders = bundle_folders(settings.tenants_dir)
    if not folders:
        raise DemoError(
            f"There is no partner bundle in {settings.tenants_dir.absolute()}. Start the demo in the folder that holds "
            "`tenants`, or set RINGSTEAD_TENANTS_DIR."
        )
    bundles = [read_bundle(folder) for folder in folders]
    before = read_manifest(settings.var_dir)
    database = Database(urls)
    try:
        with database.as_operator("ringstead demo", "set up the demo") as session:
            plans = [_apply(session, bundle) for bundle in bundles]
            key, is_known = ensure_node(session, NODE, before.switch.key if before else None)
    finally:
        database.dispose()
    manifest = _manifest(settings, plans, key)
    if before is not None and is_known:
        manifest = replace(manifest, calls_until=before.calls_until)
    # Written before the calls too: the node's key is stored as a hash only and must not be lost to a Ctrl-C.
    manifest.write(settings.var_dir)
    return AppliedDemo(manifest, plans)


def send_new_calls(settings: Settings, urls: DatabaseUrls, demo: AppliedDemo) -> DemoManifest:
    """Send the calls since the last time. Raises DemoError."""
    manifest, until = demo.manifest, datetime.now(UTC)
    if send_calls(settings, urls, manifest, demo.plans, until):
        manifest = replace(manifest, calls_until=until.isoformat())
        manifest.write(settings.var_dir)
    return manifest


def send_calls(
    settings: Settings, urls: DatabaseUrls, manifest: DemoManifest, plans: list[Plan], until: datetime
) -> bool:
    """Send the calls that ended after `manifest.calls_until`, at most 90 days; False when no plugin takes any."""
    since = max(datetime.fromisoformat(manifest.calls_until), until - timedelta(days=DAYS))
    with CallSender(settings, urls, manifest.switch.key) as sender:
        for plan in plans:
            for part in plan.bundle.content.organizations:
                if not part.hosts.sip:
                    continue  # a switch has no name for it, so it has no calls
                try:
                    legs = legs_between(_office(plan, part), since, until)
                    sender.send(part.hosts.sip[0], legs)
                    sender.leave_messages(part.hosts.sip[0], legs, until)
                except NobodyListens:
                    return False
                except RecordsRefused as refused:
                    raise DemoError(
                        f"The switch interface refused calls of {part.slug}: {refused}"
                    ) from refused
    return True


def _office(plan: Plan, part: OrganizationPart) -> Office:
    people = [Person(person.extension, person.name, person.number) for person in part.subscribers]
    return Office(part.slug, _zone(plan, part), people)


def _apply(session: Session, bundle: Bundle) -> Plan:
    plan = plan_bundle(session, bundle)
    apply_plan(session, plan)
    if bundle.content.demo is not None:
        _give_passwords(plan.rows.accounts.values(), bundle.content.demo.password)
    return plan


def _give_passwords(accounts: Iterable[Account], password: str) -> None:
    """Let everybody sign in with the printed password.

    One hash serves all, so that a start verifies one and not forty; only fictional people share it.
    """
    passwords = Passwords()
    right: dict[str | None, bool] = {}
    fresh: str | None = None
    for account in accounts:
        stored = account.password_hash
        if stored not in right:
            right[stored] = stored is not None and passwords.verify(stored, password)
        if not right[stored]:
            fresh = fresh or passwords.hash(password)
            account.password_hash, account.password_changed_at = fresh, datetime.now(UTC)


def _manifest(settings: Settings, plans: list[Plan], key: str) -> DemoManifest:
    contents = [plan.bundle.content for plan in plans]
    host = settings.platform_hosts[0]
    return DemoManifest(
        portals={c.partner.slug: settings.origin(c.hosts.portal[0]) for c in contents},
        consoles={c.partner.slug: settings.origin(c.hosts.console[0]) for c in contents},
        accounts=[account for plan in plans for account in _accounts(plan)],
        switch=DemoSwitch(url=f"{settings.origin(host)}/switch/v1", node=NODE, key=key),
        organizations=[
            _organization(plan, organization)
            for plan in plans
            for organization in plan.bundle.content.organizations
        ],
        calls_until=(datetime.now(UTC) - timedelta(days=DAYS)).isoformat(),
    )


def _accounts(plan: Plan) -> list[DemoAccount]:
    content = plan.bundle.content
    if content.demo is None:
        return []  # its accounts have no password that we know
    password = content.demo.password
    found = [
        DemoAccount(
            partner=plan.bundle.slug,
            organization=organization.slug,
            role=person.role,
            login=person.email,
            password=password,
            name=person.name,
            extension=person.extension,
            subscriber_id=str(plan.rows.subscribers[organization.slug, person.extension].id),
            leads=[team.slug for team in organization.teams if person.extension in team.leads],
            manages=[place.slug for place in organization.locations if person.extension in place.managers],
        )
        for organization in content.organizations
        for person in organization.subscribers
        if person.email is not None
    ]
    for member in content.staff:
        found.append(
            DemoAccount(plan.bundle.slug, None, member.role, member.email, password, member.name, None, None)
        )
    return found


def _organization(plan: Plan, part: OrganizationPart) -> DemoOrganization:
    return DemoOrganization(
        partner=plan.bundle.slug,
        id=str(plan.rows.organizations[part.slug].org_id),
        slug=part.slug,
        name=part.name,
        domain=next(iter(part.hosts.sip), None),
        time_zone=_zone(plan, part).key,
        features=sorted(name for name, enabled in part.features.items() if enabled),
    )


def _zone(plan: Plan, part: OrganizationPart) -> ZoneInfo:
    return ZoneInfo(part.time_zone or plan.bundle.content.partner.time_zone or "UTC")
