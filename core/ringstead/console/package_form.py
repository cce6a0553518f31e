"""The form of a feature package: what it gives, what it takes away, and who decides about preferences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pyramid.request import Request

from ringstead.api import Permission, PluginInfo, translations
from ringstead.console.switching import switchable
from ringstead.plugins.registry import CORE, Registry
from ringstead.preferences import form
from ringstead.preferences.cascade import EDITORS
from ringstead.preferences.form import Control
from ringstead.tenancy import fields
from ringstead.tenancy.models import FeaturePackage
from ringstead.tenancy.packages import closable, settable
from ringstead.web.choices import of_preferences

_ = translations("ringstead")
WHO: Final = {
    "everybody": _("Everybody for themselves"),
    "admins": _("Admins of the organization"),
    "partner": _("Nobody but you"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """What a package says of one plugin (or of the core, `info` None, which everybody has)."""

    info: PluginInfo | None
    is_in: bool
    rights: list[tuple[Permission, bool]]
    settings: list[tuple[Control, str]]
    """Preferences with who decides; "" for those that are no subscriber's own."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A package that is being edited; `package` belongs to no session. `errors` says what is wrong, by field."""

    package: FeaturePackage
    typed: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, Any] = field(default_factory=dict)


def new_draft(registry: Registry) -> Draft:
    """A package that has everything."""
    names = sorted(info.name for info in switchable(registry))
    return Draft(FeaturePackage(name="", features=names, closed=[], settings={}, admins_give=True))


def draft_of(package: FeaturePackage) -> Draft:
    """A package as it is."""
    return Draft(
        FeaturePackage(
            name=package.name,
            features=list(package.features),
            closed=list(package.closed),
            settings=dict(package.settings),
            admins_give=package.admins_give,
        )
    )


def read_draft(request: Request, before: FeaturePackage | None) -> Draft:
    """What the form says. What it cannot say, of a plugin that does not work just now, stays as it was before."""
    registry: Registry = request.plugins
    errors: dict[str, Any] = {}
    typed_name = request.POST.get("name", "")[:200]
    try:
        name = fields.display_name(typed_name)
    except ValueError:
        name = typed_name
        errors["name"] = _("Enter a name of at most 80 characters.")
    known = {info.name for info in switchable(registry)}
    rights = {p.name for plugin in (CORE, *known) for p in closable(registry, plugin)}
    shown = {s.name for plugin in (CORE, *known) for s in settable(registry, plugin)}
    old = draft_of(before).package if before is not None else new_draft(registry).package
    chosen = known & set(request.POST.getall("feature"))
    kept = set(request.POST.getall("may"))
    closed = (rights - kept) | {one for one in old.closed if one not in rights}
    settings, typed = _settings(request, errors)
    settings |= {setting: said for setting, said in old.settings.items() if setting not in shown}
    package = FeaturePackage(
        name=name,
        features=sorted(chosen | {one for one in old.features if one not in known}),
        closed=sorted(closed),
        settings=settings,
        admins_give=bool(request.POST.get("admins_give")),
    )
    return Draft(package, typed, errors)


def _settings(request: Request, errors: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    registry: Registry = request.plugins
    found: dict[str, Any] = {}
    typed: dict[str, str] = {}
    for plugin in (CORE, *(info.name for info in switchable(registry))):
        for setting in settable(registry, plugin):
            typed[setting.name] = request.POST.get(f"value-{setting.name}", "")[:200]
            shown = form.control(setting, of_preferences(request), typed=typed[setting.name])
            value, why = (None, None) if shown.is_list else form.read(shown)
            if why is not None:
                errors[f"value-{setting.name}"] = why
            who = request.POST.get(f"who-{setting.name}", EDITORS[0])
            if who not in EDITORS:
                errors[f"who-{setting.name}"] = _("Choose one of the list.")
            elif value is not None or who != EDITORS[0]:
                found[setting.name] = [value, who if setting.level == "subscriber" else EDITORS[0]]
    return found, typed


def parts_of(request: Request, draft: Draft) -> list[Part]:
    """What the form shows, plugin by plugin, first what everybody has."""
    registry: Registry = request.plugins
    infos = switchable(registry)
    return [_part(request, draft, CORE, None), *(_part(request, draft, info.name, info) for info in infos)]


def _part(request: Request, draft: Draft, plugin: str, info: PluginInfo | None) -> Part:
    registry: Registry = request.plugins
    package = draft.package
    settings = []
    for setting in settable(registry, plugin):
        value, who = package.settings.get(setting.name, (None, EDITORS[0]))
        shown = form.control(setting, of_preferences(request), value, draft.typed.get(setting.name))
        if setting.level == "subscriber" or not shown.is_list:
            settings.append((shown, who if setting.level == "subscriber" else ""))
    rights = [(right, right.name not in package.closed) for right in closable(registry, plugin)]
    return Part(info, info is None or plugin in package.features, rights, settings)


def labels_of(request: Request) -> dict[str, Any]:
    """The fields of the form by their names, in its order."""
    registry: Registry = request.plugins
    plugins = (CORE, *(info.name for info in switchable(registry)))
    found = [setting for plugin in plugins for setting in settable(registry, plugin)]
    return {"name": _("Name"), **{f"value-{setting.name}": setting.title for setting in found}}
