"""What becomes of calls while an organization is suspended: the partner's decision, which switches follow."""

from typing import Final

from sqlalchemy import select

from ringstead.db.session import TenantSession
from ringstead.tenancy.models import Organization, OrganizationSetting

SUSPENDED_CALLS: Final = "core.suspended_calls"


def policies() -> tuple[str, ...]:
    """`all`: calls go on as before. `incoming`: people are reached, and call nobody. `none`: neither. Emergency calls
    are never stopped, whatever is chosen."""
    return ("all", "incoming", "none")


def call_policy(session: TenantSession) -> str:
    """Which calls the session's organization may have now: one of `policies()`; `all` unless it is suspended."""
    status = session.scalar(select(Organization.status).where(Organization.org_id == session.org_id))
    if status == "active":
        return "all"
    wanted = select(OrganizationSetting.value).where(OrganizationSetting.name == SUSPENDED_CALLS)
    chosen = session.scalar(wanted)
    return chosen if chosen in policies() else "all"
