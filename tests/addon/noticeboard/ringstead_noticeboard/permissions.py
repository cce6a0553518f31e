"""Who may read and who may write on the board."""

from ringstead.api import Permission, translations

_ = translations("ringstead_noticeboard")

READ = Permission(
    name="noticeboard:notice:read",
    title=_("Read the notice board"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)
WRITE = Permission(
    name="noticeboard:notice:write",
    title=_("Write on the notice board"),
    default_roles=frozenset({"org_admin"}),
)
