"""Which of an organization's people are private, and whether people are told who looked at their calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request

from ringstead.api import TenantContext, translations
from ringstead.api.audit import declare_action, record
from ringstead.api.directory import SubscriberInfo, find_subscribers
from ringstead.api.models import TenantSession
from ringstead.api.preferences import SettingRefused
from ringstead_calllogs.choices import fixed_fields, store_choices
from ringstead_calllogs.looks import VISIBLE
from ringstead_calllogs.scopes import PRIVATE

_ = translations("ringstead_calllogs")
CHANGED: Final = declare_action("calllogs.privacy.changed", _("Changed who sees calls"))
PAGE: Final = "/calls/privacy"
FIELDS: Final = {"private": PRIVATE, "looks_visible": VISIBLE}
MOST_PRIVATE: Final = 200
LONGEST_EXTENSION: Final = 10


@dataclass(frozen=True, slots=True)
class PrivacyForm:
    """What was typed, what it means, and what is wrong with it by field."""

    texts: Mapping[str, str]
    extensions: Sequence[str] = ()
    is_visible: bool = False
    errors: Mapping[str, Any] = field(default_factory=dict)


def read_form(session: TenantSession, values: Mapping[str, str]) -> PrivacyForm:
    """Understand the form: `private`, extensions with commas or spaces between, and `looks_visible`."""
    text, is_visible = values.get("private", "").strip(), values.get("looks_visible") == "on"
    texts = {"private": text, "looks_visible": "on" if is_visible else ""}
    extensions = list(dict.fromkeys(text.replace(",", " ").replace(";", " ").split()))
    if len(extensions) > MOST_PRIVATE:
        wrong = _("Private extensions: name ${most} at most.", mapping={"most": MOST_PRIVATE})
        return PrivacyForm(texts, errors={"private": wrong})
    likely = [one for one in extensions if one.isascii() and one.isdigit() and len(one) <= LONGEST_EXTENSION]
    known = {person.extension for person in find_subscribers(session, extensions=likely)}
    unknown = next((one for one in extensions if one not in known), None)
    if unknown is not None:
        wrong = _(
            "Private extensions: nobody here has the extension ${extension}. Correct it, or take it out.",
            mapping={"extension": unknown[: 2 * LONGEST_EXTENSION]},
        )
        return PrivacyForm(texts, errors={"private": wrong})
    return PrivacyForm(texts, extensions, is_visible)


def show_privacy(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/privacy`: what holds now."""
    visible = "on" if context.preferences[VISIBLE] else ""
    stored = {"private": _stored(context), "looks_visible": visible}
    return _page(context, request, PrivacyForm(stored))


def change_privacy(context: TenantContext, request: Request) -> Any:
    """`POST /calls/privacy` with `private` and `looks_visible`. 422 names what is wrong.

    What the provider has fixed is in nobody's form, and stays.
    """
    form = read_form(request.db, request.POST)
    if form.errors:
        request.response.status_int = 422
        return _page(context, request, form)
    values = {"private": list(form.extensions), "looks_visible": form.is_visible}
    try:
        changed = store_choices(context, request, FIELDS, values)
    except SettingRefused:
        request.flash(_("Your provider has fixed who sees calls. Nothing changed."), "warn")
        return HTTPSeeOther(PAGE)
    if changed:
        record(request, CHANGED, detail=changed)
    request.flash(_("Saved"))
    return HTTPSeeOther(PAGE)


def _page(context: TenantContext, request: Request, form: PrivacyForm) -> dict[str, Any]:
    return {
        "people": _private_people(context, request.db),
        "private": _stored(context),
        "is_visible": context.preferences[VISIBLE],
        "texts": form.texts,
        "errors": form.errors,
        "fixed": fixed_fields(context, FIELDS),
    }


def _stored(context: TenantContext) -> str:
    return ", ".join(map(str, context.preferences[PRIVATE]))


def _private_people(context: TenantContext, session: TenantSession) -> list[SubscriberInfo]:
    found = find_subscribers(session, extensions=map(str, context.preferences[PRIVATE]))
    return sorted(found, key=lambda person: (person.name, person.extension))
