"""Whatever colours a partner chooses: every text can be read on every ground, in both themes, or it is refused."""

import random
from collections.abc import Callable
from itertools import product
from typing import Final

import pytest

from ringstead.api.testing import Client, Tenants
from ringstead.theming import FONTS, Brand, InvalidBrand, LogoRefused, read_logo
from ringstead.theming import derive as module
from ringstead.theming.color import Oklch, clip, contrast, gamut_map, parse_hex, to_oklch
from ringstead.theming.derive import THEMES, GamutMap, derive
from ringstead.theming.readability import readability
from ringstead.theming.repair import on_white, readable_as_given
from ringstead.theming.values import MAX_RADIUS

LEAST: Final = 4.5
BRANDS: Final = 1000
TEXTS: Final = ("text", "text-2", "text-3", "brand-text", "accent-text", "ok", "warn", "danger")
GROUNDS: Final = (
    *("canvas", "bg", "surface", "raised", "sunken", "hover", "brand-soft", "brand-soft-hover"),
    *("accent-soft", "ok-soft", "warn-soft", "danger-soft"),
)
LABELS: Final = (
    ("on-brand", "brand-solid"),
    ("on-brand", "brand-solid-hover"),
    ("on-accent", "accent-solid"),
    ("on-danger", "danger-solid"),
)
# More than any page shows: every text there is, on every ground there is.
PAIRS: Final = (*product(TEXTS, GROUNDS), *LABELS)


def brands() -> list[Brand]:
    """A thousand brands that chance makes, the same ones each time."""
    chance = random.Random(20261127)

    def color() -> str:
        return f"#{chance.randrange(1 << 24):06x}"

    return [
        Brand(
            name=f"Brand {number}",
            color=color(),
            accent=chance.choice(("", color())),
            radius=chance.randint(0, MAX_RADIUS),
            font=chance.choice(list(FONTS)),
        )
        for number in range(BRANDS)
    ]


@pytest.mark.parametrize("gamut", [clip, gamut_map], ids=["as browsers clip", "as CSS Color 4 maps"])
def test_every_text_of_a_thousand_brands_can_be_read_on_every_ground(gamut: GamutMap) -> None:
    faint = {}
    for brand, theme in product(brands(), THEMES):
        tokens = derive(brand.color, brand.accent, theme, gamut)
        for front, back in PAIRS:
            ratio = contrast(tokens[front], tokens[back])
            if ratio < LEAST:
                faint[brand.color, brand.accent, theme, front, back] = round(ratio, 2)
    assert faint == {}


def test_the_grounds_and_texts_are_all_there_are() -> None:
    known = {name for pair in PAIRS for name in pair}
    shapes = {name for name in derive("#0b6068", "#e2562d", "light") if name.endswith(("-graphic", "-line"))}
    lines = {"line", "line-strong", "line-control", "focus"}
    assert set(derive("#0b6068", "#e2562d", "light")) - shapes - lines == known


def test_the_table_of_the_studio_passes_for_all_of_them() -> None:
    for brand in brands()[:100]:
        assert all(line.passes for line in readability(brand))


@pytest.mark.parametrize("color", ["#ffb400", "#9be564", "#ffffff", "#00ffff", "#e2562d"])
def test_the_nearest_readable_colour_keeps_its_hue(color: str) -> None:
    nearest = readable_as_given(color)
    assert on_white(nearest) >= LEAST
    before, after = to_oklch(parse_hex(color)), to_oklch(parse_hex(nearest))
    assert after.l <= before.l
    if before.c > 0.02 and after.c > 0.02:
        assert abs((before.h - after.h + 180) % 360 - 180) < 8


def test_what_can_be_read_is_left_as_it_is() -> None:
    assert readable_as_given("#0b6068") == "#0b6068"


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A derivation that paints buttons in the very colour that was given."""
    held = module._solid

    def solid(color: Oklch, light: bool, ceiling: float) -> Oklch:
        return color if light else held(color, light, ceiling)

    monkeypatch.setattr(module, "_solid", solid)


def to_rgb(lightness: float) -> str:
    return gamut_map(Oklch(lightness, 0.13, 50)).hex


# Too light for a white label and too dark for ink.
BETWEEN: Final = to_rgb(0.645)


def test_a_brand_that_cannot_be_read_cannot_be_made(careless: None) -> None:
    with pytest.raises(InvalidBrand) as refused:
        Brand(name="Faint", color=BETWEEN)
    assert "words would reach only" in refused.value.errors["color"]
    assert Brand(name="Readable", color=refused.value.offers["color"])


def test_the_accent_is_blamed_for_what_is_its_own(careless: None) -> None:
    with pytest.raises(InvalidBrand) as refused:
        Brand(name="Faint", color="#0b6068", accent=BETWEEN)
    assert set(refused.value.errors) == {"accent"}
    assert Brand(name="Readable", color="#0b6068", accent=refused.value.offers["accent"])
    with pytest.raises(InvalidBrand) as both:
        Brand(name="Faint", color=to_rgb(0.64), accent=BETWEEN)
    assert set(both.value.errors) == {"color", "accent"}
    offers = both.value.offers
    assert Brand(name="Readable", color=offers["color"], accent=offers["accent"])


def test_and_is_refused_when_it_is_published_with_one_that_would_do(
    tenants: Tenants, console: Callable[..., Client], careless: None
) -> None:
    client = console(tenants.staff(tenants.partner("Harborline Voice")))
    form = client.get("/branding").forms["brand"]
    form["color"] = BETWEEN
    headers = {"Origin": f"http://{client.host}"}
    page = form.submit("do", value="save", headers=headers, status=422)
    assert "words would reach only" in page.html.select_one(".errsum").get_text()
    offered = page.html.select_one("#color-error ~ .row button")["value"]
    page = page.forms["brand"].submit("use_color", value=offered, headers=headers, status=200)
    assert page.forms["brand"]["color"].value == offered


def test_a_faint_logo_is_pointed_out_and_taken() -> None:
    pale = read_logo(b'<svg viewBox="0 0 8 8"><rect width="8" height="8" fill="#fefefe"/></svg>')
    line = readability(Brand(name="Pale", logo=pale))[-1]
    assert (str(line.title), line.passes, line.is_firm) == ("Logo", False, False)
    assert line.light < 1.1
    black = read_logo(b'<svg viewBox="0 0 8 8"><rect width="8" height="8"/></svg>')
    both = Brand(name="Both", logo=black, logo_dark=pale)
    assert readability(both)[-1].passes


@pytest.mark.parametrize("seed", range(40))
def test_no_bytes_that_chance_makes_are_more_than_refused(seed: int) -> None:
    chance = random.Random(seed)
    heads = (b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0", b"RIFF\x10\0\0\0WEBP", b"<svg ", b"")
    data = chance.choice(heads) + chance.randbytes(chance.randrange(2000))
    with pytest.raises(LogoRefused):
        read_logo(data)
