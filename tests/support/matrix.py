"""The isolation matrix: for every route, what each role gets, for its own things and for others'.

A route without a row fails the build. Columns are HTTP statuses. On a portal, partner staff are visitors (their sign-in
is for the console), and the other way round.
"""

from dataclasses import dataclass, field

ROLES = ("visitor", "subscriber", "org_admin", "partner_support", "partner_admin")
TO_SIGN_IN = 303


@dataclass(frozen=True)
class Expected:
    """Statuses by role. `path` may hold `{org}`, `{call}`, … of the one whose thing is asked for.

    `foreign` is the answer about another organization's or partner's thing, to every role that gets in at all;
    None when the address names nothing. `form` is what a POST carries.
    """

    path: str
    visitor: int
    subscriber: int | None = None
    org_admin: int | None = None
    partner_support: int | None = None
    partner_admin: int | None = None
    foreign: int | None = None
    form: dict[str, str] = field(default_factory=dict)

    @property
    def site(self) -> str:
        """The kind of host that the route is on."""
        return "portal" if self.partner_admin is None else "console"

    @property
    def is_partners(self) -> bool:
        """Whether the request names something of the whole partner, such as one of its organizations."""
        named = (self.path, *self.form.values())
        return any(kind in text for kind in ("{org}", "{package}") for text in named)

    def lets_in(self, role: str) -> bool:
        """Whether `role` can be signed in on this route's kind of host."""
        return getattr(self, role, None) is not None and role != "visitor"

    def status(self, role: str) -> int:
        """The status that `role` gets for its own thing; roles that are not named are visitors here."""
        status = getattr(self, role)
        return self.visitor if status is None else int(status)


def portal(
    path: str, member: int, visitor: int = TO_SIGN_IN, foreign: int | None = None, **form: str
) -> Expected:
    """A portal page that subscribers and organization admins see alike."""
    return Expected(path, visitor, subscriber=member, org_admin=member, foreign=foreign, form=form)


def console(
    path: str, support: int, admin: int, visitor: int = TO_SIGN_IN, foreign: int | None = None, **form: str
) -> Expected:
    """A console page."""
    return Expected(path, visitor, partner_support=support, partner_admin=admin, foreign=foreign, form=form)


def both(
    name: str, path: str, signed_in: int, visitor: int, foreign: int | None = None, **form: str
) -> dict[str, Expected]:
    """A page that both kinds of site have."""
    return {
        f"core.{name}": portal(path, signed_in, visitor, foreign, **form),
        f"core.console.{name}": console(path, signed_in, signed_in, visitor, foreign, **form),
    }


def looked_after(
    below: str, admin: int, support: int, path: str = "", page: str = "subscribers", **form: str
) -> dict[str, Expected]:
    """A page of an organization, which a partner's console has for each, and a portal for its own admins."""
    under = (f"/{page}" if page else "") + path
    name = f"{page}{below}" if page else below.removeprefix(".")
    portal_page = Expected(
        f"/organization{under}",
        TO_SIGN_IN,
        subscriber=403,
        org_admin=admin,
        foreign=404 if "{" in path else None,
        form=form,
    )
    return {
        f"core.console.{name}": console(
            f"/organizations/{{org}}{under}", support, admin, foreign=404, **form
        ),
        f"core.{name}": portal_page,
    }


def partner_admins(below: str, path: str, status: int = 200, **form: str) -> dict[str, Expected]:
    """A console page that only partner admins have."""
    foreign = 404 if "{org}" in path else None
    return {f"core.console.organizations.{below}": console(path, 403, status, foreign=foreign, **form)}


CORE = {
    **looked_after("", 200, 200),
    **looked_after(".new", 200, 403, path="/new"),
    **looked_after(".create", 422, 403, path="/new", name="Sam New", extension="nonsense"),
    **looked_after(".import", 200, 403, path="/import"),
    **looked_after(".import.read", 422, 403, path="/import"),
    **looked_after(".import.result", 200, 403, path="/import/{import}"),
    **looked_after(".import.act", 303, 403, path="/import/{import}", do="undo"),
    **looked_after(".profile", 200, 200, path="/{subscriber}"),
    **looked_after(".act", 303, 303, path="/{subscriber}", do="invite"),
    **looked_after(".settings", 200, 403, path="/{subscriber}/settings"),
    **looked_after(
        ".settings.change", 422, 403, path="/{subscriber}/settings", **{"value-core.time_zone": "nowhere"}
    ),
    **looked_after(".edit", 200, 403, path="/{subscriber}/edit"),
    **looked_after(".change", 422, 403, path="/{subscriber}/edit", name=""),
    **looked_after(".hand_over", 200, 403, path="/{subscriber}/hand-over"),
    **looked_after(".hand_over.do", 422, 403, path="/{subscriber}/hand-over", to=""),
    "core.console.find": console("/subscribers?q=sam", 200, 200),
    "core.console.portal": console(
        "/organizations/{org}/subscribers/{subscriber}/portal", 200, 200, foreign=404, reason="Ticket 4821"
    ),
    "core.console.portal_page": console("/organizations/{org}/subscribers/{subscriber}/portal", 303, 303),
    "core.support.ticket": portal("/support/none", 410, visitor=410),
    "core.support.enter": portal("/support/none", 410, visitor=410),
    "core.support.end": portal("/support/end", 404),
    "core.support.end_page": portal("/support/end", 303, visitor=303),
    "core.support.mine": portal("/account/support", 200),
    "core.support.answer": portal("/account/support/{wish}", 303, foreign=404, do="refuse"),
    "core.support.answer_page": portal("/account/support/none", 303, visitor=303),
    "core.support.rules": Expected("/organization/support", TO_SIGN_IN, subscriber=403, org_admin=200),
    "core.support.change_rules": Expected("/organization/support", TO_SIGN_IN, subscriber=403, org_admin=303),
    "core.audit": Expected("/audit", TO_SIGN_IN, subscriber=403, org_admin=200),
    "core.audit_file": Expected("/audit.csv", TO_SIGN_IN, subscriber=403, org_admin=200),
    "core.console.audit": console("/audit", 200, 200),
    "core.console.audit_file": console("/audit.csv", 200, 200),
    **both("account.activity", "/account/activity", 200, TO_SIGN_IN),
    **both("account.activity_file", "/account/activity.csv", 200, TO_SIGN_IN),
    "core.home": portal("/", 200),
    "core.arrange": portal("/home/arrange", 200),
    "core.arrange_change": portal("/home/arrange", 303, do="hide", card="calllogs.recent"),
    "core.call": portal("/call", 303, number="+12125550100"),
    "core.search": portal("/search?q=sam", 200),
    "core.counts": portal("/counts", 200),
    "core.more": portal("/more", 200),
    "core.more_console": console("/more", 200, 200),
    "core.theme": portal("/theme", 303, visitor=303, theme="dark"),
    "core.theme_console": console("/theme", 303, 303, visitor=303, theme="dark"),
    "core.theme_page": portal("/theme", 303, visitor=303),
    "core.theme_page_console": console("/theme", 303, 303, visitor=303),
    "core.language_page": portal("/language", 303, visitor=303),
    "core.language_page_console": console("/language", 303, 303, visitor=303),
    "core.prefer_language": portal("/language", 303, locale="en"),
    "core.prefer_language_console": console("/language", 303, 303, locale="en"),
    "core.language": portal("/language/en", 303, visitor=303),
    "core.language_console": console("/language/en", 303, 303, visitor=303),
    "core.choose": portal("/choose", 200),
    "core.choose.submit": portal("/choose", 422, membership="nonsense"),
    "core.console.home": console("/", 200, 200),
    "core.console.organizations": console("/organizations", 200, 200),
    **partner_admins("new", "/organizations/new"),
    **partner_admins("create", "/organizations/new", status=422, name=""),
    **partner_admins("care", "/organizations/{org}/settings"),
    **partner_admins("care.change", "/organizations/{org}/settings", status=422, do="save", name=""),
    **partner_admins("templates", "/templates"),
    **partner_admins("templates.remove", "/templates", status=404, remove="nonsense"),
    **partner_admins("numbers", "/organizations/{org}/numbers"),
    **partner_admins("numbers.change", "/organizations/{org}/numbers", status=422, kind="did"),
    **partner_admins("removal", "/organizations/{org}/removal"),
    **partner_admins("removal.act", "/organizations/{org}/removal", status=422, do="leave", sure="no"),
    **partner_admins("removal.file", "/organizations/{org}/removal/export.zip", status=404),
    **looked_after(".hours", 200, 403, path="/hours", page=""),
    **looked_after(".hours.change", 422, 403, path="/hours", page="", time_zone="nowhere"),
    **looked_after(".hours.new", 200, 403, path="/locations/new", page=""),
    **looked_after(".hours.create", 422, 403, path="/locations/new", page=""),
    **looked_after(".hours.location", 200, 403, path="/locations/{location}", page=""),
    **looked_after(".hours.save", 422, 403, path="/locations/{location}", page=""),
    "core.console.brand": console("/branding", 403, 200),
    "core.console.brand.change": console("/branding", 403, 422, do="save", name=""),
    "core.console.brand.draft": console(
        "/branding/draft.css?color=%230b6068&accent=%23e2562d&radius=9&font=inter", 403, 200
    ),
    "core.console.addresses": console("/addresses", 403, 200),
    "core.console.addresses.change": console("/addresses", 403, 422, do="add", name=""),
    "core.console.organization": console("/organizations/{org}", 200, 200, foreign=404),
    # It leads to the page of whatever it names, and that page answers.
    "core.console.switch_page": console("/organizations/{org}/features", 303, 303, foreign=303),
    "core.console.switch": console(
        "/organizations/{org}/features", 403, 303, foreign=404, plugin="calllogs", enabled="on"
    ),
    "core.console.features": console("/features", 200, 200),
    "core.console.features.one": console("/features/of/calllogs", 200, 200),
    "core.console.features.one.change": console("/features/of/calllogs", 403, 400, do="nonsense"),
    "core.console.features.table": console("/features/organizations", 200, 200),
    "core.console.features.table.change": console(
        "/features/organizations", 403, 303, foreign=404, on="{org}/calllogs"
    ),
    "core.console.features.packages": console("/packages", 200, 200),
    "core.console.features.packages.new": console("/packages/new", 403, 200),
    "core.console.features.packages.create": console("/packages/new", 403, 422, do="save", name=""),
    "core.console.features.packages.one": console("/packages/{package}", 403, 200, foreign=404),
    "core.console.features.packages.change": console(
        "/packages/{package}", 403, 422, foreign=404, do="save", name=""
    ),
    **both("sign_in", "/sign-in", 303, visitor=200),
    **both("sign_in.submit", "/sign-in", 422, visitor=422, email="", password=""),
    **both("forgot", "/forgot", 200, visitor=200),
    **both("forgot.submit", "/forgot", 422, visitor=422, email=""),
    **both("reset", "/reset/nonsense", 404, visitor=404),
    **both("reset.submit", "/reset/nonsense", 404, visitor=404),
    **both("account", "/account", 200, visitor=TO_SIGN_IN),
    **both("account.password", "/account/password", 422, visitor=TO_SIGN_IN, current=""),
    "core.account.data": portal("/account/data", 200),
    "core.account.data.page": portal("/account/data", 303, visitor=303),
    **both("account.password.page", "/account/password", 303, visitor=303),
    **both("account.sign_out.page", "/account/sessions/{session}/sign-out", 303, visitor=303),
    **both("account.sign_out_everywhere.page", "/account/sign-out-everywhere", 303, visitor=303),
    **both("sign_out.page", "/sign-out", 303, visitor=303),
    **both("account.sign_out", "/account/sessions/{session}/sign-out", 303, visitor=TO_SIGN_IN, foreign=404),
    **both("account.sign_out_everywhere", "/account/sign-out-everywhere", 303, visitor=TO_SIGN_IN),
    **both("sign_out", "/sign-out", 303, visitor=303),
}


def of_others(kind: str, subscriber: int = 200, foreign: int | None = None) -> dict[str, Expected]:
    """The pages of one kind of scope: `{group}` is a team that everybody here leads, a location that they manage."""
    base = f"/calls/of/{kind}" + ("" if foreign is None else "/{group}")
    paths = {"list": "", "new": "/new?shown=0"}
    paths |= {f"download_{file}": f"/calls.{file}" for file in ("csv", "xlsx", "pdf")}
    if foreign is not None:
        paths |= {"report": "/report", "report_file": "/report.csv"}
    pages = {
        f"calllogs.{kind}_{name}": Expected(
            base + path, TO_SIGN_IN, subscriber=subscriber, org_admin=200, foreign=foreign
        )
        for name, path in paths.items()
    }
    call = Expected(f"{base}/{{call}}", TO_SIGN_IN, subscriber=subscriber, org_admin=200, foreign=404)
    return pages | {f"calllogs.{kind}_call": call}


CALLLOGS = {
    "calllogs.list": portal("/calls", 200),
    "calllogs.chart": portal("/calls/chart", 200),
    "calllogs.report": Expected("/calls/report", TO_SIGN_IN, subscriber=403, org_admin=200),
    "calllogs.report_file": Expected("/calls/report.csv", TO_SIGN_IN, subscriber=403, org_admin=200),
    "calllogs.retention": Expected("/calls/retention", TO_SIGN_IN, subscriber=403, org_admin=200),
    "calllogs.retention.change": Expected(
        "/calls/retention", TO_SIGN_IN, subscriber=403, org_admin=303, form={"keep_days": "0"}
    ),
    "calllogs.privacy": Expected("/calls/privacy", TO_SIGN_IN, subscriber=403, org_admin=200),
    "calllogs.privacy.change": Expected(
        "/calls/privacy", TO_SIGN_IN, subscriber=403, org_admin=303, form={"looks_visible": "on"}
    ),
    "calllogs.partner": console("/calls", 200, 200),
    "calllogs.partner.file": console("/calls.csv", 200, 200),
    "calllogs.new": portal("/calls/new?shown=0", 200),
    "calllogs.call": portal("/calls/{call}", 200, foreign=404),
    "calllogs.annotate": portal("/calls/{call}", 303, foreign=404, note="Ring back", tags="vip"),
    "calllogs.download_csv": portal("/calls.csv", 200),
    "calllogs.download_xlsx": portal("/calls.xlsx", 200),
    "calllogs.download_pdf": portal("/calls.pdf", 200),
    "calllogs.files": portal("/calls/downloads", 200),
    "calllogs.offer_file": portal("/calls/downloads/new?file=csv", 200),
    "calllogs.begin_file": portal("/calls/downloads", 303, file="csv"),
    "calllogs.file": portal("/calls/downloads/{file}", 200, foreign=404),
    "calllogs.remove_file": portal("/calls/downloads/{file}", 303, foreign=404),
    "calllogs.looks": portal("/calls/looks", 200),
    **of_others("team", foreign=404),
    **of_others("location", foreign=404),
    **of_others("organization", subscriber=403),
}

MESSAGE = "/voicemail/messages/{message}"
GREETING = "/voicemail/greetings/{greeting}"
VOICEMAIL = {
    "voicemail.list": portal("/voicemail", 200),
    "voicemail.message": portal(MESSAGE, 200, foreign=404),
    "voicemail.act": portal("/voicemail/messages", 303, foreign=404, id="{message}", do="heard"),
    "voicemail.zip": portal("/voicemail/messages.zip?id={message}", 200, foreign=404),
    "voicemail.audio": portal(f"{MESSAGE}/audio", 200, foreign=404),
    "voicemail.download": portal(f"{MESSAGE}/download", 200, foreign=404),
    "voicemail.forward": portal(f"{MESSAGE}/forward", 200, foreign=404),
    "voicemail.forward.send": portal(f"{MESSAGE}/forward", 422, foreign=404, extension=""),
    "voicemail.links.revoke": portal(f"{MESSAGE}/links", 303, foreign=404),
    # What the token names, and nothing else: tests of the plugin follow a link to other partners.
    "voicemail.link": portal("/voicemail/link/nonsense", 404, visitor=404),
    "voicemail.link.act": portal("/voicemail/link/nonsense", 404, visitor=404, do="heard"),
    "voicemail.link.audio": portal("/voicemail/link/nonsense/audio", 404, visitor=404),
    "voicemail.confirm": portal("/voicemail/confirm/nonsense", 200, visitor=200),
    "voicemail.confirm.do": portal("/voicemail/confirm/nonsense", 200, visitor=200),
    "voicemail.settings": portal("/voicemail/settings", 200),
    "voicemail.settings.change": portal("/voicemail/settings", 303, do="lamp"),
    "voicemail.pin": portal("/voicemail/pin", 200),
    "voicemail.pin.change": portal("/voicemail/pin", 422, pin="1"),
    "voicemail.greetings": portal("/voicemail/greetings", 200),
    "voicemail.greetings.add": portal("/voicemail/greetings", 422),
    "voicemail.greetings.change": portal(GREETING, 303, foreign=404, do="stop"),
    "voicemail.greetings.sound": portal(f"{GREETING}/audio", 200, foreign=404),
    "voicemail.organization": Expected("/voicemail/organization", TO_SIGN_IN, subscriber=403, org_admin=200),
    "voicemail.organization.change": Expected(
        "/voicemail/organization", TO_SIGN_IN, subscriber=403, org_admin=422, form={"do": "clear_pin"}
    ),
}

MATRIX: dict[str, Expected] = CORE | CALLLOGS | VOICEMAIL

# Served to everybody, and knowing no tenant's rows: files, brand, health, the start page of platform hosts, the switch
# interface (its nodes have keys).
WITHOUT_TENANT = {"static", "brand", "manifest", "favicon", "robots", "healthz", "platform.start", "switch"}
# Mail of the demo, on platform hosts and only there; elsewhere 404.
WITHOUT_TENANT |= {"demo_mail.list", "demo_mail.mail", "demo_mail.html", "demo_mail.file"}
