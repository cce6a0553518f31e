"""The checkers of `make check` find what they are for."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"checker_{name}", TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


templates = load("lint_templates")
docs = load("check_docs")
licences = load("check_licences")

CLEAN = """<metal:page use-macro="shell" i18n:domain="x"><metal:main fill-slot="main">
<h1 i18n:translate="">Calls of <b i18n:name="who">${name}</b></h1>
<p title="Play" i18n:attributes="title">${icon('play')} · ${_('Play')} ${count}&nbsp;</p>
<p class="${'page' if wide else None}" aria-label="${_('Open')}">${fmt.date(day, 'medium')}</p>
<code>SIP</code> <span translate="no">ACME</span> <kbd>Esc</kbd>
<form method="post" action="/x">${layout.csrf_field}<input type="submit" value="${_('Send')}" /></form>
<form method="get"><input name="q" /></form><form method="dialog"><button>${_('Close')}</button></form>
<script type="module" src="/static/app.js"></script>
<tal:x condition="a < b and 'text' in c" i18n:translate="">Text</tal:x>
<!--! kept from readers -->
</metal:main></metal:page>"""

BAD_TEMPLATES = [
    ('<p tal:content="structure note">x</p>', "structure in tal:content"),
    ('<p tal:replace="structure: note" />', "structure in tal:replace"),
    ('<tal:x content="structure note" />', "structure in tal:content"),
    ("<p>${structure: note}</p>", "structure in a text"),
    ('<p class="${structure: note}"></p>', "structure in class"),
    ('<p style="color: red"></p>', "an inline style"),
    ('<p tal:attributes="style css"></p>', "an inline style (tal:attributes)"),
    ("<style>p { color: red }</style>", "an inline style sheet"),
    ("<script>go()</script>", "an inline script"),
    ("<script>${code}</script>", "an inline script"),
    ('<p onclick="go()"></p>', "script in onclick"),
    ('<p OnClick="go()"></p>', "script in onclick"),
    ('<p tal:attributes="title a; onclick b"></p>', "script in onclick (tal:attributes)"),
    ('<p hx-on:click="go()"></p>', "script in hx-on:click"),
    ('<p hx-on--load="go()"></p>', "script in hx-on--load"),
    ('<a href="JavaScript:go()"></a>', "script in href"),
    ('<p hx-vals="js:{a: 1}"></p>', "script in hx-vals"),
    ('<p hx-trigger="click[ctrlKey]"></p>', "a filter in hx-trigger, which is script"),
    ("<?python x = 1 ?>", "code in a template"),
    ("<!-- note to self -->", "a comment that readers get"),
    ('<form method="post"><p>${x}</p></form>', "a form without the CSRF field"),
    ('<form method="${how}"><p>${x}</p></form>', "a form without the CSRF field"),
    ("<p>Hello</p>", "untranslated text 'Hello'"),
    ("<p>${name} called</p>", "untranslated text 'called'"),
    ("<p>Café&nbsp;</p>", "untranslated text 'Café'"),
    ('<p i18n:translate="">From <b i18n:name="n">number ${n}</b></p>', "untranslated text 'number'"),
    ("<p>${'Yes' if good else 'No'}</p>", "untranslated text in ${…}"),
    ("<p>${name or 'Nobody'}</p>", "untranslated text in ${…}"),
    ("<p>${f'{n} calls'}</p>", "untranslated text in ${…}"),
    ('<p tal:content="string:Hello ${name}" />', "untranslated text in tal:content"),
    ('<p title="Play"></p>', "untranslated text in title"),
    ('<p aria-label="Play ${name}"></p>', "untranslated text in aria-label"),
    ("<p aria-label=\"${'Open' if x else 'Shut'}\"></p>", "untranslated text in aria-label"),
    ('<input type="submit" value="Send" />', "untranslated text in value"),
    ('<img alt="A cat" i18n:attributes="title" title="A cat" />', "untranslated text in alt"),
]


def test_a_clean_template_passes() -> None:
    assert templates.Linter(CLEAN).run() == []


@pytest.mark.parametrize(("body", "what"), BAD_TEMPLATES)
def test_a_bad_template_is_found_with_its_line(body: str, what: str) -> None:
    findings = templates.Linter(f"<div>\n\n{body}</div>").run()
    assert [(finding.line, finding.what) for finding in findings] == [(3, what)]
    assert findings[0].mend


def test_mail_may_have_inline_styles() -> None:
    body = '<p style="color: red"></p><style>p { color: red }</style>'
    assert len(templates.Linter(body).run()) == 2
    assert templates.Linter(body, mail=True).run() == []


def test_the_command_names_file_line_and_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.pt").write_text("<p>\n<b>Hello</b></p>")
    assert templates.main([tmp_path]) == 1
    assert f"{tmp_path / 'bad.pt'}:2: untranslated text 'Hello'. Mend: put" in capsys.readouterr().err
    (tmp_path / "bad.pt").write_text("<p>${x}</p>")
    assert templates.main([tmp_path]) == 0


def pages(root: Path, **texts: str) -> list[str]:
    (root / "docs").mkdir(exist_ok=True)
    names = []
    for name, text in {"README": "[docs](docs/README.md)", "docs__README": "", **texts}.items():
        path = root / f"{name.replace('__', '/')}.md"
        path.write_text(text)
        names.append(str(path.relative_to(root)))
    return [f"{f.page}:{f.line}: {f.said}" for f in docs.Docs(root, names).findings()]


def test_good_docs_pass(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "house.svg").write_text("<svg/>")
    page = """# A page

[up](README.md) [here](#two-words) [code `x`](more.md#searchctx-query) ![house](house.svg) [web](https://x.test)
[wrapped
link](more.md) `[not a link](nowhere.md)`

## Two words

```python
[also](not_a_link.md)
```
"""
    more = "## search(ctx, query)\n\n<a id='hand-made'></a>[back](page.md#a-page) [made](#hand-made)"
    found = pages(tmp_path, docs__README="[page](page.md)", docs__page=page, docs__more=more)
    assert found == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[x](nowhere.md)",
            "docs/page.md:3: the link 'nowhere.md' leads nowhere: there is no docs/nowhere.md",
        ),
        ("![x](no.png)", "docs/page.md:3: the link 'no.png' leads nowhere: there is no docs/no.png"),
        ("[x](README.md#no)", "docs/page.md:3: the link 'README.md#no' leads nowhere: no heading there"),
        ("[x](#no)", "docs/page.md:3: the link '#no' leads nowhere: no heading there"),
        ("[x](../../etc/passwd)", "docs/page.md:3: the link '../../etc/passwd' leaves the repository"),
        ("[x]: nowhere.md", "docs/page.md:3: the link 'nowhere.md' leads nowhere"),
        ('<img src="no.svg">', "docs/page.md:3: the link 'no.svg' leads nowhere"),
        ("```python\nx = = 1\n```", "docs/page.md:4: the Python here does not compile: invalid syntax"),
    ],
)
def test_a_bad_page_is_found_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    found = pages(tmp_path, docs__README="[page](page.md)", docs__page=f"# Page\n\n{text}\n")
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_page_that_nothing_links_to_is_found(tmp_path: Path) -> None:
    found = pages(tmp_path, docs__island="# Island")
    assert found == [
        "docs/island.md:1: no page that README.md or docs/README.md leads to links here: link it"
    ]


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND BSD-3-Clause", True),
        ("LGPL-3.0-only", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("MIT AND GPL-2.0-only", False),
        ("GPL-3.0-only AND (MIT OR BSD-3-Clause)", False),
        ("Some licence of our own", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_licence_expressions(expression: str, allowed: bool) -> None:
    assert licences.is_allowed(expression) is allowed


def test_what_is_not_installed_is_a_fault() -> None:
    (verdict,) = licences.check_installed(["no-such-distribution-anywhere"])
    assert "is required and not installed" in verdict.fault


def test_the_closure_reaches_what_extras_bring() -> None:
    found, missing = licences.closure(["ringstead"])
    assert not missing
    assert {"psycopg-binary", "sqlalchemy", "webob"} <= set(found)
    assert "pytest" not in found


def test_a_vendored_file_needs_its_licence(tmp_path: Path) -> None:
    folder = tmp_path / "core" / "static"
    folder.mkdir(parents=True)
    entry = '[[vendored]]\nname = "x"\nversion = "1"\nlicence = "{}"\nlicence_file = "{}"\n'
    (folder / "vendored.toml").write_text(
        entry.format("MIT", "x.txt") + entry.format("GPL-3.0-only", "y.txt")
    )
    (folder / "y.txt").write_text("text")
    faults = [verdict.fault for verdict in licences.check_vendored(tmp_path)]
    assert faults == ["has no text at x.txt", "is not an allowed licence"]
