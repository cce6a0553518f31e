"""Tables of tenancy: partner → organization → subscriber, hosts, who may sign in where, and which features are on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.db.base import Base, CreatedAt, DirectoryScoped, OrgScoped, PartnerScoped, new_id


class Partner(Base):
    """A reseller with its own brand and host names. Readable only in its own scope (row-level security)."""

    __tablename__ = "partner"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    brand: Mapped[dict[str, Any]] = mapped_column(default=dict)
    features_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[CreatedAt]


class Host(Base):
    """A host name. `kind` is portal, console or sip; `org_id` binds a host to one organization."""

    __tablename__ = "host"

    name: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    org_id: Mapped[UUID | None]
    kind: Mapped[str]


class BrandVersion(PartnerScoped, Base):
    """A brand as it was saved. Rows are only ever added.

    `changed` names the fields that differ from the version before. `note` says how it came: `found` (it was in force
    before anybody saved one here), `restored`, or empty.
    """

    __tablename__ = "brand_version"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[CreatedAt]
    author_account_id: Mapped[UUID | None]
    author_name: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")
    changed: Mapped[list[str]] = mapped_column(default=list)
    brand: Mapped[dict[str, Any]]


class Organization(DirectoryScoped, Base):
    """A customer of a partner. Its `org_id` is the key that every row of the organization leads with.

    `status` is active, suspended (nobody signs in), or leaving (the same, and it will be removed).
    """

    __tablename__ = "organization"

    slug: Mapped[str]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    features_version: Mapped[int] = mapped_column(default=1)
    subscriber_limit: Mapped[int | None]
    """How many subscribers it may have; None: as many as there come."""
    leaves_at: Mapped[datetime | None]
    """While `status` is leaving: when everything of it is removed."""
    was_suspended: Mapped[bool] = mapped_column(default=False)
    """While `status` is leaving: whether it was suspended before, and will be if it is kept."""
    package_id: Mapped[UUID | None]
    """The package of its people who have none of their own; None: they have all that the organization has."""
    created_at: Mapped[CreatedAt]

    @property
    def id(self) -> UUID:
        """The organization's id, the same as `org_id`."""
        return self.org_id


class OrganizationTemplate(PartnerScoped, Base):
    """What a new organization of the partner begins with; see `ringstead.tenancy.templates`."""

    __tablename__ = "organization_template"
    __table_args__ = (UniqueConstraint("partner_id", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    content: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]


class Subscriber(DirectoryScoped, Base):
    """A person (or place) with an extension. `number` is the DID in E.164, if there is one; `location_id` is where
    they are."""

    __tablename__ = "subscriber"
    __table_args__ = (
        UniqueConstraint("org_id", "extension"),
        UniqueConstraint("org_id", "number"),
        ForeignKeyConstraint(["org_id", "location_id"], ["location.org_id", "location.id"]),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    extension: Mapped[str]
    number: Mapped[str | None]
    location_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(default="active")
    package_id: Mapped[UUID | None]
    """Their own package; None: the organization's."""
    created_at: Mapped[CreatedAt]


class Team(OrgScoped, Base):
    """People who work together, whoever and wherever they are."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("org_id", "slug"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[CreatedAt]


class TeamMember(OrgScoped, Base):
    """A subscriber in a team; `is_lead` when they lead it."""

    __tablename__ = "team_member"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "team_id"], ["team.org_id", "team.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
    )

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    subscriber_id: Mapped[UUID] = mapped_column(primary_key=True)
    is_lead: Mapped[bool]


class NumberRange(DirectoryScoped, Base):
    """Numbers (`kind` did, E.164) or extensions that an organization has, from `first` to `last`, as long as each
    other."""

    __tablename__ = "number_range"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    first: Mapped[str]
    last: Mapped[str]
    created_at: Mapped[CreatedAt]


class DirectoryWord(DirectoryScoped, Base):
    """A word by which a subscriber is found: lower-case, without accents. `source` is core, or the plugin that keeps
    it. The database keeps the core's own."""

    __tablename__ = "directory_word"

    subscriber_id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(primary_key=True)


class SubscriberImport(OrgScoped, Base):
    """A file of subscribers to be: looked through (`checked`), taken in (`applied`), taken back (`undone`). `lines`
    holds an object for each line; see `ringstead.subscribers.importing`."""

    __tablename__ = "subscriber_import"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    actor_account_id: Mapped[UUID]
    actor_name: Mapped[str]
    file_name: Mapped[str]
    state: Mapped[str] = mapped_column(default="checked")
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    applied_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]


class Location(OrgScoped, Base):
    """A place of the organization: a branch, a shop. A subscriber is at one at most.

    `hours` are its business hours (see `ringstead.tenancy.hours`) and `time_zone` (IANA) its own; None: as the
    organization has them.
    """

    __tablename__ = "location"
    __table_args__ = (UniqueConstraint("org_id", "slug"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str]
    name: Mapped[str]
    time_zone: Mapped[str | None]
    hours: Mapped[list[list[str]] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[CreatedAt]


class LocationManager(OrgScoped, Base):
    """A subscriber who manages a location, whether or not they are at it."""

    __tablename__ = "location_manager"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "location_id"], ["location.org_id", "location.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
    )

    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    subscriber_id: Mapped[UUID] = mapped_column(primary_key=True)


class Membership(DirectoryScoped, Base):
    """What an account is in an organization: a `role`, and the subscriber whose portal it opens."""

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("org_id", "account_id", "subscriber_id"),
        ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID]
    subscriber_id: Mapped[UUID]
    role: Mapped[str]


class OrganizationFeature(OrgScoped, Base):
    """Whether an organization has a plugin on, and for a trial until when; see `ringstead.plugins.decisions`."""

    __tablename__ = "organization_feature"

    plugin: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool]
    until: Mapped[datetime | None]
    changed_at: Mapped[CreatedAt]


class PartnerFeature(PartnerScoped, Base):
    """Whether a partner allows a plugin to its organizations; no row means allowed.

    `for_all` is what it said for all of them at `decided_at`, for a trial until `until`; None: each has its own way.
    """

    __tablename__ = "partner_feature"

    plugin: Mapped[str] = mapped_column(primary_key=True)
    allowed: Mapped[bool] = mapped_column(default=True)
    for_all: Mapped[bool | None]
    until: Mapped[datetime | None]
    decided_at: Mapped[CreatedAt]


class FeaturePackage(PartnerScoped, Base):
    """What a kind of subscriber has, of what their organization has; see `ringstead.tenancy.packages`."""

    __tablename__ = "feature_package"
    __table_args__ = (
        UniqueConstraint("partner_id", "name"),
        Index("feature_package_name", "partner_id", text("lower(name)"), unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    features: Mapped[list[str]] = mapped_column(JSONB)
    """Names of plugins: these, and no others."""
    closed: Mapped[list[str]] = mapped_column(JSONB)
    """Names of permissions that are taken away."""
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Preferences by name: `[value or None, who]`, as `ringstead.preferences.cascade` reads them."""
    admins_give: Mapped[bool]
    """Whether an organization's admins may give it to their people."""
    created_at: Mapped[CreatedAt]


class RolePermission(OrgScoped, Base):
    """An organization's exception to a permission's default roles: granted or taken away."""

    __tablename__ = "role_permission"

    role: Mapped[str] = mapped_column(primary_key=True)
    permission: Mapped[str] = mapped_column(primary_key=True)
    granted: Mapped[bool]


class Account(PartnerScoped, Base):
    """Somebody who signs in with an e-mail address at one partner. `staff_role`: partner_admin or partner_support."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("partner_id", "email"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    name: Mapped[str]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    staff_role: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[CreatedAt]


class WebSession(PartnerScoped, Base):
    """A signed-in browser. Only the SHA-256 of its token is stored; deleting the row signs it out."""

    __tablename__ = "web_session"
    __table_args__ = (
        UniqueConstraint("partner_id", "token_hash"),
        ForeignKeyConstraint(
            ["partner_id", "account_id"], ["account.partner_id", "account.id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[bytes]
    account_id: Mapped[UUID]
    org_id: Mapped[UUID | None]
    membership_id: Mapped[UUID | None]
    site: Mapped[str]
    csrf_token: Mapped[str]
    address: Mapped[str] = mapped_column(default="")
    user_agent: Mapped[str] = mapped_column(default="")
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    support_id: Mapped[UUID | None]
    verified_at: Mapped[CreatedAt]
    """When the password was given last."""


class SupportSession(DirectoryScoped, Base):
    """Somebody of the partner's staff (`actor_*`) opens a subscriber's portal: asked for, allowed where the
    organization wants to be asked, opened by a ticket, ended. `actor_role` is the role on the console."""

    __tablename__ = "support_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subscriber_id: Mapped[UUID]
    actor_account_id: Mapped[UUID]
    actor_name: Mapped[str]
    actor_role: Mapped[str]
    reason: Mapped[str]
    is_read_only: Mapped[bool]
    asked_at: Mapped[CreatedAt]
    needs_consent: Mapped[bool]
    allowed_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    ticket_hash: Mapped[bytes | None]
    ticket_expires_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class AuditEntry(PartnerScoped, Base):
    """One line of the append-only audit trail. `actor_*` did it, `subject_*` is whose portal it touched."""

    __tablename__ = "audit_entry"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    org_id: Mapped[UUID | None]
    at: Mapped[CreatedAt]
    actor_account_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(default="")
    subject_subscriber_id: Mapped[UUID | None]
    action: Mapped[str]
    target: Mapped[str] = mapped_column(default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    address: Mapped[str] = mapped_column(default="")


class PlatformSetting(Base):
    """A preference's value for the whole platform."""

    __tablename__ = "platform_setting"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    locked: Mapped[bool] = mapped_column(default=False)


class PartnerSetting(PartnerScoped, Base):
    """A preference's value for a partner. `value` is any JSON value."""

    __tablename__ = "partner_setting"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    locked: Mapped[bool] = mapped_column(default=False)


class OrganizationSetting(OrgScoped, Base):
    """A preference's value for an organization."""

    __tablename__ = "organization_setting"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    locked: Mapped[bool] = mapped_column(default=False)


class SubscriberSetting(OrgScoped, Base):
    """A preference's value for one subscriber."""

    __tablename__ = "subscriber_setting"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
    )

    subscriber_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
