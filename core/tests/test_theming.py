"""Brands.

What is refused, what is derived, that every brand keeps its contrast, and that a logo is harmless.
"""

import colorsys
import io
import itertools
import re
import time
from pathlib import Path

import pytest
from PIL import Image

import ringstead.web
from ringstead.theming import NEUTRAL, Brand, BrandCache, InvalidBrand, Logo, LogoRefused, read_logo
from ringstead.theming.color import Rgb, clip, contrast, gamut_map, parse_hex, to_oklch
from ringstead.theming.derive import MEANING, NEUTRALS, PAIRS, THEMES, GamutMap, Theme, contrasts, derive

TOKENS = (Path(next(iter(ringstead.web.__path__))) / "static" / "tokens.css").read_text()


def sweep() -> list[str]:
    """The whole hue circle from pale to black in two saturations, and greys: 340 colours."""
    colors = ["#000000", "#333333", "#808080", "#ffffff"]
    for saturation, lightness, hue in itertools.product(
        (1, 0.6), (0.12, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9), range(0, 360, 15)
    ):
        colors.append(Rgb(*colorsys.hls_to_rgb(hue / 360, lightness, saturation)).hex)
    return colors


def worst(theme: Theme, gamut: GamutMap) -> dict[str, float]:
    ratios: dict[str, float] = {}
    for color in sweep():
        for pair, ratio in contrasts(color, color, theme, gamut).items():
            key = f"{pair.front}/{pair.back}"
            ratios[key] = min(ratio, ratios.get(key, 99))
    return ratios


@pytest.mark.parametrize("gamut", [clip, gamut_map], ids=["as browsers clip", "as CSS Color 4 maps"])
@pytest.mark.parametrize("theme", THEMES)
def test_every_brand_keeps_its_contrast(theme: Theme, gamut: GamutMap) -> None:
    assert len(sweep()) >= 340
    ratios = worst(theme, gamut)
    assert {key: round(ratio, 2) for key, ratio in ratios.items() if ratio < _least(key)} == {}


def _least(key: str) -> float:
    return next(pair.least for pair in PAIRS if f"{pair.front}/{pair.back}" == key)


def test_running_text_reaches_seven_to_one() -> None:
    for theme in THEMES:
        ratios = worst(theme, clip)
        low = {key: ratio for key, ratio in ratios.items() if key.startswith("text") and ratio < 7}
        assert low == {}


def test_accent_and_brand_of_different_hues_keep_their_contrast() -> None:
    for color, accent in zip(sweep(), reversed(sweep()), strict=True):
        Brand(name="Any", color=color, accent=accent)


@pytest.mark.parametrize("name", ["canvas", "text-3", "line-control", "brand-soft", "brand-text"])
def test_numbers_agree_with_the_style_sheet(name: str) -> None:
    line = re.search(rf"--{name}:\s*light-dark\((.*)\);", TOKENS)
    assert line is not None
    tones = re.findall(r"from var\(--brand\) (?:clamp\(([\d., l]+)\)|([\d.]+))", line[1])
    for theme, (clamped, fixed) in zip(THEMES, tones, strict=True):
        made = derive("#0b6068", "#e2562d", theme)[name]
        lightness = to_oklch(made).l
        if fixed:
            assert lightness == pytest.approx(float(fixed), abs=0.006)
        else:
            low, high = float(clamped.split(",")[0]), float(clamped.split(",")[2])
            assert low - 0.006 <= lightness <= high + 0.006


def test_every_colour_token_of_the_style_sheet_is_derived() -> None:
    declared = set(re.findall(r"--([a-z0-9-]+):\s*(?:light-dark|var\(--brand-graphic)", TOKENS))
    assert declared - set(derive("#0b6068", "#e2562d", "light")) == set()
    assert set(NEUTRALS) | set(MEANING) <= declared


def test_colour_arithmetic_against_published_values() -> None:
    red = to_oklch(parse_hex("#f00"))
    assert (red.l, red.c, red.h) == pytest.approx((0.6280, 0.2577, 29.23), abs=0.005)
    assert gamut_map(red).hex == "#ff0000"
    assert contrast(parse_hex("#000"), parse_hex("#fff")) == pytest.approx(21)
    assert contrast(parse_hex("#767676"), parse_hex("#fff")) == pytest.approx(4.54, abs=0.01)


def test_style_sheet_holds_only_checked_values() -> None:
    brand = Brand(name="a } body { display: none", color="#0B6068", accent="#e25", radius=4, font="nunito")
    assert brand.css.startswith(
        ":root { --brand: #0b6068; --brand-accent: #ee2255; --brand-radius: 4px; "
        '--brand-font: "Nunito Variable"; }'
    )
    assert "display" not in brand.css
    assert "@supports not (color: oklch(from red l c h))" in brand.css
    assert '[data-theme="dark"] { --brand-solid: #' in brand.css


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 61),
        ("name", "two\nlines"),
        ("color", "red"),
        ("color", "#12345"),
        ("color", "#0b6068; } * { display: none"),
        ("accent", "rgb(1,2,3)"),
        ("radius", -1),
        ("radius", 17),
        ("font", "Comic Sans"),
        ("support_phone", "call us"),
        ("support_phone", "212 555 0199"),
        ("support_email", "help@"),
        ("support_url", "javascript:alert(1)"),
        ("support_url", "http://help.example"),
        ("sign_in_text", "x" * 161),
        ("mail_sender", "Name <help@example.com>\nBcc: all@example.com"),
    ],
)
def test_wrong_value_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidBrand) as refused:
        Brand.from_mapping({"name": "Harborline", field: value})
    assert set(refused.value.errors) == {field}
    assert field in str(refused.value)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(InvalidBrand) as refused:
        Brand.from_mapping({"colour": "#fff", "radius": "9", "logo": "x.svg"})
    assert set(refused.value.errors) == {"colour", "radius", "name", "logo"}


def test_brand_survives_the_database() -> None:
    drawing = b'<svg viewBox="0 0 8 8"><rect class="l-bg" width="8" height="8"/></svg>'
    brand = Brand.from_mapping({"name": "Harborline", "support_phone": "+12125550199"}, logo=drawing)
    again = Brand.from_mapping(brand.to_mapping())
    assert again == brand
    assert again.digest == brand.digest
    picture = Brand.from_mapping({"name": "Harborline"}, logo=_png(40, 20))
    assert Brand.from_mapping(picture.to_mapping()) == picture
    assert picture.mark == f'<img class="logo" alt="" src="{picture.logo_url("logo")}">'


def test_address_changes_with_what_it_serves() -> None:
    one = Brand(name="Harborline", color="#0b6068")
    assert one.css_url == Brand(name="Harborline", color="#0b6068").css_url
    assert one.css_url != Brand(name="Harborline", color="#0b6069").css_url
    assert one.digest != Brand(name="Marigold", color="#0b6068").digest  # the monogram differs


def test_cache_follows_the_database_and_stands_damage() -> None:
    cache = BrandCache()
    first = cache.get("harborline", {"name": "Harborline"})
    assert cache.get("harborline", {"name": "Harborline"}) is first
    assert cache.get("harborline", {"name": "Changed"}).name == "Changed"
    damaged = cache.get("damaged", {"name": "Damaged", "color": "mauve"})
    assert (damaged.name, damaged.color) == ("Damaged", NEUTRAL.color)
    assert cache.get("worse", {"name": "two\nlines"}) is NEUTRAL


def test_brands_are_remembered_within_a_bound() -> None:
    """However many partners there are, and however large their pictures."""
    cache = BrandCache(size=250_000)
    stored = {slug: {"name": slug.title()} for slug in ("harborline", "marigold", "larkspur")}
    first = {slug: cache.get(slug, stored[slug]) for slug in ("harborline", "marigold")}
    assert all(cache.get(slug, stored[slug]) is brand for slug, brand in first.items())
    cache.get("larkspur", stored["larkspur"])
    assert cache.get("marigold", stored["marigold"]) is first["marigold"]
    assert cache.get("harborline", stored["harborline"]) is not first["harborline"], "the oldest went"
    large = Brand(name="Large", logo=Logo("png", png=_png(40, 40) + bytes(200_000))).to_mapping()
    assert cache.get("large", large).name == "Large", (
        "one that is too heavy to be remembered is read each time"
    )
    assert cache.get("large", large) is not cache.get("large", large)


def _png(width: int, height: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "#e2562d").save(out, kind)
    return out.getvalue()


def test_drawing_is_rebuilt_from_harmless_parts() -> None:
    logo = read_logo(
        b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" id="x" width="28" height="28">'
        b'<title>Our logo</title><!-- made by a person --><g transform="translate(1 2)">'
        b'<path class="l-fg" d="M6 17c2.7 2.6"/></g></svg>'
    )
    assert logo.svg == (
        '<svg class="logo" aria-hidden="true" focusable="false" viewBox="0 0 28 28">'
        '<g transform="translate(1 2)"><path class="l-fg" d="M6 17c2.7 2.6"/></g></svg>'
    )


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<style>*{display:none}</style>",
        "<foreignObject><b/></foreignObject>",
        '<use href="#a"/>',
        '<image href="https://tracker.example/p.png"/>',
        '<a href="https://example.com"><path d="M0 0"/></a>',
        '<path d="M0 0" onclick="alert(1)"/>',
        '<path d="M0 0" style="fill: url(https://tracker.example)"/>',
        '<path d="M0 0" fill="url(#a)"/>',
        '<path d="M0 0" xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#a"/>',
        '<path d="M0 0&quot;/&gt;"/>',
        '<path class="skip" d="M0 0"/>',
        '<animate attributeName="d"/>',
        "<svg/>",
        '<path d="M0 0A1e38 1e38 0 0 0 1e38 1e38"/>',
        '<circle cx="1e6" cy="0" r="4"/>',
        '<g transform="scale(1e9)"><path d="M0 0h1"/></g>',
        "<html:script xmlns:html='http://www.w3.org/1999/xhtml'/>",
        "<g>" * 40 + "</g>" * 40,
        "<path d='M0 0'/>" * 500,
        "",
        "<path d='M0 0'>",
    ],
)
def test_drawing_with_anything_else_is_refused(inside: str) -> None:
    with pytest.raises(LogoRefused):
        read_logo(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{inside}</svg>'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg viewBox='0 0 8 8'><rect/>",
        b"<svg><rect/></svg>",
        b'<svg width="inf" height="nan"><rect/></svg>',
        b'<svg viewBox="0 0 0 0"><rect/></svg>',
        b'<svg viewBox="5"><rect/></svg>',
        b'<!DOCTYPE svg [<!ENTITY a "b">]><svg viewBox="0 0 8 8"><rect/></svg>',
        b'<?xml-stylesheet href="x"?><svg viewBox="0 0 8 8"><rect/></svg>',
        b'<?xml version="1.0" encoding="nonsense"?><svg viewBox="0 0 8 8"><rect/></svg>',
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        b"<svg" + b" " * 600_000 + b"/>",
    ],
)
def test_damaged_or_hostile_file_is_refused(data: bytes) -> None:
    with pytest.raises(LogoRefused, match=r"\w"):
        read_logo(data)


def test_picture_is_written_anew_and_fitted() -> None:
    picture = Image.new("RGB", (1200, 300), "#0b6068")
    out = io.BytesIO()
    picture.save(out, "JPEG", comment=b"where and when it was taken")
    logo = read_logo(out.getvalue())
    with Image.open(io.BytesIO(logo.png)) as made:
        assert (made.format, made.size) == ("PNG", (512, 128))
        assert made.info == {}


def test_picture_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(LogoRefused, match="pixels"):
        read_logo(_png(5000, 4000))


def test_a_drawing_that_takes_for_ever_is_refused() -> None:
    """It is tried in a process of its own: each of these is a layer of the size of the whole."""
    drawing = '<circle cx="4" cy="4" r="4" opacity=".9"/>' * 300
    with pytest.raises(LogoRefused, match="takes too long to draw"):
        read_logo(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{drawing}</svg>'.encode())


def test_a_drawing_is_small_enough_to_stand_in_every_page() -> None:
    drawing = f'<path d="M0 0{"h1v1" * 5000}"/>'
    with pytest.raises(LogoRefused, match="has 20 kB of shapes; at most 16 kB fit"):
        read_logo(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">{drawing}</svg>'.encode())


def test_a_photo_stands_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # "Orientation": the camera was held upright
    out = io.BytesIO()
    Image.new("RGB", (200, 100)).save(out, "JPEG", exif=turned)
    with Image.open(io.BytesIO(read_logo(out.getvalue()).png)) as made:
        assert made.size == (100, 200)


def test_fine_greys_stay_grey() -> None:
    out = io.BytesIO()
    Image.new("I;16", (8, 8), 20_000).save(out, "PNG")
    with Image.open(io.BytesIO(read_logo(out.getvalue()).png)) as made:
        assert made.convert("L").getpixel((4, 4)) == 20_000 // 257


def test_icon_stands_alone() -> None:
    body, kind = Brand(name="Marigold", color="#ffb400").icon
    assert kind == "image/svg+xml"
    assert b"class=" not in body
    assert b'fill="#' in body


@pytest.mark.parametrize(
    "attribute",
    [f'rx="{"1" * 60_000}x"', f'transform="scale(1){" " * 60_000}x"', f'points="{"1" * 60_000}x"'],
)
def test_a_long_wrong_value_in_a_drawing_costs_no_time(attribute: str) -> None:
    began = time.process_time()
    with pytest.raises(LogoRefused, match="value"):
        read_logo(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect {attribute}/></svg>'.encode()
        )
    assert time.process_time() - began < 1
