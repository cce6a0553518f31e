"""What the brand studio shows beside its form: a draft as people would see it, and how it reads."""

from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from pyramid.request import Request

from ringstead.api import translations
from ringstead.console.brand_form import LABELS, Draft
from ringstead.mail.compose import sender
from ringstead.theming import LOGOS, Brand
from ringstead.theming.derive import TEXT, THEMES
from ringstead.theming.logo import Logo
from ringstead.theming.readability import readability
from ringstead.theming.repair import on_white, readable_as_given

_ = translations("ringstead")
_HINTS: Final = {
    "logo": _("SVG or PNG, square, 96 px or larger. JPEG, WebP and GIF are taken too."),
    "logo_dark": _("Optional: in place of the logo where pages are dark."),
    "favicon": _("Optional: for browser tabs and home screens, in place of the logo."),
}


@dataclass(frozen=True, slots=True)
class Given:
    """A colour as it was typed: how it reads on white, and the nearest that needs no adjusting there ('' if none)."""

    field: str
    title: str
    color: str
    ratio: float
    nearest: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One of the form's pictures. `mark` shows it, '' when there is none; `is_own` says that one is in force."""

    name: str
    title: str
    hint: str
    mark: Markup | str
    is_own: bool
    is_removed: bool


def preview_values(request: Request, draft: Draft) -> dict[str, Any]:
    """What the preview's template takes. `problems` is for where the form itself is not shown anew."""
    shown = draft.brand
    lines = readability(shown)
    looks = {"color": shown.color, "accent": shown.accent, "radius": shown.radius, "font": shown.font}
    return {
        "draft": shown,
        "marks": {theme: shown.draft_mark(theme) for theme in THEMES},
        "sheet": request.route_path("core.console.brand.draft", _query=looks),
        "lines": lines,
        "all_pass": all(line.passes for line in lines),
        "given": _given(shown),
        "sender": str(sender(shown, request.site.host)),
        "problems": None,
    }


def pictures(draft: Draft, standing: Brand) -> list[Picture]:
    """The form's pictures, in its order."""
    found = []
    for name in LOGOS:
        logo: Logo | None = getattr(draft.brand, name)
        mark = (
            draft.brand.draft_mark("light") if name == "logo" else logo.mark(logo.draft_url) if logo else ""
        )
        is_own = getattr(standing, name) is not None
        found.append(Picture(name, LABELS[name], _HINTS[name], mark, is_own, name in draft.removed))
    return found


def _given(brand: Brand) -> list[Given]:
    """The colours that are adjusted on light pages, with what would do as it is."""
    found = []
    for name in ("color", "accent"):
        color: str = getattr(brand, name)
        ratio = on_white(color)
        is_same = name == "accent" and color == brand.color
        if ratio < TEXT and not is_same:
            found.append(Given(name, LABELS[name], color, ratio, readable_as_given(color)))
    return found
