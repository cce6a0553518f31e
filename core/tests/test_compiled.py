"""Compiled templates outlive the process; what is wrong with the folder costs time and nothing else."""

from pathlib import Path

import pytest

from ringstead.web.i18n import Translations
from ringstead.web.renderer import Template, Templates


def templates(folder: Path, text: str = "<p>${word}</p>") -> Templates:
    (folder / "core").mkdir(exist_ok=True)
    (folder / "core" / "page.pt").write_text(text)
    roots = {"core": (folder, "ringstead")}
    return Templates(roots, Translations({}).translate, compiled=folder / "var" / "templates")


def shown(made: Templates) -> str:
    return str(made.render("core/page.pt", {"partner": None}, {"word": "yes"}))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Template]:
    """The templates that were really compiled."""
    seen: list[Template] = []
    compile_template = Template._compile

    def spy(self: Template, *args: object) -> object:
        seen.append(self)
        return compile_template(self, *args)

    monkeypatch.setattr(Template, "_compile", spy)
    return seen


def test_a_second_process_compiles_nothing(tmp_path: Path, compiled: list[Template]) -> None:
    assert shown(templates(tmp_path)) == "<p>yes</p>"
    assert shown(templates(tmp_path)) == "<p>yes</p>"
    assert len(compiled) == 1


def test_another_text_is_another_template(tmp_path: Path, compiled: list[Template]) -> None:
    shown(templates(tmp_path))
    assert shown(templates(tmp_path, "<b>${word}</b>")) == "<b>yes</b>"
    assert len(compiled) == 2


@pytest.mark.parametrize("rest", [b"", b"def initialize(", b"\x00\xff"])
def test_half_a_file_is_compiled_again(tmp_path: Path, compiled: list[Template], rest: bytes) -> None:
    text = f"<i>${{word}}{len(rest)}</i>"
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "page.pt").write_text(text)
    probe = Template(tmp_path / "core" / "page.pt", "ringstead", Translations({}).translate, False, None)
    names = sorted({**probe.builtins, **probe.extra_builtins})
    kept = tmp_path / "var" / "templates" / probe._get_module_name(probe.digest(text, names))
    kept.parent.mkdir(parents=True)
    kept.write_bytes(rest)
    assert shown(templates(tmp_path, text)) == f"<i>yes{len(rest)}</i>"
    assert len(compiled) == 1


def test_without_a_folder_each_process_compiles(tmp_path: Path, compiled: list[Template]) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    assert shown(templates(tmp_path, "<u>${word}</u>")) == "<u>yes</u>"
    assert len(compiled) == 1
