"""A partner as data: what `partner.toml` may hold. A part that is added here is read, checked and
written by its fields; `bundle_plan` says how it is applied, `bundle_export` from where it is taken."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

from ringstead.tenancy import bundle_settings, fields
from ringstead.tenancy.bundle_source import Key
from ringstead.tenancy.hours import MOST_HOLIDAYS

Slug = Annotated[str, AfterValidator(fields.slug)]
Name = Annotated[str, AfterValidator(fields.display_name)]
Email = Annotated[str, AfterValidator(fields.email)]
Extension = Annotated[str, AfterValidator(fields.extension)]
HostName = Annotated[str, AfterValidator(fields.host)]
Zone = Annotated[str, AfterValidator(fields.time_zone)]
LocaleName = Annotated[str, AfterValidator(fields.locale)]
Day = Annotated[str, AfterValidator(bundle_settings.day)]
HolidayName = Annotated[str, AfterValidator(bundle_settings.holiday_name)]
Holidays = Annotated[dict[Day, HolidayName], Field(max_length=MOST_HOLIDAYS)]
_day = AfterValidator(bundle_settings.opening_hours)
PluginName = Annotated[str, AfterValidator(fields.plugin_name)]


def _word(value: object) -> object:
    if type(value) in (bool, date):
        return value
    raise ValueError("must be true, false or the last day of a trial, such as 2026-12-31, without quotes")


def _partners_word(value: object) -> object:
    if type(value) in (bool, date) or value in ("on", "off"):
        return value
    raise ValueError(
        'must be true, false, "on", "off" or, without quotes, the last day of a trial, such as 2026-12-31'
    )


Features = dict[PluginName, Annotated[bool | date, PlainValidator(_word)]]
PartnerFeatures = dict[
    PluginName, Annotated[bool | date | Literal["on", "off"], PlainValidator(_partners_word)]
]


class Part(BaseModel):
    """A table of the file: immutable, and unknown keys are errors. Strict: `1` is not `true`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PartnerPart(Part):
    """`[partner]`. Locale and zone hold where an organization and a subscriber say nothing else."""

    slug: Slug
    name: Name
    locale: LocaleName | None = None
    time_zone: Zone | None = None


class HostsPart(Part):
    """`[hosts]`: where the partner's portal and console are."""

    portal: list[HostName]
    console: list[HostName]


class StaffPart(Part):
    """`[[staff]]`: somebody of the partner who signs in to the console."""

    name: Name
    email: Email
    role: Literal["partner_admin", "partner_support"]
    suspended: bool | None = None


class MemberPart(Part):
    """One of `accounts` of a subscriber: somebody who opens this portal."""

    name: Name
    email: Email
    role: Literal["subscriber", "org_admin"] = "subscriber"
    suspended: bool | None = None


class SubscriberPart(Part):
    """One of `subscribers`: known by its extension. With an e-mail address, somebody can sign in.

    `email` and `role` are short for one account that has the subscriber's name.
    """

    extension: Extension
    name: Name
    number: Annotated[str, AfterValidator(fields.number)] | None = None
    email: Email | None = None
    role: Literal["subscriber", "org_admin"] = "subscriber"
    location: Slug | None = None
    package: Name | None = None
    suspended: bool | None = None
    accounts: list[MemberPart] = []

    @property
    def members(self) -> list[tuple[MemberPart, Key]]:
        """Whoever opens this portal, with the key below which that is said."""
        if self.email is not None:
            return [(MemberPart(name=self.name, email=self.email, role=self.role), ())]
        return [(member, ("accounts", i)) for i, member in enumerate(self.accounts)]


class TeamPart(Part):
    """One of `teams`: known by its slug. Leads are members too."""

    slug: Slug
    name: Name
    leads: list[Extension] = []
    members: list[Extension] = []


class HoursPart(Part):
    """`hours`: a text for each day that is not closed, such as `9-12, 13:00-17:30`."""

    mon: Annotated[str, _day] | None = None
    tue: Annotated[str, _day] | None = None
    wed: Annotated[str, _day] | None = None
    thu: Annotated[str, _day] | None = None
    fri: Annotated[str, _day] | None = None
    sat: Annotated[str, _day] | None = None
    sun: Annotated[str, _day] | None = None


class LocationPart(Part):
    """One of `locations`: known by its slug. Who is there is said by the subscribers."""

    slug: Slug
    name: Name
    time_zone: Zone | None = None
    hours: HoursPart | None = None
    managers: list[Extension] = []


class OrganizationHosts(Part):
    """`[organizations.hosts]`: the SIP domain, and portal hosts of the organization's own, if it has any."""

    sip: list[HostName] = []
    portal: list[HostName] = []


class OrganizationPart(Part):
    """`[[organizations]]`: known by its slug."""

    slug: Slug
    name: Name
    locale: LocaleName | None = None
    time_zone: Zone | None = None
    suspended: bool | None = None
    package: Name | None = None
    subscriber_limit: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    hours: HoursPart | None = None
    holidays: Holidays | None = None
    hosts: OrganizationHosts = OrganizationHosts()
    features: Features = {}
    locations: list[LocationPart] = []
    teams: list[TeamPart] = []
    subscribers: list[SubscriberPart] = []


class DemoPart(Part):
    """`[demo]`: heeded by `ringstead demo` alone. The password of every account of the bundle."""

    password: str = Field(min_length=12, max_length=128)


class PackageSettingPart(Part):
    """What a package says of a preference: a value, and who may change it for a subscriber."""

    value: bool | int | str | None = None
    who: Literal["everybody", "admins", "partner"] = "everybody"


class PackagePart(Part):
    """One of `packages`: known by its name. Keys that are left out stay as they are."""

    name: Name
    features: list[PluginName] | None = None
    without: list[str] | None = None
    settings: dict[str, PackageSettingPart] | None = None
    admins_give: bool | None = None


class BundlePart(Part):
    """The whole file."""

    partner: PartnerPart
    brand: dict[str, Any] = {}
    hosts: HostsPart
    features: PartnerFeatures = {}
    staff: list[StaffPart] = []
    packages: list[PackagePart] = []
    organizations: list[OrganizationPart] = []
    demo: DemoPart | None = None
