"""Chromium computes from the style sheet the colours that we compute for contrast."""

import itertools
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import ringstead.web
from ringstead.theming import Brand
from ringstead.theming.color import clip
from ringstead.theming.derive import THEMES, derive

pytestmark = pytest.mark.browser
TOKENS = (Path(next(iter(ringstead.web.__path__))) / "static" / "tokens.css").read_text()
READ_TOKENS = """(names) => {
  const context = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
  const probe = document.createElement('i');
  document.body.append(probe);
  return Object.fromEntries(names.map((name) => {
    probe.style.color = `var(--${name})`;
    context.fillStyle = getComputedStyle(probe).color;
    context.clearRect(0, 0, 1, 1);
    context.fillRect(0, 0, 1, 1);
    return [name, [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)];
  }));
}"""


def test_browser_paints_what_we_compute(browser: Browser) -> None:
    """The formulas in Python and in the style sheet are the same, token by token, for easy and hard brands."""
    # Greys are left out: their hue is nobody's, and browsers choose another one than we do.
    brands = [("#0b6068", "#e2562d"), ("#ffb400", "#7a2fb8"), ("#00ff00", "#ff00ff"), ("#00002e", "#fff0f5")]
    for theme, (color, accent) in itertools.product(THEMES, brands):
        page = browser.new_page(color_scheme=theme)
        page.add_style_tag(content=TOKENS)
        page.add_style_tag(content=Brand(name="Any", color=color, accent=accent).css)
        expected = derive(color, accent, theme, clip)
        painted = page.evaluate(READ_TOKENS, list(expected))
        page.close()
        for name, rgb in expected.items():
            wanted = [round(channel * 255) for channel in rgb]
            apart = max(abs(a - b) for a, b in zip(wanted, painted[name], strict=True))
            assert apart <= 2, (theme, color, name, wanted, painted[name])
