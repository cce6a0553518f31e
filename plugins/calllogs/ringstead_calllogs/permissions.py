"""Rights of the call logs."""

from ringstead.api import Permission, translations

_ = translations("ringstead_calllogs")

READ = Permission(
    name="calllogs:call:read",
    title=_("See one’s own calls"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)
EXPORT = Permission(
    name="calllogs:call:export",
    title=_("Download calls that one may see"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)
ANNOTATE = Permission(
    name="calllogs:call:annotate",
    title=_("Put notes and tags on one’s own calls"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)
REPORT = Permission(
    name="calllogs:report:read",
    title=_("See the organization’s calls in numbers"),
    default_roles=frozenset({"org_admin"}),
)
RETENTION = Permission(
    name="calllogs:retention:read",
    title=_("See how long calls are kept"),
    default_roles=frozenset({"org_admin"}),
)
RETAIN = Permission(
    name="calllogs:retention:change",
    title=_("Decide how long calls are kept"),
    default_roles=frozenset({"org_admin"}),
)
PRIVACY = Permission(
    name="calllogs:privacy:change",
    title=_("Decide whose calls are private, and who is told of looks"),
    default_roles=frozenset({"org_admin"}),
)
PARTNER_REPORT = Permission(
    name="calllogs:partner:read",
    title=_("See the calls of all organizations in numbers"),
    default_roles=frozenset({"partner_admin", "partner_support"}),
)
TEAM = Permission(
    name="calllogs:team:read",
    title=_("See the calls of the teams that one leads"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)
LOCATION = Permission(
    name="calllogs:location:read",
    title=_("See the calls of the locations that one manages"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)
ORGANIZATION = Permission(
    name="calllogs:organization:read",
    title=_("See everybody’s calls"),
    default_roles=frozenset({"org_admin"}),
)
