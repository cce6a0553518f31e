"""Message catalogues: extract texts, bring translations up to date, compile, and check that all of it is in step.

    python tools/i18n.py update     # after changing texts: .pot and every .po, then compile
    python tools/i18n.py compile    # after translating: every .mo
    python tools/i18n.py check      # in `make check`: nothing is stale, missing or fuzzy
    python tools/i18n.py add plugins/calllogs/ringstead_calllogs fr   # a new language

The domain of a catalogue is its import package. Sources are Python files (`_("…")`, `ngettext("…", "…", n)`) and
templates (`i18n:translate`, `i18n:attributes`, `${_('…')}`).
"""

import argparse
import ast
import html
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from lingua.extractors.xml import ChameleonExtractor

ROOT: Final = Path(__file__).resolve().parent.parent
WIDTH: Final = 110


class Text(NamedTuple):
    """A message as it stands in the sources."""

    singular: str
    plural: str = ""
    context: str = ""


def packages() -> Iterator[Path]:
    """Import packages that own a catalogue: the core's and every plugin's with a `locale` folder."""
    yield ROOT / "core" / "ringstead"
    for folder in sorted((ROOT / "plugins").glob("*/ringstead_*")):
        if (folder / "locale").is_dir():
            yield folder


def template_of(package: Path) -> Path:
    """The catalogue template of a package."""
    return package / "locale" / f"{package.name}.pot"


def translations_of(package: Path) -> list[Path]:
    """The translations of a package."""
    return sorted((package / "locale").glob(f"*/LC_MESSAGES/{package.name}.po"))


def extract(package: Path) -> Catalog:
    """All messages of a package, sorted. Its own domain only."""
    catalog = new_catalog(package)
    texts: set[Text] = set()
    for path in sorted(package.rglob("*.py")):
        texts |= set(calls(path.read_text(encoding="utf-8")))
    for path in sorted(package.rglob("*.pt")):
        texts |= set(of_template(path, package.name))
    for text in sorted(texts):
        msgid = (text.singular, text.plural) if text.plural else text.singular
        catalog.add(msgid, None, context=text.context or None)
    for message in catalog:
        message.flags.discard("python-brace-format")
        message.flags.discard("python-format")
    return catalog


def calls(source: str) -> Iterator[Text]:
    """Messages of Python source: the constant first arguments of `_` and `ngettext`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        texts = [
            arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        if node.func.id == "_" and texts:
            context = next((k.value for k in node.keywords if k.arg == "context"), None)
            yield Text(texts[0], "", str(context.value) if isinstance(context, ast.Constant) else "")
        elif node.func.id == "ngettext" and len(texts) >= 2:
            yield Text(texts[0], texts[1])


def of_template(path: Path, domain: str) -> Iterator[Text]:
    """Messages of a template: marked elements and attributes, and calls inside expressions."""
    options = argparse.Namespace(domain=domain, keywords=[], comment_tag=None)
    with path.open("rb") as stream:
        for message in ChameleonExtractor()(str(path), options, stream):
            yield Text(message.msgid, message.msgid_plural or "", message.msgctxt or "")
    # Lingua knows only `_` inside templates.
    source = html.unescape(path.read_text(encoding="utf-8"))
    for found in re.finditer(r"\bngettext\(", source):
        yield from calls(balanced(source[found.start() :]))


def balanced(source: str) -> str:
    """The call that `source` begins with."""
    for end in (match.end() for match in re.finditer(r"\)", source)):
        try:
            ast.parse(source[:end], mode="eval")
        except SyntaxError:
            continue
        return source[:end]
    return "None"


def first_id(message: Message) -> str:
    """A message's text, its singular when it has two forms."""
    return message.id if isinstance(message.id, str) else str(message.id[0] if message.id else "")


def new_catalog(package: Path, language: str | None = None) -> Catalog:
    """An empty catalogue with a head that does not change from day to day."""
    catalog = Catalog(locale=language, project=package.name, domain=package.name, fuzzy=False)
    catalog.header_comment = f"# Texts of {package.name}."
    return catalog


def text_of(catalog: Catalog) -> bytes:
    """A catalogue as it stands in the repository: sorted, without dates."""
    out = io.BytesIO()
    write_po(out, catalog, width=WIDTH, omit_header=True, sort_output=True, ignore_obsolete=True)
    head = [catalog.header_comment, 'msgid ""', 'msgstr ""']
    if catalog.locale is not None:
        head.append(f'"Language: {catalog.locale}\\n"')
        head.append(f'"Plural-Forms: {catalog.plural_forms}\\n"')
    head += ['"MIME-Version: 1.0\\n"', '"Content-Type: text/plain; charset=utf-8\\n"']
    head += ['"Content-Transfer-Encoding: 8bit\\n"', "", ""]
    return "\n".join(head).encode() + out.getvalue()


def read(path: Path, package: Path) -> Catalog:
    """A translation from the repository."""
    with path.open("rb") as stream:
        return read_po(stream, locale=path.parent.parent.name, domain=package.name)


def updated(path: Path, package: Path, template: Catalog) -> Catalog:
    """A translation with today's messages: new ones empty, vanished ones gone, none guessed."""
    old = read(path, package)
    catalog = new_catalog(package, path.parent.parent.name)
    for message in template:
        if message.id:
            known = old.get(message.id, message.context)
            added = catalog.add(message.id, known.string if known else None, context=message.context)
            added.flags = set(message.flags)
    return catalog


class Undated(Catalog):
    """A catalogue whose head says only what gettext needs: no date, no version of a tool."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """Language, encoding and the rule for plurals."""
        return [
            ("Language", str(self.locale)),
            ("Plural-Forms", self.plural_forms),
            ("Content-Type", "text/plain; charset=utf-8"),
        ]


def compiled(catalog: Catalog) -> bytes:
    """A translation as gettext reads it; the same bytes for the same texts."""
    undated = Undated(locale=catalog.locale, fuzzy=False)
    for message in catalog:
        if message.id:
            undated.add(message.id, message.string, context=message.context)
    out = io.BytesIO()
    write_mo(out, undated)
    return out.getvalue()


def update() -> int:
    """Write templates, translations and compiled catalogues anew."""
    for package in packages():
        template = extract(package)
        template_of(package).parent.mkdir(parents=True, exist_ok=True)
        template_of(package).write_bytes(text_of(template))
        for path in translations_of(package):
            path.write_bytes(text_of(updated(path, package, template)))
        print(f"{package.name}: {len(template)} texts")
    return compile_all()


def compile_all() -> int:
    """Write every compiled catalogue."""
    for package in packages():
        for path in translations_of(package):
            path.with_suffix(".mo").write_bytes(compiled(read(path, package)))
    return 0


def check() -> int:
    """Say everything that is out of step; 1 if anything is."""
    problems = [problem for package in packages() for problem in problems_of(package)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("Mend: python tools/i18n.py update, translate what is empty, run it again.", file=sys.stderr)
    return 1 if problems else 0


def problems_of(package: Path) -> Iterator[str]:
    """What is out of step in one package."""
    template = extract(package)
    shown = template_of(package).relative_to(ROOT)
    if not template_of(package).is_file() or template_of(package).read_bytes() != text_of(template):
        yield f"{shown}: not the texts of the sources"
    for path in translations_of(package):
        name = path.relative_to(ROOT)
        catalog = read(path, package)
        if path.read_bytes() != text_of(updated(path, package, template)):
            yield f"{name}: not the texts of {shown}"
        for message in catalog:
            yield from (f"{name}: {first_id(message)!r} {why}" for why in mistakes(message))
        compiled_path = path.with_suffix(".mo")
        if not compiled_path.is_file() or compiled_path.read_bytes() != compiled(catalog):
            yield f"{name.with_suffix('.mo')}: not compiled from {name.name}"


def mistakes(message: Message) -> Iterator[str]:
    """What is wrong with one translation."""
    if not message.id:
        return
    strings = [message.string] if isinstance(message.string, str) else list(message.string or ())
    if not strings or not all(strings):
        yield "is not translated"
    if message.fuzzy:
        yield "is fuzzy"
    ids = [message.id] if isinstance(message.id, str) else list(message.id)
    wanted = placeholders(ids[-1])
    for string in strings:
        if string and placeholders(string) != wanted and placeholders(string) != placeholders(ids[0]):
            yield f"has other placeholders: {string!r}"


def placeholders(text: str) -> list[str]:
    """The `${name}` of a text."""
    return sorted(part.partition("}")[0] for part in text.split("${")[1:])


def add(folder: Path, language: str) -> int:
    """Begin a translation."""
    package = folder.resolve()
    path = package / "locale" / language / "LC_MESSAGES" / f"{package.name}.po"
    if path.exists():
        print(f"{path} exists already", file=sys.stderr)
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text_of(new_catalog(package, language)))
    return update()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("update", "compile", "check"):
        commands.add_parser(name)
    begin = commands.add_parser("add")
    begin.add_argument("package", type=Path)
    begin.add_argument("language")
    options = parser.parse_args()
    if options.command == "add":
        return add(options.package, options.language)
    return {"update": update, "compile": compile_all, "check": check}[options.command]()


if __name__ == "__main__":
    sys.exit(main())
