"""The brand studio: how the partner's portals look and speak, with a preview, and every version of it."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from ringstead import audit
from ringstead.api import NavItem, Permission, Route, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.brand_form import LABELS, MOST_UPLOADED, TEXTS, Draft, read_draft, standing
from ringstead.console.brand_preview import pictures, preview_values
from ringstead.subscribers.pages import unknown_act
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.models import Partner
from ringstead.theming import FONTS, LOGOS, Brand, InvalidBrand
from ringstead.theming.brand_cache import BrandCache
from ringstead.theming.sheet import draft_css
from ringstead.theming.values import CHECKS, MAX_RADIUS
from ringstead.theming.versions import (
    PAGE_SIZE,
    RESTORED,
    Unchanged,
    find_version,
    list_versions,
    save_brand,
    stored_brand,
    version_in_force,
)
from ringstead.web.i18n import Translations, language_name

_ = translations("ringstead")
MANAGE: Final = Permission(
    name="core:brand:manage",
    title=_("Change the brand and the portals’ addresses"),
    default_roles=frozenset({"partner_admin"}),
)
SAVED: Final = audit.declare_action("brand.saved", _("Changed the brand"))
RESTORED_ONE: Final = audit.declare_action("brand.restored", _("Brought back a version of the brand"))
FONT_TITLES: Final = {"inter": "Inter", "nunito": "Nunito", "system": _("System")}
EXAMPLES: Final = (
    ("#0b6068", "#e2562d"),
    ("#ffb400", "#7a2fb8"),
    ("#c8102e", "#14213d"),
    ("#3454d1", "#3454d1"),
    ("#9be564", "#1b4332"),
    ("#111111", "#d4af37"),
)


@dataclass(frozen=True, slots=True)
class Looks:
    """What a style sheet is made of."""

    color: str
    accent: str
    radius: int
    font: str


def permissions() -> list[Permission]:
    """The right that the pages ask for."""
    return [MANAGE]


def routes() -> list[Route]:
    """The page with its form, and the style sheet of a draft."""
    more: Any = {"permission": MANAGE.name, "site": "console"}
    page: Any = {"pattern": "/branding", "renderer": "core/console_brand.pt", **more}
    return [
        Route(name="core.console.brand", view=show, **page),
        Route(
            name="core.console.brand.change", view=change, methods=("POST",), uploads=MOST_UPLOADED, **page
        ),
        Route(name="core.console.brand.draft", pattern="/branding/draft.css", view=draft_sheet, **more),
    ]


def navigation() -> list[NavItem]:
    """The console's entry."""
    return [
        NavItem(
            id="core.console.brand",
            title=_("Brand"),
            route="core.console.brand",
            permission=MANAGE.name,
            icon="palette",
            order=40,
            site="console",
        )
    ]


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /branding`. `before` is the last version of the page of versions before."""
    brand = _in_force(request, _partner(request))
    return _values(request, brand, standing(brand))


def change(context: TenantContext, request: Request) -> Any:
    """`POST /branding` with the form's fields and `do` save, or preview (also by `use_color`, `use_accent`, `example`),
    which saves nothing; or with `do` restore and a `version`."""
    do = request.POST.get("do", "preview")
    partner = _partner(request, lock=do != "preview")
    brand = _in_force(request, partner)
    if do == "restore":
        return _restore(context, request, partner, brand)
    draft = read_draft(request, brand)
    if do == "preview":
        if request.headers.get("HX-Request") == "true":
            request.override_renderer = "core/console_brand_preview.pt"
            problems = [
                (name, LABELS.get(name, name), why, draft.offers.get(name))
                for name, why in draft.errors.items()
            ]
            return {**preview_values(request, draft), "problems": problems}
        return _values(request, brand, draft, is_draft=True)
    if do != "save":
        raise unknown_act()
    if draft.errors:
        banner = Banner(_("Nothing was saved yet. See below."), "warn")
        return refused(request, _values(request, brand, draft, is_draft=True, banner=banner))
    if request.POST.get("base", brand.digest) != brand.digest:
        text = _(
            "Somebody changed the brand meanwhile: see its versions. Publish again to put yours in its place."
        )
        return refused(request, _values(request, brand, draft, is_draft=True, banner=Banner(text, "warn")))
    return _save(context, request, partner, draft.brand)


def draft_sheet(_context: TenantContext, request: Request) -> Response:
    """`GET /branding/draft.css` with `color`, `accent`, `radius` and `font`: a draft's colours, for its preview."""
    given: dict[str, Any] = {name: queried(request, name) for name in ("color", "accent", "font")}
    radius = queried(request, "radius")
    given["radius"] = int(radius) if radius.isdecimal() and len(radius) < 4 else -1
    if any(CHECKS[name](value) is not None for name, value in given.items()):
        raise HTTPNotFound
    return Response(body=draft_css(Looks(**given)).encode(), content_type="text/css", charset="utf-8")


def _save(
    context: TenantContext, request: Request, partner: Partner, brand: Brand, note: str = ""
) -> HTTPSeeOther:
    before = stored_brand(partner)
    assert context.account is not None  # the route asks for somebody who is signed in
    try:
        save_brand(request.db, partner, brand, context.account, note)
    except Unchanged:
        request.flash(_("The brand is as it was. Nothing changed."), "info")
        return HTTPSeeOther("/branding")
    action = RESTORED_ONE if note == RESTORED else SAVED
    audit.record(
        request, action, target=brand.name, detail=audit.changed(_told(before), _told(brand.to_mapping()))
    )
    forget_after_commit(request)
    request.flash(_("Published. Every portal shows it from now on."))
    return HTTPSeeOther("/branding")


def _restore(context: TenantContext, request: Request, partner: Partner, brand: Brand) -> Any:
    version = find_version(request.db, partner.id, id_of(request.POST.get("version", "")))
    if version is None:
        raise HTTPNotFound
    try:
        wanted = Brand.from_mapping(version.brand)
    except InvalidBrand as error:
        banner = Banner(
            _("This version cannot be brought back as it is. Its words and colours stand in the form."),
            "warn",
        )
        typed = {**standing(brand).typed, **{n: version.brand[n] for n in TEXTS if n in version.brand}}
        draft = Draft(brand, typed, dict(error.messages))
        return refused(request, _values(request, brand, draft, is_draft=True, banner=banner))
    return _save(context, request, partner, wanted, RESTORED)


def forget_after_commit(request: Request) -> None:
    """Have this process look its hosts and brand up anew, right when the change is committed; the others are told by
    the database."""
    hosts, partner_id = request.registry["ringstead.hosts"], str(request.site.partner.id)
    request.tm.get().addAfterCommitHook(lambda ok: hosts.forget(partner_id) if ok else None)


def _partner(request: Request, *, lock: bool = False) -> Partner:
    found: Partner = request.db.get_one(Partner, request.site.partner.id, with_for_update=lock or None)
    return found


def _in_force(request: Request, partner: Partner) -> Brand:
    brands: BrandCache = request.registry["ringstead.brands"]
    return brands.get(str(partner.id), stored_brand(partner))


def _told(values: dict[str, Any]) -> dict[str, Any]:
    """What the audit trail says of a brand: of pictures their kind, and a digest that tells one from another."""
    return {name: _picture(value) if name in LOGOS and value else value for name, value in values.items()}


def _picture(stored: dict[str, str]) -> str:
    ((kind, content),) = stored.items()
    return f"{kind} {hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _values(
    request: Request, brand: Brand, draft: Draft, *, is_draft: bool = False, **more: Any
) -> dict[str, Any]:
    catalogues: Translations = request.registry["ringstead.translations"]
    before = queried(request, "before")
    versions = list_versions(request.db, id_of(before) if before else None)
    older = versions[PAGE_SIZE - 1].id if len(versions) > PAGE_SIZE else None
    older_url = request.route_path("core.console.brand", _query={"before": str(older)}) if older else None
    return {
        **preview_values(request, draft),
        "typed": draft.typed,
        "errors": draft.errors,
        "labels": LABELS,
        "offers": draft.offers,
        "is_draft": is_draft,
        "lost": draft.uploaded,
        "pictures": pictures(draft, brand),
        "base": brand.digest,
        "fonts": [(name, FONT_TITLES[name]) for name in FONTS],
        "most_radius": MAX_RADIUS,
        "languages": [(tag, language_name(tag)) for tag in catalogues.languages],
        "examples": EXAMPLES,
        "versions": versions[:PAGE_SIZE],
        "in_force": version_in_force(request.db, _partner(request)),
        "older_url": older_url,
        "banner": None,
        **more,
    }
