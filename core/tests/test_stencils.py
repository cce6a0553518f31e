"""Rows made from stencils read as if each had been rendered."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from markupsafe import Markup

from ringstead.web.i18n import Translations
from ringstead.web.renderer import Templates
from ringstead.web.stencils import MOST_KINDS, ListRow, Stencils

ROW = """\
<tal:row i18n:domain="ringstead" define="call_text _('Call ${name}', name=row.called)"><li class="x ${kind.missed}">
<b tal:condition="kind.has_name">${row.name}</b> 100% <a href="/calls/${row.id}" title="${call_text}">${kind.label}</a>
</li></tal:row>
"""


class Kind(NamedTuple):
    """The facts of the row above."""

    missed: str | None = None
    has_name: bool = True
    label: str = "Received"


@pytest.fixture
def stencils(tmp_path: Path) -> Stencils:
    folder = tmp_path / "core"
    folder.mkdir()
    (folder / "row.pt").write_text(ROW)
    return Stencils(Templates({"core": (tmp_path, "ringstead")}, Translations({}).translate))


def scope(**more: Any) -> dict[str, Any]:
    shared = {"icon": None, "num": None, "partner": None, "static": None, "target_language": "en"}
    return {**shared, **more}


def words(**more: str) -> dict[str, str]:
    return {"name": "Ada", "id": "7", "called": "Ada", **more}


def test_words_are_filled_in_and_escaped(stencils: Stencils) -> None:
    stencil = stencils.for_page(scope())
    markup = stencil("core/row.pt", [ListRow(Kind(), words(name="<b>&%s", called='"><script>'))])
    assert "<b>&lt;b&gt;&amp;%s</b> 100% <a" in markup
    assert 'title="Call &#34;&gt;&lt;script&gt;"' in markup
    assert '<li class="x ">' in markup


def test_markup_stays_markup(stencils: Stencils) -> None:
    stencil = stencils.for_page(scope())
    assert "<b><bdi>1</bdi></b>" in stencil(
        "core/row.pt", [ListRow(Kind(), words(name=Markup("<bdi>1</bdi>")))]
    )


def test_each_kind_has_its_own_markup(stencils: Stencils) -> None:
    stencil = stencils.for_page(scope())
    rows = [
        ListRow(Kind(missed="missed", label="Missed"), words()),
        ListRow(Kind(has_name=False), words()),
        ListRow(Kind(missed="missed", label="Missed"), words(name="Bo")),
    ]
    first, second, third = stencil("core/row.pt", rows).split("</li>")[:3]
    assert 'class="x missed"' in first
    assert ">Missed<" in first
    assert "<b>" not in second
    assert "<b>Bo</b>" in third


def test_a_mark_in_a_word_is_only_a_word(stencils: Stencils) -> None:
    stencil = stencils.for_page(scope())
    markup = stencil("core/row.pt", [ListRow(Kind(), words(name="\ue001id\ue002 %(id)s"))])
    assert "<b>\ue001id\ue002 %(id)s</b>" in markup


def test_kinds_are_bounded(stencils: Stencils) -> None:
    stencil = stencils.for_page(scope())
    for number in range(MOST_KINDS + 10):
        stencil("core/row.pt", [ListRow(Kind(label=str(number)), words())])
    assert len(stencils._known) <= MOST_KINDS
    assert ">7</a>" in stencil("core/row.pt", [ListRow(Kind(label="7"), words())])


def test_what_differs_from_reader_to_reader_is_not_known(stencils: Stencils) -> None:
    stencil = stencils.for_page(scope(context="Ada's", fmt="Ada's"))
    row = stencils._templates.get("core/row.pt").filename
    Path(row).with_name("other.pt").write_text("<p>${context}</p>")
    with pytest.raises(NameError):
        stencil("core/other.pt", [ListRow(Kind(), words())])
