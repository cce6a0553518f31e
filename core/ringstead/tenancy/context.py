"""The context of a request: which partner, site, organization, subscriber and rights. Views get it as `context`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from ringstead.plugins.registry import FeatureSet
    from ringstead.preferences.cascade import Preferences


@dataclass(frozen=True, slots=True)
class PartnerInfo:
    """The partner of the host. `brand` holds the typed tokens of `ringstead.theming.brand`, as stored."""

    id: UUID
    slug: str
    name: str
    brand: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """What a host name is: a partner's portal or console. `org_id` when the host belongs to one organization."""

    host: str
    kind: Literal["portal", "console", "sip"]
    partner: PartnerInfo
    org_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class OrganizationInfo:
    """The signed-in organization."""

    id: UUID
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class SubscriberInfo:
    """The subscriber whose portal this is. `number` is E.164 or None."""

    id: UUID
    name: str
    extension: str
    number: str | None


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """The person who signed in. `role` is one of `ringstead.api.Role`."""

    id: UUID
    name: str
    email: str
    role: str
    session_id: UUID
    csrf_token: str


@dataclass(frozen=True, slots=True)
class SupportInfo:
    """A support session: somebody of the partner's staff (the context's `account`) is in a subscriber's portal."""

    id: UUID
    actor_role: str
    reason: str
    is_read_only: bool
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class TenantContext:
    """Everything that a view, a template or a plugin may know about who is asking. Immutable.

    `oversees` is whether the subscriber leads a team or manages a location; which ones says `ringstead.api.directory`.
    `support` is there while the partner's staff is in the portal: `account` is then the one who acts, `subscriber` the
    one whose portal it is.
    """

    site: SiteInfo
    preferences: "Preferences"
    features: "FeatureSet"
    account: AccountInfo | None = None
    organization: OrganizationInfo | None = None
    subscriber: SubscriberInfo | None = None
    permissions: frozenset[str] = field(default_factory=frozenset)
    oversees: bool = False
    support: SupportInfo | None = None
    locale: str = "en"
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def partner(self) -> PartnerInfo:
        """The partner of the host."""
        return self.site.partner

    @property
    def person_name(self) -> str:
        """Whose portal it is: who signed in, or in a support session the subscriber. Empty for a visitor."""
        if self.support is not None and self.subscriber is not None:
            return self.subscriber.name
        return self.account.name if self.account else ""

    @property
    def may_hear(self) -> bool:
        """Whether the reader may hear and read what was said: support only where the organization lets it."""
        return self.support is None or bool(self.preferences["core.support_private"])

    @property
    def may_change(self) -> bool:
        """Whether the reader may change anything: not in a support session that only looks."""
        return self.support is None or not self.support.is_read_only

    @property
    def org_id(self) -> UUID:
        """The organization's id; only for pages that a signed-in subscriber or organization admin reaches."""
        if self.organization is None:
            raise LookupError("this request is not inside an organization")
        return self.organization.id

    @property
    def subscriber_id(self) -> UUID:
        """The subscriber's id; only for pages of a signed-in subscriber."""
        if self.subscriber is None:
            raise LookupError("this request has no subscriber")
        return self.subscriber.id

    def can(self, permission: str) -> bool:
        """Whether the reader holds `permission` (a plugin that is off gives nobody its permissions)."""
        return permission in self.permissions
