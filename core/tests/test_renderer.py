"""Templates: where they are found, what they know, and what keeps data apart from markup."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from markupsafe import Markup

from ringstead.web.i18n import Translations, Translator
from ringstead.web.renderer import TemplateMissing, Templates
from ringstead.web.scope import Use, icon_maker

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a template: `write("core/templates/core/a.pt", "<p/>")`."""

    def save(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return save


@pytest.fixture
def templates(tmp_path: Path) -> Templates:
    """Templates of the core and of one plugin, with partner bundles; changed files are read again."""
    return make(tmp_path)


def make(home: Path, **options: Any) -> Templates:
    roots = {
        "core": (home / "core" / "templates", "ringstead"),
        "calllogs": (home / "calllogs" / "templates", "ringstead_calllogs"),
    }
    translations = Translations({}, pseudo_locale=options.pop("pseudo_locale", False))
    options.setdefault("reload", True)
    return Templates(roots, translations.translate, bundles=home / "tenants", **options)


def render(templates: Templates, template: str, partner: str | None = None, **values: Any) -> str:
    return str(templates.render(template, {"partner": partner, "target_language": "en"}, values)).strip()


def test_partner_bundle_comes_before_the_owner(templates: Templates, write: Write) -> None:
    write("calllogs/templates/calllogs/list.pt", "<p>usual</p>")
    write("tenants/harborline/templates/calllogs/list.pt", "<p>own</p>")
    assert render(templates, "calllogs/list.pt", "harborline") == "<p>own</p>"
    assert render(templates, "calllogs/list.pt", "marigold") == "<p>usual</p>"
    assert render(templates, "calllogs/list.pt") == "<p>usual</p>"


@pytest.mark.parametrize(
    "name",
    ["core/missing.pt", "nobody/list.pt", "list.pt", "core/../../secret.pt", "core/a.txt", "core/..\\a.pt"],
)
def test_missing_template_says_where_it_was_looked_for(templates: Templates, name: str) -> None:
    with pytest.raises(TemplateMissing, match=r"core|OWNER"):
        templates.get(name)


def test_compiled_once_unless_reloading(tmp_path: Path, write: Write) -> None:
    path = write("core/templates/core/a.pt", "<p>one</p>")
    kept, fresh = make(tmp_path, reload=False), make(tmp_path)
    assert kept.get("core/a.pt") is kept.get("core/a.pt", "harborline")
    assert [render(kept, "core/a.pt"), render(fresh, "core/a.pt")] == ["<p>one</p>"] * 2
    path.write_text("<p>a longer text</p>")
    assert render(kept, "core/a.pt") == "<p>one</p>"
    assert render(fresh, "core/a.pt") == "<p>a longer text</p>"


def test_data_is_escaped_and_markup_is_not(templates: Templates, write: Write) -> None:
    write("core/templates/core/a.pt", '<p title="${name}">${name} ${mark}</p>')
    shown = render(templates, "core/a.pt", name='"><script>', mark=Markup("<b>fine</b>"))
    assert shown == '<p title="&quot;&gt;&lt;script&gt;">"&gt;&lt;script&gt; <b>fine</b></p>'


def test_message_is_filled_first_and_escaped_then(templates: Templates, write: Write) -> None:
    write(
        "core/templates/core/a.pt",
        "<p aria-label=\"${_('Call ${name}', name=name)}\">${_('Call ${name}', name=name)}</p>",
    )
    assert (
        render(templates, "core/a.pt", name="<Otis>")
        == '<p aria-label="Call &lt;Otis&gt;">Call &lt;Otis&gt;</p>'
    )


def test_plural_follows_the_number(templates: Templates, write: Write) -> None:
    write("core/templates/core/a.pt", "<p>${ngettext('${n} call', '${n} calls', count)}</p>")
    assert [render(templates, "core/a.pt", count=n) for n in (0, 1, 2)] == [
        "<p>0 calls</p>",
        "<p>1 call</p>",
        "<p>2 calls</p>",
    ]


def test_switched_off_attribute_is_left_out(templates: Templates, write: Write) -> None:
    write(
        "core/templates/core/a.pt", '<input autofocus="${False}" checked="${True}" aria-current="${None}" />'
    )
    assert render(templates, "core/a.pt") == '<input checked="checked" />'


def test_template_that_marks_texts_must_name_its_domain(templates: Templates, write: Write) -> None:
    write("calllogs/templates/calllogs/a.pt", '<p i18n:translate="">Calls</p>')
    with pytest.raises(ValueError, match='i18n:domain="ringstead_calllogs"'):
        render(templates, "calllogs/a.pt")


def test_each_template_keeps_its_own_domain_inside_another_frame(tmp_path: Path, write: Write) -> None:
    """A plugin's page uses the core's frame: the frame's texts stay the core's, the slot's the plugin's."""
    seen: list[tuple[str, str | None]] = []

    def translate(msgid: Any, domain: str | None = None, **_options: Any) -> Any:
        if isinstance(msgid, str) and (domain or hasattr(msgid, "domain")):
            seen.append((str(msgid), getattr(msgid, "domain", None) or domain))
        return msgid

    write(
        "core/templates/core/frame.pt",
        '<main i18n:domain="ringstead"><i i18n:translate="">Frame</i>${_("Lazy frame")}'
        '<b metal:define-slot="main" /></main>',
    )
    write(
        "calllogs/templates/calllogs/a.pt",
        '<metal:page use-macro="use(\'core/frame.pt\')" i18n:domain="ringstead_calllogs">'
        '<b metal:fill-slot="main"><i i18n:translate="">Slot</i>${_("Lazy slot")}</b></metal:page>',
    )
    templates = make(tmp_path)
    templates._translate = cast(Translator, translate)
    render(templates, "calllogs/a.pt", use=Use(templates, None))
    assert sorted(seen) == [
        ("Frame", "ringstead"),
        ("Lazy frame", "ringstead"),
        ("Lazy slot", "ringstead_calllogs"),
        ("Slot", "ringstead_calllogs"),
    ]


def test_icon_is_cached_markup_that_names_its_symbol() -> None:
    icon = icon_maker("/static/abc/core/icons.svg")
    assert icon("phone") is icon("phone")
    assert str(icon("arrow-right", "flip")) == (
        '<svg class="icon flip" aria-hidden="true"><use href="/static/abc/core/icons.svg#i-arrow-right"/></svg>'
    )
