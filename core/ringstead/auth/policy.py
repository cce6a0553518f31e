"""Who somebody is and what he may do. What is not granted by name is denied."""

from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request
from pyramid.security import Allowed, Denied
from zope.interface import implementer

from ringstead.api.contributions import PUBLIC
from ringstead.auth.paths import SIGN_IN
from ringstead.tenancy.context import AccountInfo


@implementer(ISecurityPolicy)
class SecurityPolicy:
    """Identity and permissions come from the tenant context, which the session's first round trip made."""

    def identity(self, request: Request) -> AccountInfo | None:
        """The person who signed in."""
        if request.site is None:
            return None
        account: AccountInfo | None = request.tenant.account
        return account

    def authenticated_userid(self, request: Request) -> str | None:
        """The account's id."""
        account = self.identity(request)
        return None if account is None else str(account.id)

    def permits(self, request: Request, context: Any, permission: str) -> Allowed | Denied:
        """Whether the reader holds `permission` by name."""
        if request.site is None:
            return Denied("this host serves no pages")
        if permission != PUBLIC and is_suspended(request):
            # Not a denial: the page that says what is the matter is the one that would let him in again.
            raise HTTPSeeOther(SIGN_IN)
        if request.tenant.can(permission):
            return Allowed("granted by role")
        return Denied("nobody granted %r", permission)

    def remember(self, request: Request, userid: str, **kw: Any) -> list[tuple[str, str]]:
        """No headers: `ringstead.auth.sessions` opens sessions."""
        return []

    def forget(self, request: Request, **kw: Any) -> list[tuple[str, str]]:
        """No headers: `ringstead.auth.sessions` ends sessions."""
        return []


def is_suspended(request: Request) -> bool:
    """Whether somebody is signed in whose organization was suspended meanwhile, or is leaving."""
    row = request.db.signed_in
    return row is not None and row.org_status not in (None, "active")


def declared_permission(view: Any, info: Any) -> Any:
    """View deriver that changes nothing: it refuses, at start, a view that names no permission."""
    if info.options.get("permission") is None and not info.exception_only:
        raise ConfigurationError(
            f"the view {info.original_view!r} names no permission; give it one, or PUBLIC "
            "(NO_PERMISSION_REQUIRED where there is no partner)"
        )
    return view


declared_permission.options = ("permission",)  # type: ignore[attr-defined]  # Pyramid reads this attribute


def add_declared_permissions(config: Configurator) -> None:
    """Deny by default: no view without a permission."""
    config.add_view_deriver(declared_permission, under="secured_view", name="declared_permission")
