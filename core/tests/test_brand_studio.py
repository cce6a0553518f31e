"""The brand studio: what is published is everywhere, what cannot be taken is refused, and versions come back."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from ringstead.api.testing import Client, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import AuditEntry, BrandVersion, Partner
from ringstead.theming import read_logo

Make = Callable[..., Any]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect class="l-bg" width="8" height="8"/></svg>'


def png(color: str = "#e2562d", side: int = 96, **more: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), color).save(out, "PNG", **more)
    return out.getvalue()


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner("Harborline Voice")


@pytest.fixture
def studio(tenants: Tenants, partner: Partner, console: Make) -> Client:
    made: Client = console(tenants.staff(partner))
    return made


def form_of(client: Client) -> Any:
    return client.get("/branding").forms["brand"]


def publish(client: Client, status: int = 303, **values: Any) -> Any:
    """Fill the form in and press Publish."""
    form = form_of(client)
    for name, value in values.items():
        form[name] = value
    return form.submit("do", value="save", headers=origin(client), status=status)


def origin(client: Client) -> dict[str, str]:
    return {"Origin": f"http://{client.host}"}


def versions(database: Database, partner: Partner) -> list[BrandVersion]:
    with database.in_partner(partner.id) as session:
        return list(session.scalars(select(BrandVersion).order_by(BrandVersion.id)))


def errors(page: Any) -> str:
    return str(page.html.select_one(".errsum").get_text())


def test_what_is_published_is_on_the_next_page_of_every_portal(
    studio: Client, partner: Partner, visitor: Make
) -> None:
    before = visitor(partner).get("/sign-in")
    publish(
        studio,
        name="Lanternfish",
        color="#7a2fb8",
        accent="#ffb400",
        radius="3",
        font="nunito",
        sign_in_text="We answer.",
        support_phone="+12125550199",
        support_url="https://help.example.com/",
        imprint_url="https://example.com/imprint",
        privacy_url="https://example.com/privacy",
        terms_url="https://example.com/terms",
    )
    page = visitor(partner).get("/sign-in")
    text = page.html.get_text()
    for word in ("Lanternfish", "We answer.", "+1 212 555 0199", "Imprint", "Privacy", "Terms", "Help pages"):
        assert word in text
    sheet = page.html.select("link[rel=stylesheet]")[-1]["href"]
    assert sheet not in before.text
    css = visitor(partner).get(sheet).text
    assert "--brand: #7a2fb8; --brand-accent: #ffb400; --brand-radius: 3px;" in css
    assert "Nunito" in css


def test_the_form_shows_what_is_in_force(studio: Client) -> None:
    publish(studio, name="Lanternfish", color="#7a2fb8", radius="3", mail_sender="Help <help@example.com>")
    form = form_of(studio)
    assert form["name"].value == "Lanternfish"
    assert form["color"].value == "#7a2fb8"
    assert form["radius"].value == "3"
    assert form["mail_sender"].value == "Help <help@example.com>"


def test_a_preview_changes_nothing_and_keeps_what_was_typed(
    studio: Client, partner: Partner, database: Database
) -> None:
    form = form_of(studio)
    form["name"] = "Lanternfish"
    form["color"] = "#7a2fb8"
    page = form.submit("do", value="preview", headers=origin(studio))
    assert page.forms["brand"]["color"].value == "#7a2fb8"
    assert page.html.select_one("#draft-state").get_text(strip=True) == "Draft"
    names = [one.get_text() for one in page.html.select(".preview .brandmark span:not(.count)")]
    assert set(names) == {"Lanternfish"}
    sheet = studio.get(page.html.select_one("#preview link[rel=stylesheet]")["href"])
    assert sheet.content_type == "text/css"
    assert "[data-draft] { --brand: #7a2fb8;" in sheet.text
    assert form_of(studio)["name"].value == "Harborline Voice"
    assert versions(database, partner) == []


def test_the_preview_shows_sign_in_home_mail_phone_and_dark(studio: Client) -> None:
    page = studio.get("/branding").html
    titles = [one["aria-label"] for one in page.select("#preview .preview")]
    assert titles == ["Home, light", "Home, dark", "Sign-in, light", "Sign-in, dark", "Mail", "Phone"]
    assert [one["data-theme"] for one in page.select("#preview .preview")][:4] == ["light", "dark"] * 2


def test_with_htmx_only_the_preview_comes_back(studio: Client) -> None:
    page = studio.post_form(
        "/branding",
        {"name": "Lanternfish", "color": "#12", "radius": "3", "font": "inter"},
        headers={"HX-Request": "true"},
    )
    assert page.html.select_one("#preview") is not None
    assert page.html.find("form") is None
    assert page.html.select_one("#draft-state")["hx-swap-oob"] == "true"
    assert "Brand colour: must be a colour of the form #rrggbb" in page.html.get_text()


def test_an_example_fills_the_colours_in(studio: Client) -> None:
    page = form_of(studio).submit("example", value="#c8102e,#14213d", headers=origin(studio))
    form = page.forms["brand"]
    assert (form["color"].value, form["accent"].value) == ("#c8102e", "#14213d")


def test_a_pale_colour_is_adjusted_and_a_nearest_one_offered(studio: Client) -> None:
    form = form_of(studio)
    form["color"] = "#ffb400"
    page = form.submit("do", value="preview", headers=origin(studio))
    offered = page.html.select_one("button[name=use_color]")["value"]
    assert "#ffb400 is adjusted on light pages" in page.html.get_text()
    assert page.html.select_one("#readability-title + .badge").get_text(strip=True) == "All pass"
    taken = page.forms["brand"].submit("use_color", value=offered, headers=origin(studio))
    assert taken.forms["brand"]["color"].value == offered
    assert taken.html.select_one("button[name=use_color]") is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "Portal name: is missing"),
        ("color", "mauve", "Brand colour: must be a colour"),
        ("accent", "#12345", "Accent: must be a colour"),
        ("support_phone", "call us", "Support number: must be an international number"),
        ("support_email", "help@", "Support email: must be an e-mail address"),
        ("privacy_url", "javascript:alert(1)", "Privacy: must be an address starting https://"),
        ("mail_sender", "nobody", "Mail sender: must be address@host"),
        ("sign_in_text", "x" * 161, "Line on the sign-in page: has 161 characters"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_saved(
    studio: Client, partner: Partner, database: Database, field: str, value: str, said: str
) -> None:
    page = publish(studio, status=422, **{field: value})
    assert said in errors(page)
    assert page.forms["brand"][field].value == value
    assert page.html.select_one(f"#{field}")["aria-invalid"] == "true"
    assert versions(database, partner) == []


def send_file(client: Client, name: str, data: bytes, status: int = 303) -> Any:
    form = form_of(client)
    values = [
        (key, value) for key, value in form.submit_fields() if key not in ("logo", "logo_dark", "favicon")
    ]
    return client.post(
        "/branding",
        [*values, ("do", "save")],
        upload_files=[(name, "picture.png", data)],
        headers=origin(client),
        status=status,
    )


def test_pictures_are_written_anew_and_served(studio: Client, partner: Partner, visitor: Make) -> None:
    send_file(studio, "logo", SVG)
    send_file(studio, "logo_dark", png("#ffffff"))
    send_file(studio, "favicon", png("#0b6068"))
    page = visitor(partner).get("/sign-in").html
    mark = page.select_one(".brandmark")
    assert mark.select_one("svg.for-light rect.l-bg")
    dark = visitor(partner).get(mark.select_one("img.for-dark")["src"])
    assert dark.content_type == "image/png"
    with Image.open(io.BytesIO(dark.body)) as picture:
        assert picture.info == {}
    icon = visitor(partner).get(page.select_one("link[rel=icon]")["href"])
    assert icon.content_type == "image/png"


def test_a_picture_can_be_taken_away(studio: Client, partner: Partner, visitor: Make) -> None:
    send_file(studio, "logo", png())
    assert visitor(partner).get("/sign-in").html.select_one(".brandmark img")
    publish(studio, remove_logo=True)
    assert visitor(partner).get("/sign-in").html.select_one(".brandmark img") is None


def test_a_picture_in_a_draft_is_shown_and_asked_for_again(studio: Client) -> None:
    form = form_of(studio)
    values = [
        (key, value) for key, value in form.submit_fields() if key not in ("logo", "logo_dark", "favicon")
    ]
    page = studio.post(
        "/branding",
        [*values, ("do", "preview")],
        upload_files=[("logo", "picture.png", png())],
        headers=origin(studio),
    )
    assert page.html.select_one(".preview img.logo")["src"].startswith("data:image/png;base64,")
    assert "Choose the file again" in page.html.get_text()


def polyglots() -> dict[str, bytes]:
    out = io.BytesIO()
    Image.new("P", (8, 8)).save(out, "GIF")
    jpeg = io.BytesIO()
    Image.new("RGB", (8, 8)).save(jpeg, "JPEG", comment=b"<script>alert(1)</script>")
    return {
        "an archive behind": png() + b"PK\x03\x04\x14" + b"\0" * 40 + b"archive",
        "a page behind": png() + b"<html><script>alert(1)</script></html>",
        "a script in a GIF": out.getvalue() + b"/*' or 1=1;*/",
        "a page in a comment": jpeg.getvalue(),
    }


HOSTILE = {
    "a script in a drawing": b'<svg viewBox="0 0 8 8"><script>alert(1)</script></svg>',
    "an event in a drawing": b'<svg viewBox="0 0 8 8"><path d="M0 0" onload="a()"/></svg>',
    "an entity in a drawing": b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg viewBox="0 0 8 8"/>',
    "no picture": b"MZ\x90\0 not a picture",
    "more than it may have": b"\x89PNG\r\n\x1a\n" + b"\0" * (513 * 1024),
    **polyglots(),
}


@pytest.mark.parametrize("what", sorted(HOSTILE))
@pytest.mark.parametrize("field", ["logo", "favicon"])
def test_a_hostile_file_is_refused(
    studio: Client, partner: Partner, database: Database, field: str, what: str
) -> None:
    page = send_file(studio, field, HOSTILE[what], status=422)
    assert page.html.select_one(f"#{field}-error") is not None
    assert versions(database, partner) == []


def test_a_hundred_megapixels_are_refused_before_they_are_decoded(studio: Client) -> None:
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    assert len(out.getvalue()) < 512 * 1024
    page = send_file(studio, "logo", out.getvalue(), status=422)
    assert "more than 4 million pixels" in errors(page)


def test_the_trail_tells_one_picture_from_another(
    studio: Client, partner: Partner, database: Database
) -> None:
    send_file(studio, "logo", png())
    send_file(studio, "logo", png(9))
    with database.in_partner(partner.id) as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "brand.saved").order_by(AuditEntry.at)
        ).all()
    old, new = entries[-1].detail["changed"]["logo"]
    assert old.startswith("png ")
    assert new.startswith("png ")
    assert old != new


def test_enter_in_a_field_publishes_nothing(studio: Client) -> None:
    """Browsers take the first button of a form."""
    buttons = studio.get("/branding").html.select("#brand button[type=submit], button[form=brand]")
    assert buttons[0]["value"] == "preview"


def test_a_line_that_was_broken_is_one_line(studio: Client, partner: Partner, visitor: Make) -> None:
    publish(studio, sign_in_text="Every call\r\nfinds you.")
    assert "Every call finds you." in visitor(partner).get("/sign-in").text


def test_versions_are_kept_and_brought_back(
    studio: Client, partner: Partner, database: Database, visitor: Make
) -> None:
    send_file(studio, "logo", SVG)
    publish(studio, name="Second", remove_logo=True)
    publish(studio, name="Third")
    page = studio.get("/branding")
    rows = page.html.select("#versions li")
    assert ["In force" in row.get_text() for row in rows] == [True, False, False, False]
    assert "Tansy Example" in rows[0].get_text()
    assert "As it stood before" in rows[3].get_text()
    first = rows[2].select_one("input[name=version]")["value"]
    studio.post_form("/branding", {"do": "restore", "version": first}, status=303)
    page = visitor(partner).get("/sign-in")
    assert "Harborline Voice" in page.text
    assert page.html.select_one(".brandmark svg rect.l-bg")
    kept = versions(database, partner)
    assert [one.note for one in kept] == ["found", "", "", "", "restored"]
    assert kept[1].brand == kept[4].brand


def test_versions_are_paged(studio: Client) -> None:
    for number in range(13):
        publish(studio, name=f"Name {number}")
    page = studio.get("/branding")
    assert len(page.html.select("#versions li")) == 12
    older = studio.get(page.html.select_one("#versions a[rel=next]")["href"].partition("#")[0])
    assert len(older.html.select("#versions li")) == 2
    assert "In force" not in older.html.select_one("#versions").get_text()


def test_nobody_brings_back_anothers_version(
    studio: Client, tenants: Tenants, console: Make, database: Database, partner: Partner
) -> None:
    publish(studio, name="Second")
    theirs = versions(database, partner)[0].id
    stranger = console(tenants.staff(tenants.partner()))
    stranger.post_form("/branding", {"do": "restore", "version": str(theirs)}, status=404)
    stranger.post_form("/branding", {"do": "restore", "version": "nonsense"}, status=404)
    stranger.get(f"/branding?before={theirs}", status=200)


def test_publishing_what_stands_changes_nothing(studio: Client, partner: Partner, database: Database) -> None:
    publish(studio, name="Second")
    publish(studio)
    assert len(versions(database, partner)) == 2


def test_two_at_once_do_not_overwrite_each_other_unseen(
    studio: Client, tenants: Tenants, partner: Partner, console: Make, database: Database
) -> None:
    slow = form_of(studio)
    publish(console(tenants.staff(partner)), name="Quick")
    slow["name"] = "Slow"
    page = slow.submit("do", value="save", headers=origin(studio), status=422)
    assert "Somebody changed the brand meanwhile" in page.text
    page.forms["brand"].submit("do", value="save", headers=origin(studio), status=303)
    assert [one.brand["name"] for one in versions(database, partner)] == ["Harborline Voice", "Quick", "Slow"]


def test_each_change_is_in_the_audit_trail(studio: Client, partner: Partner, database: Database) -> None:
    publish(studio, name="Second", color="#7a2fb8")
    with database.in_partner(partner.id) as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "brand.saved")).all()
    assert entry.target == "Second"
    assert entry.actor_name == "Tansy Example"
    assert "#7a2fb8" in str(entry.detail)
    assert "Changed the brand" in studio.get("/audit").text


def test_support_may_not(tenants: Tenants, partner: Partner, console: Make) -> None:
    client = console(tenants.staff(partner, "partner_support"))
    client.get("/branding", status=403)
    client.post_form("/branding", {"do": "save"}, status=403)
    assert "/branding" not in [link["href"] for link in client.get("/").html.select(".nav a")]


def test_a_draft_sheet_takes_nothing_but_values(studio: Client) -> None:
    good = "color=%230b6068&accent=%230b6068&radius=9&font=inter"
    assert studio.get(f"/branding/draft.css?{good}").status_int == 200
    for wrong in ("color=red", "radius=-1", "radius=99999", "font=x%3B", "accent=%23fff%7D"):
        name = wrong.partition("=")[0]
        query = "&".join([*(part for part in good.split("&") if not part.startswith(name)), wrong])
        studio.get(f"/branding/draft.css?{query}", status=404)


def test_languages_are_those_that_the_brand_offers(studio: Client, partner: Partner, visitor: Make) -> None:
    form = form_of(studio)
    boxes = [box for box in form.fields["languages"] if box._value == "de"]
    boxes[0].checked = True
    form.submit("do", value="save", headers=origin(studio), status=303)
    client = visitor(partner)
    assert client.get("/sign-in").html.html["lang"] == "de"
    client.get("/language/en", status=404)
    assert client.get("/sign-in").html.select(".auth-foot a") == []


def test_the_manifest_is_the_brands(studio: Client, partner: Partner, visitor: Make) -> None:
    publish(studio, name="Lanternfish Telephony", color="#7a2fb8")
    send_file(studio, "favicon", png("#7a2fb8"))
    client = visitor(partner)
    page = client.get("/sign-in").html
    answer = client.get(page.select_one("link[rel=manifest]")["href"])
    assert answer.content_type == "application/manifest+json"
    manifest = answer.json
    assert (manifest["name"], manifest["short_name"]) == ("Lanternfish Telephony", "Lanternfish")
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        with Image.open(io.BytesIO(client.get(icon["src"]).body)) as picture:
            assert f"{picture.width}x{picture.height}" == icon["sizes"]
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    apple = client.get(page.select_one("link[rel=apple-touch-icon]")["href"])
    assert apple.content_type == "image/png"
    for text in (answer.text, str(page)):
        assert "ringstead" not in text.lower()


def test_a_drawing_with_much_in_it_is_small_in_a_preview() -> None:
    logo = read_logo(png(side=2000))
    assert len(logo.draft_url) < 64 * 1024
