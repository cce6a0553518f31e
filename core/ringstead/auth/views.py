"""What signing in adds to the portal and to the console: pages, rights and entries of the navigation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ringstead.api import PUBLIC, SIGNED_IN, NavItem, Permission, Route, translations
from ringstead.auth import account, data, reset, sign_in, support, support_views
from ringstead.auth.paths import ACCOUNT, CHOOSE
from ringstead.web.views import leads_to

_ = translations("ringstead")
View = Callable[[Any, Any], Any]


def routes() -> list[Route]:
    """The pages of signing in and of one's own account, alike on both kinds of host."""
    get, post = ("GET",), ("POST",)
    to_account = leads_to(ACCOUNT)
    return [
        *_both("sign_in", "/sign-in", sign_in.sign_in_page, PUBLIC, get, "core/signin.pt"),
        *_both("sign_in.submit", "/sign-in", sign_in.submit_sign_in, PUBLIC, post, "core/signin.pt"),
        *_both("sign_out", "/sign-out", sign_in.sign_out, PUBLIC, post),
        *_both("sign_out.page", "/sign-out", leads_to("/"), PUBLIC, get),
        *support_views.routes(),
        _route("choose", CHOOSE, sign_in.choose_page, PUBLIC, get, "core/choose.pt"),
        _route("choose.submit", CHOOSE, sign_in.submit_choice, PUBLIC, post, "core/choose.pt"),
        *_both("forgot", "/forgot", reset.forgot_page, PUBLIC, get, "core/forgot.pt"),
        *_both("forgot.submit", "/forgot", reset.submit_forgot, PUBLIC, post, "core/forgot.pt"),
        *_both("reset", "/reset/{token}", reset.reset_page, PUBLIC, get, "core/reset.pt"),
        *_both("reset.submit", "/reset/{token}", reset.submit_reset, PUBLIC, post, "core/reset.pt"),
        *_both("account", "/account", account.account_page, SIGNED_IN, get, "core/account.pt"),
        *_both(
            "account.password",
            "/account/password",
            account.change_password,
            SIGNED_IN,
            post,
            "core/account.pt",
        ),
        replace(
            _route("account.data", "/account/data", data.download_data, data.EXPORT.name, post),
            support="closed",
        ),
        _route("account.data.page", "/account/data", to_account, PUBLIC, get),
        *_both("account.password.page", "/account/password", to_account, PUBLIC, get),
        *_both("account.sign_out.page", "/account/sessions/{id}/sign-out", to_account, PUBLIC, get),
        *_both("account.sign_out_everywhere.page", "/account/sign-out-everywhere", to_account, PUBLIC, get),
        *_both("account.sign_out", "/account/sessions/{id}/sign-out", account.end_session, SIGNED_IN, post),
        *_both(
            "account.sign_out_everywhere",
            "/account/sign-out-everywhere",
            account.sign_out_everywhere,
            SIGNED_IN,
            post,
        ),
    ]


def permissions() -> list[Permission]:
    """Everybody may sign in, and everybody who did may look after his account; a subscriber may have their data."""
    return [data.EXPORT, support.OPEN, support.RULES]


def navigation() -> list[NavItem]:
    """One's own account, on both kinds of host."""
    return [
        *support_views.navigation(),
        _account_entry("core.account", "core.account", "portal"),
        _account_entry("core.console.account", "core.console.account", "console"),
    ]


def _account_entry(name: str, route: str, site: Any) -> NavItem:
    return NavItem(
        id=name,
        title=_("Sign-in and security"),
        route=route,
        permission=SIGNED_IN,
        icon="shield-check",
        section="account",
        order=900,
        site=site,
    )


def _route(
    name: str,
    pattern: str,
    view: View,
    permission: str,
    methods: tuple[str, ...],
    renderer: str | None = None,
) -> Route:
    return Route(
        name=f"core.{name}",
        pattern=pattern,
        view=view,
        permission=permission,
        methods=methods,
        renderer=renderer,
    )


def _both(
    name: str,
    pattern: str,
    view: View,
    permission: str,
    methods: tuple[str, ...],
    renderer: str | None = None,
) -> list[Route]:
    on_portal = _route(name, pattern, view, permission, methods, renderer)
    if name.startswith("account"):
        on_portal = replace(on_portal, support="closed")
    return [on_portal, replace(on_portal, name=f"core.console.{name}", site="console")]
