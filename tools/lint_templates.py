"""Part of `make check`: templates hold no unescaped data, no inline style or script, and no untranslated text.

Every `*.pt` of core, plugins and the test add-ons is read with Chameleon's own parser. Each finding names file and
line, what is wrong and the mend.
"""

from __future__ import annotations

import ast
import html
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chameleon.exc import ParseError
from chameleon.parser import ElementParser
from chameleon.tokenize import iter_xml
from chameleon.zpt.program import MacroProgram

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDERS: Final = ("core", "plugins", "tenants", "tests/addon")
READ_BY_PEOPLE: Final = {
    "title",
    "alt",
    "placeholder",
    "label",
    "aria-label",
    "aria-description",
    "aria-roledescription",
}
# Elements whose text is a key or a code.
SAME_EVERYWHERE: Final = {"code", "kbd"}
TEMPLATE_PREFIXES: Final = {"tal", "metal", "i18n"}
STRUCTURE: Final = re.compile(r"\s*structure[\s:]")
EXPRESSION_TYPE: Final = re.compile(r"\s*([a-z]+):(?!:)")


@dataclass(frozen=True)
class Finding:
    """Something to mend."""

    line: int
    what: str
    mend: str


@dataclass
class Scope:
    """Where in the page the linter is."""

    translated: bool = False
    exempt: bool = False
    """Inside `translate="no"`: names, numbers and codes that are the same in every language."""


class Linter:
    """Collects findings in one template. In mail, inline styles are allowed: mail programs know nothing else."""

    def __init__(self, body: str, *, mail: bool = False) -> None:
        self._body, self._mail = body, mail
        self.findings: list[Finding] = []

    def run(self) -> list[Finding]:
        """All findings, by line."""
        try:
            items = list(ElementParser(iter_xml(self._body), MacroProgram.DEFAULT_NAMESPACES, False))
        except ParseError as error:
            return [Finding(1, f"cannot be read: {error}", "close every element")]
        self._walk(items, Scope())
        return sorted(self.findings, key=lambda finding: finding.line)

    def _say(self, token: Any, what: str, mend: str) -> None:
        line = token.location[0] if hasattr(token, "location") else 1
        self.findings.append(Finding(line, what, mend))

    def _walk(self, items: Iterable[Any], scope: Scope) -> None:
        for kind, parts in items:
            if kind in ("element", "start_tag", "empty_tag"):
                self._element(parts[0], parts[2] if len(parts) > 2 else [], scope)
            elif kind == "text":
                self._text(parts[0], scope)
            elif kind == "processing_instruction":
                self._say(parts[0]["name"], "code in a template", "compute it in the view")
            elif kind == "comment" and not parts[0].startswith("<!--!"):
                self._say(parts[0], "a comment that readers get", "begin it with <!--!")

    def _element(self, node: Mapping[str, Any], children: list[Any], scope: Scope) -> None:
        attributes = {_full_name(node["name"], a["name"]): a["value"] or "" for a in node["attrs"]}
        for name, value in attributes.items():
            self._attribute(node, name, value, attributes)
        self._inline_code(node, children)
        if node["name"] == "form":
            self._form(node, attributes, children)
        within = Scope(
            translated="i18n:translate" in attributes or (scope.translated and "i18n:name" not in attributes),
            exempt=scope.exempt or attributes.get("translate") == "no" or node["name"] in SAME_EVERYWHERE,
        )
        if node["name"] not in ("script", "style") and "tal:content" not in attributes:
            self._walk(children, within)

    def _attribute(
        self, node: Mapping[str, Any], name: str, value: str, attributes: Mapping[str, str]
    ) -> None:
        token = next((a["name"] for a in node["attrs"] if _full_name(node["name"], a["name"]) == name), name)
        if name.startswith("tal:"):
            self._statement(token, name, value)
            return
        if any(STRUCTURE.match(expression) for expression in _expressions(value)):
            self._say(
                token, f"structure in {name}", "give the template an object with __html__ (markupsafe.Markup)"
            )
        for problem, mend in _forbidden(name, value, self._mail):
            self._say(token, problem, mend)
        if _is_read(node["name"], name, attributes) and name not in _translated_attributes(attributes):
            self._untranslated(token, name, value)

    def _statement(self, token: Any, name: str, value: str) -> None:
        """A `tal:` attribute. Several parts of one are separated by semicolons."""
        if name in ("tal:content", "tal:replace"):
            found = EXPRESSION_TYPE.match(value)
            if STRUCTURE.match(value):
                self._say(token, f"structure in {name}", "give the template an object with __html__")
            elif found and found[1] == "string" and _has_letters(_literal(value[found.end() :])):
                self._say(
                    token, f"untranslated text in {name}", "put the text into an element with i18n:translate"
                )
        if name == "tal:attributes":
            for part in value.replace(";;", "").split(";"):
                changed = part.split()[:1]
                for problem, mend in _forbidden(*changed, "", self._mail) if changed else ():
                    self._say(token, f"{problem} (tal:attributes)", mend)

    def _inline_code(self, node: Mapping[str, Any], children: list[Any]) -> None:
        filled = any(kind != "text" or parts[0].strip() for kind, parts in children)
        if node["name"] == "script" and filled:
            self._say(node["name"], "an inline script", "put it into static/ and name it with src=")
        if node["name"] == "style" and filled and not self._mail:
            self._say(node["name"], "an inline style sheet", "put it into static/ and link it")

    def _form(self, node: Mapping[str, Any], attributes: Mapping[str, str], children: list[Any]) -> None:
        method = attributes.get("method", "get").lower()
        if method not in ("get", "dialog") and "csrf" not in _source(children):
            self._say(node["name"], "a form without the CSRF field", "put ${layout.csrf_field} into it")

    def _text(self, token: Any, scope: Scope) -> None:
        for expression in _expressions(token):
            if STRUCTURE.match(expression):
                self._say(token, "structure in a text", "give the template an object with __html__")
            elif _is_bare_text(expression) and not scope.exempt:
                self._say(_at(token, expression), "untranslated text in ${…}", "write ${_('…')}")
        literal = _literal(token)
        if _has_letters(literal) and not scope.translated and not scope.exempt:
            words = " ".join(literal.split())[:40]
            self._say(
                _at(token, literal.strip().split("\n")[0].strip()),
                f"untranslated text {words!r}",
                'put i18n:translate="" on its element, or translate="no" if it is no language',
            )

    def _untranslated(self, token: Any, name: str, value: str) -> None:
        bare = any(_is_bare_text(expression) for expression in _expressions(value))
        if bare or _has_letters(_literal(value)):
            self._say(
                token, f"untranslated text in {name}", f"add i18n:attributes=\"{name}\", or write ${{_('…')}}"
            )


def _full_name(element: str, attribute: str) -> str:
    """An attribute's name with its namespace: on `<tal:x condition=…>` it is `tal:condition`."""
    prefix = element.partition(":")[0]
    if ":" in element and ":" not in attribute and prefix in TEMPLATE_PREFIXES and attribute != "translate":
        return f"{prefix}:{attribute}"
    return str(attribute).lower()


def _forbidden(name: str, value: str, mail: bool) -> Iterator[tuple[str, str]]:
    if name == "style" and not mail:
        yield "an inline style", "use a class"
    if re.fullmatch(r"on[a-z]+", name) or name.startswith("hx-on"):
        yield f"script in {name}", "listen in a script under static/"
    if "javascript:" in value.lower() or (name.startswith("hx-") and value.lstrip().startswith("js:")):
        yield f"script in {name}", "listen in a script under static/"
    if name == "hx-trigger" and "[" in value:
        yield "a filter in hx-trigger, which is script", "decide in a script under static/, or on the server"


def _is_read(element: str, name: str, attributes: Mapping[str, str]) -> bool:
    if attributes.get("translate") == "no":
        return False
    is_button = element == "input" and attributes.get("type") in ("submit", "button", "reset")
    return name in READ_BY_PEOPLE or (name == "value" and is_button)


def _translated_attributes(attributes: Mapping[str, str]) -> set[str]:
    return {part.split()[0] for part in attributes.get("i18n:attributes", "").split(";") if part.split()}


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and inside of each `${…}`: the shortest that is an expression, as Chameleon finds it."""
    start = text.find("${")
    while start >= 0:
        end = text.find("}", start)
        while end >= 0 and not _parses(text[start + 2 : end]):
            end = text.find("}", end + 1)
        if end < 0:
            return
        if text[start - 1 : start] != "$":
            yield start, end + 1, text[start + 2 : end]
        start = text.find("${", end)


def _parses(expression: str) -> bool:
    found = EXPRESSION_TYPE.match(expression)
    code = expression[found.end() :] if found else expression
    if found and found[1] == "string":
        return True
    try:
        ast.parse(html.unescape(code).strip(), mode="eval")
    except SyntaxError:
        return False
    return True


def _expressions(text: str) -> list[str]:
    return [inside for _start, _end, inside in _spans(text)]


def _literal(text: str) -> str:
    """What is left of a text without its expressions and entities."""
    kept, last = [], 0
    for start, end, _inside in _spans(text):
        kept.append(text[last:start])
        last = end
    return re.sub(r"&#?\w+;", " ", "".join([*kept, text[last:]]))


def _has_letters(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _is_bare_text(expression: str) -> bool:
    """Whether an expression may come out as a text that was written in it."""
    try:
        tree = ast.parse(html.unescape(expression).strip(), mode="eval")
    except SyntaxError:
        return expression.lstrip().startswith("string:") and _has_letters(expression.partition(":")[2])
    return any(_has_letters(text) for text in _texts(tree.body))


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body), *_texts(node.orelse))
    elif isinstance(node, ast.BoolOp | ast.JoinedStr):
        for value in node.values:
            yield from _texts(value)
    elif isinstance(node, ast.BinOp):
        yield from (*_texts(node.left), *_texts(node.right))


def _source(items: list[Any]) -> str:
    """Texts and attribute values of some items, to look for a word."""
    found = []
    for kind, parts in items:
        if kind == "text":
            found.append(str(parts[0]))
        elif kind in ("element", "start_tag", "empty_tag"):
            found += [a["value"] or "" for a in parts[0]["attrs"]]
            found.append(_source(parts[2] if len(parts) > 2 else []))
    return "\n".join(found)


def _at(token: Any, part: str) -> Any:
    """The place of a part within a text."""
    index = token.find(part)
    return token[index:] if part and index > 0 else token


def lint_file(path: Path) -> list[Finding]:
    """The findings in one template."""
    return Linter(path.read_text(encoding="utf-8"), mail="mail" in path.parts).run()


def main(folders: Iterable[Path]) -> int:
    """Lint every template under `folders`; prints what is wrong."""
    paths = sorted(
        path
        for folder in folders
        for path in folder.rglob("*.pt")
        if not {"build", "node_modules", ".venv"} & set(path.parts)
    )
    count = 0
    for path in paths:
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for finding in lint_file(path):
            count += 1
            print(f"{shown}:{finding.line}: {finding.what}. Mend: {finding.mend}.", file=sys.stderr)
    if not count:
        print(f"{len(paths)} templates are clean.")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main([Path(arg) for arg in sys.argv[1:]] or [ROOT / folder for folder in FOLDERS]))
