"""How long an organization keeps its calls: the rule, the legal hold, and what the latest nights removed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request

from ringstead.api import TenantContext, translations
from ringstead.api.audit import declare_action, record
from ringstead.api.preferences import SettingRefused
from ringstead_calllogs.choices import fixed_fields, store_choices
from ringstead_calllogs.keeping import KEEP_DAYS, LEAST_DAYS, LEGAL_HOLD, MOST_DAYS, rule_of
from ringstead_calllogs.permissions import RETAIN
from ringstead_calllogs.retention import HELD, count_waiting, latest_runs

_ = translations("ringstead_calllogs")
CHANGED: Final = declare_action("calllogs.retention.changed", _("Changed how long calls are kept"))
PAGE: Final = "/calls/retention"
FIELDS: Final = {"keep_days": KEEP_DAYS, "legal_hold": LEGAL_HOLD}


@dataclass(frozen=True, slots=True)
class RetentionForm:
    """What was typed, what it means, and what is wrong with it by field."""

    texts: Mapping[str, str]
    days: int = 0
    is_held: bool = False
    errors: Mapping[str, Any] = field(default_factory=dict)


def read_form(values: Mapping[str, str]) -> RetentionForm:
    """Understand the form: `keep_days`, a number (0 or nothing: for ever), and `legal_hold`."""
    text, is_held = values.get("keep_days", "").strip(), values.get("legal_hold") == "on"
    texts = {"keep_days": text, "legal_hold": "on" if is_held else ""}
    days = int(text or 0) if len(text) <= 4 and ((text.isascii() and text.isdigit()) or not text) else -1
    if days != 0 and not LEAST_DAYS <= days <= MOST_DAYS:
        wanted = {"least": LEAST_DAYS, "most": MOST_DAYS}
        wrong = _(
            "Days: type a number from ${least} to ${most}, or 0 to keep calls for ever.", mapping=wanted
        )
        return RetentionForm(texts, errors={"keep_days": wrong})
    return RetentionForm(texts, days, is_held)


def show_retention(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/retention`: the rule, what goes by it in the coming night, and the latest runs."""
    rule = rule_of(context.preferences)
    held = "on" if rule.is_held else ""
    return _page(context, request, RetentionForm({"keep_days": str(rule.days or 0), "legal_hold": held}))


def change_retention(context: TenantContext, request: Request) -> Any:
    """`POST /calls/retention` with `keep_days` and `legal_hold`. 422 names what is wrong.

    Holds for records that come from now on; what is there already goes in the night. What the provider has fixed is
    in nobody's form, and stays.
    """
    form = read_form(request.POST)
    if form.errors:
        request.response.status_int = 422
        return _page(context, request, form)
    values = {"keep_days": form.days, "legal_hold": form.is_held}
    try:
        changed = store_choices(context, request, FIELDS, values)
    except SettingRefused:
        request.flash(_("Your provider has fixed how long calls are kept. Nothing changed."), "warn")
        return HTTPSeeOther(PAGE)
    if changed:
        record(request, CHANGED, detail=changed)
    request.flash(_("Saved"))
    return HTTPSeeOther(PAGE)


def _page(context: TenantContext, request: Request, form: RetentionForm) -> dict[str, Any]:
    rule, fixed = rule_of(context.preferences), fixed_fields(context, FIELDS)
    return {
        "rule": rule,
        "waiting": count_waiting(request.db, rule, datetime.now(UTC)),
        "texts": form.texts,
        "errors": form.errors,
        "runs": latest_runs(request.db),
        "held": HELD,
        "may_change": context.can(RETAIN.name) and len(fixed) < 2,
        "fixed": fixed,
        "least": LEAST_DAYS,
        "most": MOST_DAYS,
    }
