"""Partners of any kind: drawn by Hypothesis, and put into the database row by row."""

from __future__ import annotations

import io
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from PIL import Image
from sqlalchemy.orm import Session

from ringstead.db.base import new_id
from ringstead.plugins.decisions import end_of
from ringstead.tenancy.hours import DAYS
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
from ringstead.theming.brand import FONTS, LOGOS, Brand

ALL_PLUGINS = {"calllogs", "voicemail", "other", "sample"}
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><title>Ours</title>'
    '<g fill="#123456"><path d="M0 0h4v4z"/><circle cx="2" cy="2" r="1" class="l-bg"/></g></svg>'
)


def png(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(out, "PNG")
    return out.getvalue()


NAMES = (
    st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" '\"\\#=[]{}🙂"), min_size=1, max_size=30)
    .map(str.strip)
    .filter(bool)
)  # fmt: skip
SLUGS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
EXTENSIONS = st.from_regex(r"[0-9]{2,6}", fullmatch=True)
ZONES = st.sampled_from(["Europe/Vienna", "America/New_York", "UTC"])
LOCALES = st.sampled_from(["en", "de-AT", "fr"])
REGIONS = st.fixed_dictionaries(
    {"core.time_zone": st.one_of(st.none(), ZONES), "core.locale": st.one_of(st.none(), LOCALES)}
)
PERIODS = st.lists(st.sampled_from(["09:00-12:00", "13:00-17:30", "22:00-06:00", "00:00-24:00"]), max_size=2)
HOURS = st.dictionaries(st.sampled_from(DAYS), PERIODS, max_size=3).map(
    lambda week: [[day, *period.split("-")] for day in DAYS for period in week.get(day, [])]
)
HOLIDAYS = st.dictionaries(st.dates(), st.one_of(st.just(""), NAMES), max_size=3).map(
    lambda days: [[day.isoformat(), name] for day, name in sorted(days.items())]
)
KEPT = st.fixed_dictionaries(
    {
        "core.time_zone": st.one_of(st.none(), ZONES),
        "core.locale": st.one_of(st.none(), LOCALES),
        "core.hours": st.one_of(st.none(), HOURS),
        "core.holidays": st.one_of(st.none(), HOLIDAYS),
    }
)
PACKAGES = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "features": st.lists(st.sampled_from(sorted(ALL_PLUGINS)), unique=True).map(sorted),
            "closed": st.lists(st.sampled_from(["core:data:export", "gone:thing:do"]), unique=True).map(
                sorted
            ),
            "settings": st.dictionaries(
                st.sampled_from(["core.region", "voicemail.quota_mb", "gone.setting"]),
                st.tuples(
                    st.one_of(st.none(), st.integers(0, 9), st.booleans(), NAMES), st.just("admins")
                ).map(list),
                max_size=2,
            ),
            "admins_give": st.booleans(),
        }
    ),
    max_size=3,
    unique_by=lambda package: package["name"].casefold(),
)
STAFF = st.dictionaries(st.integers(0, 4), st.sampled_from(["partner_admin", "partner_support"]), max_size=3)
PLUGINS = st.dictionaries(st.sampled_from(sorted(ALL_PLUGINS)), st.booleans(), max_size=4)
# How many days a trial goes on, or has been over for.
TRIALS = st.one_of(st.none(), st.integers(-3, 3))
SWITCHES = st.dictionaries(st.sampled_from(sorted(ALL_PLUGINS)), st.tuples(st.booleans(), TRIALS), max_size=4)
FOR_ALL = st.dictionaries(
    st.sampled_from(sorted(ALL_PLUGINS)),
    # Allowed, said for all, as a trial, and whether before what organizations said.
    st.tuples(st.booleans(), st.sampled_from([None, True, False]), TRIALS, st.booleans()),
    max_size=4,
)
STATUSES = st.sampled_from(["active", "active", "active", "suspended"])


@st.composite
def brands(draw: st.DrawFn) -> dict[str, Any]:
    """As the database has it: all keys, or only some."""
    values = {
        "name": draw(NAMES),
        "color": draw(st.sampled_from(["#0b6068", "#ffb400", "#3f5573"])),
        "accent": draw(st.sampled_from(["", "#7a2fb8"])),
        "radius": draw(st.integers(0, 16)),
        "font": draw(st.sampled_from(sorted(FONTS))),
        "support_phone": draw(st.sampled_from(["", "+12125550199"])),
        "support_url": draw(st.sampled_from(["", "https://help.example.com/a?b=%22"])),
        "sign_in_text": draw(st.one_of(st.just(""), NAMES)),
        "mail_sender": draw(st.sampled_from(["", "Help <help@example.com>"])),
        "terms_url": draw(st.sampled_from(["", "https://example.com/terms"])),
        "languages": draw(st.lists(st.sampled_from(["en", "de", "fr-CA"]), unique=True)),
    }
    pictures = st.sampled_from([None, SVG.encode(), png()])
    files = {name: picture for name in LOGOS if (picture := draw(pictures)) is not None}
    whole = Brand.from_mapping(values, files=files).to_mapping()
    dropped = draw(st.sets(st.sampled_from(sorted(set(whole) - {"name"}))))
    return {name: value for name, value in whole.items() if name not in dropped}


@st.composite
def people(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": draw(NAMES),
        "extension": draw(EXTENSIONS),
        "has_number": draw(st.booleans()),
        "status": draw(STATUSES),
        "place": draw(st.one_of(st.none(), st.integers(0, 2))),
        "package": draw(st.one_of(st.none(), st.integers(0, 2))),
        # Which of the partner's accounts open this portal, and whether the first has the same name.
        "openers": draw(st.dictionaries(st.integers(0, 4), st.sampled_from(["subscriber", "org_admin"]), max_size=3)),
        "same_name": draw(st.booleans()),
    }  # fmt: skip


@st.composite
def organizations(draw: st.DrawFn) -> dict[str, Any]:
    groups = st.lists(
        st.tuples(SLUGS, NAMES, st.dictionaries(st.integers(0, 5), st.booleans(), max_size=4)),
        max_size=3,
        unique_by=lambda group: group[0],
    )
    places = st.tuples(st.one_of(st.none(), ZONES), st.one_of(st.none(), HOURS))
    return {
        "slug": draw(SLUGS),
        "name": draw(NAMES),
        "status": draw(st.sampled_from(["active", "active", "suspended", "leaving"])),
        "settings": draw(KEPT),
        "limit": draw(st.one_of(st.none(), st.integers(1, 1000))),
        "package": draw(st.one_of(st.none(), st.integers(0, 2))),
        "hosts": draw(st.lists(st.sampled_from(["sip", "portal"]), max_size=3)),
        "features": draw(SWITCHES),
        "people": draw(st.lists(people(), max_size=6, unique_by=lambda person: person["extension"])),
        "teams": draw(groups),
        "locations": draw(groups),
        "places": draw(st.lists(places, min_size=3, max_size=3)),
    }  # fmt: skip


@st.composite
def partners(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": draw(NAMES),
        "brand": draw(brands()),
        "brand_follows": draw(st.booleans()),
        "settings": draw(REGIONS),
        "hosts": ["portal", "console", *draw(st.lists(st.sampled_from(["portal", "console"]), max_size=2))],
        "allowed": draw(FOR_ALL),
        "packages": draw(PACKAGES),
        "accounts": draw(st.lists(st.tuples(NAMES, STATUSES), min_size=5, max_size=5)),
        "staff": draw(STAFF),
        "organizations": draw(st.lists(organizations(), max_size=3, unique_by=lambda one: one["slug"])),
    }  # fmt: skip


def in_days(days: int | None) -> datetime | None:
    """The end of a day of this zone, so many days from now."""
    return None if days is None else end_of(datetime.now(UTC).date() + timedelta(days=days), ZoneInfo("UTC"))


class PartnerMaker:
    """Puts a drawn partner into the database, row by row, by no way of a bundle."""

    def __init__(self, session: Session, drawn: dict[str, Any]) -> None:
        self.session, self.drawn = session, drawn
        self.slug = f"x{secrets.token_hex(5)}"
        self.partner = new_id()
        self.number = secrets.randbelow(10**6)

    def make(self) -> None:
        drawn = self.drawn
        brand = dict(drawn["brand"])
        if drawn["brand_follows"]:
            brand["name"] = drawn["name"]
        self.add(Partner(id=self.partner, slug=self.slug, name=drawn["name"], brand=brand))
        for name, value in drawn["settings"].items():
            if value:
                self.add(PartnerSetting(partner_id=self.partner, name=name, value=value))
        for plugin, (allowed, for_all, trial, is_early) in drawn["allowed"].items():
            self.add(
                PartnerFeature(
                    partner_id=self.partner,
                    plugin=plugin,
                    allowed=allowed,
                    for_all=for_all,
                    until=in_days(trial) if for_all else None,
                    decided_at=in_days(-20 if is_early else -5),
                )
            )
        self.packages = [
            FeaturePackage(partner_id=self.partner, id=new_id(), **values)
            for values in drawn.get("packages", [])
        ]
        self.add(*self.packages)
        self.hosts(drawn["hosts"], None, self.slug)
        self.accounts = [
            Account(
                partner_id=self.partner,
                id=new_id(),
                email=f"a{n}@{self.slug}.example",
                name=name,
                status=status,
                staff_role=drawn["staff"].get(n),
                password_hash="$argon2id$secret",
            )
            for n, (name, status) in enumerate(drawn["accounts"])
        ]
        self.add(*self.accounts)
        for number, one in enumerate(drawn["organizations"]):
            self.organization(one, number)
        self.session.flush()

    def package(self, number: int | None) -> Any:
        """The id of one of the packages, if there are so many."""
        return None if number is None or number >= len(self.packages) else self.packages[number].id

    def add(self, *rows: Any) -> None:
        self.session.add_all(rows)
        self.session.flush()

    def hosts(self, kinds: list[str], org_id: Any, base: str) -> None:
        for n, kind in enumerate(kinds):
            self.add(Host(name=f"{kind}{n}.{base}.test", partner_id=self.partner, org_id=org_id, kind=kind))

    def organization(self, one: dict[str, Any], number: int) -> None:
        org = new_id()
        leaves_at = datetime(2027, 1, 1, tzinfo=UTC) if one["status"] == "leaving" else None
        self.add(
            Organization(
                org_id=org,
                partner_id=self.partner,
                slug=one["slug"],
                name=one["name"],
                status=one["status"],
                leaves_at=leaves_at,
                subscriber_limit=one.get("limit"),
                package_id=self.package(one.get("package")),
            )
        )
        self.add(
            *(
                OrganizationSetting(org_id=org, name=name, value=value)
                for name, value in one["settings"].items()
                if value
            ),
            *(
                OrganizationFeature(
                    org_id=org,
                    plugin=plugin,
                    enabled=on,
                    until=in_days(trial) if on else None,
                    changed_at=in_days(-10),
                )
                for plugin, (on, trial) in one["features"].items()
            ),
        )
        self.hosts(one["hosts"], org, f"o{number}.{self.slug}")
        places = [
            Location(org_id=org, id=new_id(), slug=slug, name=name, time_zone=zone, hours=hours)
            for (slug, name, _), (zone, hours) in zip(one["locations"], one.get("places", []), strict=False)
        ]
        teams = [Team(org_id=org, id=new_id(), slug=slug, name=name) for slug, name, _ in one["teams"]]
        self.add(*places, *teams)
        people = [self.person(org, drawn, places) for drawn in one["people"]]
        for place, (_, _, chosen) in zip(places, one["locations"], strict=True):
            for n in chosen.keys() & range(len(people)):
                self.add(LocationManager(org_id=org, location_id=place.id, subscriber_id=people[n]))
        for team, (_, _, chosen) in zip(teams, one["teams"], strict=True):
            for n in chosen.keys() & range(len(people)):
                self.add(TeamMember(org_id=org, team_id=team.id, subscriber_id=people[n], is_lead=chosen[n]))

    def person(self, org: Any, drawn: dict[str, Any], places: list[Location]) -> Any:
        place = (
            places[drawn["place"]].id if drawn["place"] is not None and drawn["place"] < len(places) else None
        )
        openers = [(self.accounts[n], role) for n, role in sorted(drawn["openers"].items())]
        name = openers[0][0].name if openers and drawn["same_name"] else drawn["name"]
        self.number += 1
        person = Subscriber(
            org_id=org,
            partner_id=self.partner,
            id=new_id(),
            name=name,
            extension=drawn["extension"],
            number=f"+4366{self.number:08}" if drawn["has_number"] else None,
            status=drawn["status"],
            location_id=place,
            package_id=self.package(drawn.get("package")),
        )
        self.add(person)
        for account, role in openers:
            self.add(
                Membership(
                    org_id=org,
                    partner_id=self.partner,
                    id=new_id(),
                    account_id=account.id,
                    subscriber_id=person.id,
                    role=role,
                )
            )
        return person.id
