"""The form of a brand: what was typed and sent, as a brand or as what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyramid.request import Request

from ringstead.api import translations
from ringstead.theming import LOGOS, Brand, InvalidBrand
from ringstead.theming.logo import MAX_BYTES, LogoRefused, read_logo
from ringstead.theming.words import messages as said

_ = translations("ringstead")
MOST_UPLOADED: Final = len(LOGOS) * MAX_BYTES
LABELS: Final[Mapping[str, Any]] = {
    "name": _("Portal name"),
    "logo": _("Logo"),
    "logo_dark": _("Logo on dark pages"),
    "favicon": _("Icon"),
    "color": _("Brand colour"),
    "accent": _("Accent"),
    "radius": _("Corner radius"),
    "font": _("Font"),
    "sign_in_text": _("Line on the sign-in page"),
    "support_phone": _("Support number"),
    "support_email": _("Support email"),
    "support_url": _("Help pages"),
    "imprint_url": _("Imprint"),
    "privacy_url": _("Privacy"),
    "terms_url": _("Terms"),
    "mail_sender": _("Mail sender"),
    "languages": _("Languages"),
}
"""The fields of the form, in its order."""
TEXTS: Final = tuple(name for name in LABELS if name not in (*LOGOS, "radius", "languages"))
_LONGEST: Final = 600


@dataclass(frozen=True, slots=True)
class Draft:
    """A brand that is being edited.

    `brand` is what can be shown of it: fields with mistakes keep the value in force. `typed` is what stands in the
    fields. `errors` says what is wrong, by field, `offers` which colour would do when that is the trouble. `uploaded`
    names the pictures that came with the form, which a browser does not send twice; `removed` those that shall go.
    """

    brand: Brand
    typed: dict[str, Any]
    errors: dict[str, Any] = field(default_factory=dict)
    offers: Mapping[str, str] = field(default_factory=dict)
    uploaded: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


def standing(brand: Brand) -> Draft:
    """The brand in force, in a form."""
    values = brand.to_mapping()
    if brand.accent == brand.color:
        values["accent"] = ""  # it follows
    return Draft(brand, {name: values[name] for name in LABELS if name not in LOGOS})


def read_draft(request: Request, brand: Brand) -> Draft:
    """What the form says, on top of the brand in force."""
    typed = _typed(request)
    before = brand.to_mapping()
    errors: dict[str, Any] = {}
    values: dict[str, Any] = {**before, **typed}
    try:
        values["radius"] = int(str(typed["radius"]))
    except ValueError:
        values["radius"] = before["radius"]
        errors["radius"] = said("must be a whole number")
    values |= _logos(request, before, errors)
    sent = frozenset(name for name in LOGOS if name in request.uploads and name not in errors)
    gone = frozenset(name for name in LOGOS if request.POST.get(f"remove_{name}"))
    try:
        return Draft(Brand.from_mapping(values), typed, errors, {}, sent, gone)
    except InvalidBrand as refused:
        errors |= refused.messages
        kept = {name: before.get(name) for name in errors}
        try:
            shown = Brand.from_mapping({**values, **kept})
        except InvalidBrand:  # two colours that each would do, and not together
            shown = brand
        return Draft(shown, typed, errors, refused.offers, sent, gone)


def _typed(request: Request) -> dict[str, Any]:
    sent = request.POST
    typed: dict[str, Any] = {name: sent.get(name, "")[:_LONGEST].strip() for name in TEXTS}
    typed["sign_in_text"] = " ".join(typed["sign_in_text"].split())
    typed["radius"] = sent.get("radius", "")[:8].strip()
    typed["languages"] = [tag[:20] for tag in sent.getall("languages")[:60]]
    for name in ("color", "accent"):
        typed[name] = sent.get(f"use_{name}", "")[:8] or typed[name].lower()
    color, comma, accent = sent.get("example", "")[:16].partition(",")
    if comma:
        typed |= {"color": color, "accent": accent}
    return typed


def _logos(request: Request, before: Mapping[str, Any], errors: dict[str, Any]) -> dict[str, Any]:
    """The pictures: those that are sent, none for those to be taken away, and the others as they are."""
    found: dict[str, Any] = {}
    for name in LOGOS:
        upload = request.uploads.get(name)
        found[name] = None if request.POST.get(f"remove_{name}") else before.get(name)
        if upload is None:
            continue
        try:
            logo = read_logo(upload.file.read(MAX_BYTES + 1))
        except LogoRefused as refused:
            errors[name] = refused.message
        else:
            found[name] = Brand(name="-", logo=logo).to_mapping()["logo"]
    return found
