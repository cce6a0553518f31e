"""Templates: found in the partner's bundle, then in the plugin that owns them; compiled once, rendered lean.

A name is `OWNER/file.pt`, where the owner is `core` or a plugin: `calllogs/list.pt` is the file
`templates/calllogs/list.pt` of the plugin's package, unless the partner's bundle brings
`tenants/SLUG/templates/calllogs/list.pt`.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Final

from chameleon.template import get_pkg_digest
from chameleon.zpt.template import PageTemplateFile
from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.settings import asbool

from ringstead import __version__
from ringstead.plugins.registry import CORE, Registry
from ringstead.settings import Settings
from ringstead.web.compiled import CompiledTemplates
from ringstead.web.folders import plugin_folders
from ringstead.web.i18n import Translations, Translator, messages, plurals
from ringstead.web.scope import page_scope
from ringstead.web.stencils import Stencils

CORE_TEMPLATES: Final = Path(__file__).parent / "templates"
# Chameleon's own list is older than HTML 5. False drops the attribute.
BOOLEAN: Final = frozenset(
    {"async", "autofocus", "checked", "defer", "disabled", "hidden", "inert", "multiple"}
    | {"novalidate", "open", "readonly", "required", "selected"}
)


_COMPILING: Final = RLock()


class TemplateMissing(LookupError):
    """No bundle and no plugin has a template of this name."""


class Template(PageTemplateFile):
    """A page template that knows its own domain.

    `_` and `ngettext` in it make messages of its distribution.
    """

    boolean_attributes = BOOLEAN

    def __init__(self, path: Path, domain: str, translate: Translator, reload: bool, loader: Any) -> None:
        self.domain = domain
        self.extra_builtins = {"_": messages(domain), "ngettext": plurals(domain)}
        kept = {} if loader is None else {"loader": loader}
        super().__init__(
            str(path), translate=translate, auto_reload=reload, trim_attribute_space=True, **kept
        )

    def digest(self, body: str, names: Collection[str]) -> str:
        """What a compiled template is known by: the releases of Python, Chameleon and ours, its text and its names."""
        sha = get_pkg_digest()
        for part in (sys.version, __version__, *sorted(BOOLEAN), self.domain, *names, body):
            sha.update(part.encode() + b"\0")
        return str(sha.hexdigest())

    def cook(self, body: str) -> None:
        """Compile, one template at a time: CPython counts the depth of a syntax tree for all threads together, and
        raises SystemError when two of them turn trees into code at once.
        """
        with _COMPILING:
            super().cook(body)

    def parse(self, body: str) -> Any:
        """Compile, after checking what a person would otherwise find out from an English text in a German
        page.
        """
        if "i18n:" in body and f'i18n:domain="{self.domain}"' not in body:
            raise ValueError(f'{self.filename}: put i18n:domain="{self.domain}" on the outermost element')
        return super().parse(body)


class Templates:
    """All templates of the deployment. `roots` maps an owner to (templates folder, message domain).

    `bundles` is the folder of partner bundles, `compiled` one where compiled templates are kept for the next
    start. In memory they are kept by path, and paths by (partner, name); both are bounded by what lies on disk.
    With `reload`, changed files are compiled anew.
    """

    def __init__(
        self,
        roots: Mapping[str, tuple[Path, str]],
        translate: Translator,
        *,
        bundles: Path | None = None,
        compiled: Path | None = None,
        reload: bool = False,
    ) -> None:
        self._roots, self._bundles = dict(roots), bundles
        self._loader = CompiledTemplates(compiled) if compiled is not None and not reload else None
        self._translate, self.reload = translate, reload
        self._compiled: dict[Path, Template] = {}
        self._has_own = _has_templates if reload else lru_cache(maxsize=10_000)(_has_templates)
        self._found: dict[tuple[str | None, str], Template] = {}

    def owner_of(self, partner: str | None) -> str | None:
        """The partner (a slug) whose templates it sees: its own when its bundle has some, else None for everybody's."""
        if partner is None or self._bundles is None:
            return None
        return partner if self._has_own(self._bundles / partner) else None

    def get(self, name: str, partner: str | None = None) -> Template:
        """The template `name` as `partner` (a slug) sees it. Raises TemplateMissing."""
        key = (partner := self.owner_of(partner), name)
        found = self._found.get(key)
        if found is None or self.reload:
            found = self._found[key] = self._find(name, partner)
        return found

    def _find(self, name: str, partner: str | None) -> Template:
        owner, _, file = name.partition("/")
        if owner not in self._roots or not file.endswith(".pt") or ".." in name or "\\" in name:
            raise TemplateMissing(f"{name!r}: a template is named OWNER/file.pt by core or an active plugin")
        folder, domain = self._roots[owner]
        candidates = [folder / name]
        if partner is not None and self._bundles is not None:
            candidates.insert(0, self._bundles / partner / "templates" / name)
        for path in candidates:
            if path in self._compiled or path.is_file():
                if path not in self._compiled:
                    self._compiled[path] = Template(path, domain, self._translate, self.reload, self._loader)
                return self._compiled[path]
        raise TemplateMissing(f"{name!r} is in none of {', '.join(map(str, candidates))}")

    def render(self, name: str, scope: Mapping[str, Any], values: Mapping[str, Any]) -> Markup:
        """The markup of a template. `scope` comes from `page_scope`, `values` from a view or a card."""
        template = self.get(name, scope["partner"])
        return Markup(template.render(**{**scope, **values}))


def _has_templates(bundle: Path) -> bool:
    return (bundle / "templates").is_dir()


class RendererFactory:
    """Pyramid's renderer for `.pt`: `renderer="calllogs/list.pt"`."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def __call__(self, info: Any) -> Callable[[Mapping[str, Any], Mapping[str, Any]], str]:
        name: str = info.name

        def render(values: Mapping[str, Any], system: Mapping[str, Any]) -> str:
            return str(self._templates.render(name, page_scope(system["request"]), values))

        return render


def template_roots(registry: Registry) -> dict[str, tuple[Path, str]]:
    """The templates folder and the message domain of core and of every active plugin that has templates."""
    folders = plugin_folders(registry, "templates")
    plugins = {name: (folder, registry.info(name).package) for name, folder in folders.items()}
    return {CORE: (CORE_TEMPLATES, "ringstead"), **plugins}


def includeme(config: Configurator) -> None:
    """Add `.pt`, `request.layout` and `request.flash`."""
    settings: Settings = config.registry["ringstead.settings"]
    registry: Registry = config.registry["ringstead.plugins"]
    translations: Translations = config.registry["ringstead.translations"]
    templates = Templates(
        template_roots(registry),
        translations.translate,
        bundles=settings.tenants_dir,
        compiled=settings.var_dir / "templates",
        reload=asbool(config.registry.settings.get("reload_templates")),
    )
    config.registry["ringstead.templates"] = templates
    config.registry["ringstead.stencils"] = Stencils(templates, templates.reload)
    config.add_renderer(".pt", RendererFactory(templates))
    config.include("ringstead.web.notices")
    config.include("ringstead.web.layout")
