"""Who may do what with the partner's organizations."""

from typing import Final

from ringstead.api import Permission, translations

_ = translations("ringstead")
MANAGE: Final = Permission(
    name="core:organization:manage",
    title=_("Change an organization’s hours, locations and name"),
    default_roles=frozenset({"partner_admin", "org_admin"}),
)
CREATE: Final = Permission(
    name="core:organization:create",
    title=_("Create, suspend and remove organizations, and give them numbers"),
    default_roles=frozenset({"partner_admin"}),
)


def permissions() -> list[Permission]:
    """All of them."""
    return [MANAGE, CREATE]
