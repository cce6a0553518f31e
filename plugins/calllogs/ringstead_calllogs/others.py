"""The routes of others' calls: the same pages for each kind of scope, each behind that kind's permission."""

from collections.abc import Callable
from typing import Any, Final

from ringstead.api import Route
from ringstead_calllogs import download_views, orders, other_views, report_views
from ringstead_calllogs.scopes import PERMISSIONS

_REPORT: Final = (
    ("report", "/report", report_views.show_report, "calllogs/report.pt"),
    ("report_file", "/report.csv", report_views.download_report, None),
)
_PAGES: Final[tuple[tuple[str, str, Callable[..., Any], str | None], ...]] = (
    ("list", "", other_views.list_others, "calllogs/list.pt"),
    ("new", "/new", other_views.new_others, "calllogs/new.pt"),
    *((f"download_{kind}", f"/calls.{kind}", download_views.download_others, None) for kind in orders.KINDS),
)
# After the others, as their last words would be ids too.
_CALL: Final = ("call", "/{id}", other_views.show_others_call, "calllogs/call.pt")


def routes() -> list[Route]:
    """The pages below `/calls/of/KIND`; the organization's report has an address of its own."""
    made = []
    for kind, permission in PERMISSIONS.items():
        is_group = kind != "organization"
        base = f"/calls/of/{kind}" + ("/{slug}" if is_group else "")
        for name, path, view, renderer in (*_PAGES, *(_REPORT if is_group else ()), _CALL):
            made.append(
                Route(
                    name=f"calllogs.{kind}_{name}",
                    pattern=base + path,
                    view=view,
                    permission=permission,
                    renderer=renderer,
                )
            )
    return made
