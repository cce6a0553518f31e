"""Languages.

The choice of a locale, what texts, times and numbers look like, and that nothing stays untranslated.
"""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ringstead.api.testing import Client, Tenants
from ringstead.web.formats import Formats, format_number_e164, number_tag, person_initials
from ringstead.web.i18n import CORE_LOCALE, Translations, choose_locale, messages, plurals, text_direction
from ringstead.web.pseudo import pseudo, untranslated

_ = messages("ringstead")
NOW = datetime(2026, 11, 24, 9, 41, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 22, 18, 44, tzinfo=UTC)


@pytest.fixture(scope="module")
def translations() -> Translations:
    return Translations({"ringstead": CORE_LOCALE})


@pytest.fixture
def formats(translations: Translations) -> Callable[..., Formats]:
    """Formats of a reader at NOW."""

    def make(locale: str = "en-GB", zone: str = "Europe/London") -> Formats:
        return Formats(locale, ZoneInfo(zone), translations.translate, lambda: NOW)

    return make


@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        ({}, "en"),
        ({"partner": "de"}, "de"),
        ({"organization": "de", "partner": "en"}, "de"),
        ({"accept_language": "de-AT,de;q=0.9,en;q=0.5", "organization": "en"}, "de-AT"),
        ({"accept_language": "fr;q=0.9, xx, en-GB;q=0.3"}, "en-GB"),
        ({"subscriber": "de", "accept_language": "en"}, "de"),
        ({"cookie": "de", "accept_language": "en"}, "de"),
        ({"subscriber": "tlh", "cookie": "../../etc", "accept_language": "*;q=x,\x00,de;q=0"}, "en"),
        ({"accept_language": "," * 5000}, "en"),
        ({"accept_language": "eN_gB"}, "en-GB"),
        ({"accept_language": "en@x1, en.x2, en-x-3, de;q=0.1"}, "de"),
        ({"cookie": "de-AT@<b>"}, "en"),
    ],
)
def test_locale_is_the_first_wish_with_a_catalogue(wishes: dict[str, str], chosen: str) -> None:
    assert choose_locale(("de", "en"), **wishes) == chosen


def test_message_is_translated_and_filled(translations: Translations) -> None:
    greeting = _("Good morning, ${name}", name="Juno")
    assert translations.translate(greeting, target_language="en") == "Good morning, Juno"
    assert translations.translate(greeting, target_language="de-AT") == "Guten Morgen, Juno"
    assert translations.translate(greeting, target_language="fr") == "Good morning, Juno"


def test_message_inside_a_message_is_translated_too(translations: Translations) -> None:
    text = _("${day}, ${time}", day=_("Today"), time="9:41")
    assert translations.translate(text, target_language="de") == "Heute, 9:41"


def test_plural_is_translated(translations: Translations) -> None:
    ngettext = plurals("ringstead")
    shown = [
        translations.translate(ngettext("${n} thing to fix", "${n} things to fix", n), target_language="de")
        for n in (1, 2)
    ]
    assert shown == ["1 Angabe zu verbessern", "2 Angaben zu verbessern"]


def test_data_passes_untouched(translations: Translations) -> None:
    for value in ("Today", 12, None, NOW):
        assert translations.translate(value, target_language="de") is value


def test_days_read_as_people_say_them(formats: Callable[..., Formats]) -> None:
    british, german = formats(), formats("de", "Europe/Berlin")
    assert [british.day(NOW), british.day(SUNDAY)] == ["Today", "Sunday 22 November"]
    assert [german.day(date(2026, 11, 23)), german.day(SUNDAY)] == ["Gestern", "Sonntag, 22. November"]
    assert british.day(date(2025, 12, 31)) == "Wednesday, 31 December 2025"
    assert formats("en").day(SUNDAY) == "Sunday, November 22"
    assert german.date_time(SUNDAY) == "Sonntag, 22. November, 19:44"
    assert [british.short(NOW), british.short(SUNDAY)] == ["09:41", "22 Nov"]


def test_times_stand_in_the_readers_zone(formats: Callable[..., Formats]) -> None:
    assert formats().time(SUNDAY) == "18:44"
    assert formats("en", "America/New_York").time(SUNDAY) == "1:44\u00a0PM"
    assert formats("en", "Asia/Kolkata").day(datetime(2026, 11, 23, 20, 0, tzinfo=UTC)) == "Today"
    assert formats().iso(SUNDAY.astimezone(ZoneInfo("Asia/Tokyo"))) == "2026-11-22T18:44:00Z"
    with pytest.raises(ValueError, match="zone"):
        formats().time(datetime(2026, 1, 1))


def test_durations_and_counts(formats: Callable[..., Formats]) -> None:
    fmt = formats()
    assert [fmt.duration(s) for s in (None, 0, 9, 252, 3723)] == ["–", "0:00", "0:09", "4:12", "1:02:03"]
    assert [fmt.duration_words(s) for s in (22, 252, 3723)] == ["22 secs", "4 mins", "1 hr 2 mins"]
    assert [fmt.count(12345), formats("de").count(12345)] == ["12,345", "12.345"]


def test_telephone_numbers_are_grouped_and_others_left_alone() -> None:
    assert format_number_e164("+12125550158") == "+1 212 555 0158"
    assert format_number_e164("+12125550158", "national") == "(212) 555-0158"
    assert format_number_e164("+442079460958") == "+44 20 7946 0958"
    assert [format_number_e164(text) for text in ("214", "*72", "anonymous", "+", "+x")] == [
        "214",
        "*72",
        "anonymous",
        "+",
        "+x",
    ]
    assert number_tag("<b>") == '<span class="num" dir="ltr">&lt;b&gt;</span>'


def test_direction_and_initials() -> None:
    assert [text_direction(tag) for tag in ("en", "ar", "he-IL", "nonsense")] == ["ltr", "rtl", "rtl", "ltr"]
    assert [person_initials(name) for name in ("Juno Birdsong", "Ada", "Jo van der Berg", "")] == [
        "JB",
        "A",
        "JB",
        "",
    ]


def test_made_up_locale_is_longer_and_keeps_placeholders() -> None:
    shown = pseudo("Call ${name} <b>now</b>")
    assert shown.startswith("[Ćȧĺĺ ${name} <b>ńőŵ</b>")
    assert len(pseudo("Search calls")) >= len("Search calls") * 1.4
    assert pseudo(" ") == " "


def test_finder_finds_what_was_not_translated() -> None:
    page = (
        '<title>[Ħőḿḗ ~] · Harborline</title><p title="Plain">[Ťėẋť ~] <b>left</b> <i translate="no">Juno</i></p>'
        '<time>Today</time><span class="num">CLIR</span><img alt="[x ~]"><input type="submit" value="Send">'
    )
    assert untranslated(page, ["Harborline"]) == ["Plain", "left", "Send"]


def test_catalogues_are_in_step() -> None:
    tool = Path(__file__).resolve().parents[2] / "tools" / "i18n.py"
    done = subprocess.run([sys.executable, str(tool), "check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def pseudo_app(app_with: Callable[..., Any]) -> Any:
    """The application in the made-up locale."""
    return app_with(pseudo_locale=True)


PORTAL_PAGES = (
    "/",
    "/home/arrange",
    "/search",
    "/search?q=zz",
    "/search?q=a",
    "/more",
    "/account",
    "/nowhere",
)


@pytest.mark.parametrize("path", PORTAL_PAGES)
def test_no_text_of_the_portal_is_left_untranslated(
    path: str, pseudo_app: Any, tenants: Tenants, portal: Callable[..., Client]
) -> None:
    person = tenants.person(tenants.organization(), "Zaphira Quill")
    page = portal(person, pseudo_app).get(path, headers={"Accept": "text/html"}, status="*")
    assert untranslated(page.text, [person.partner.name, person.account.email, "Zaphira Quill"]) == []


@pytest.mark.parametrize("path", ["/sign-in", "/forgot", "/reset/unknown"])
def test_no_text_for_visitors_is_left_untranslated(
    path: str, pseudo_app: Any, tenants: Tenants, visitor: Callable[..., Client]
) -> None:
    partner = tenants.partner("Harborline")
    page = visitor(partner, app=pseudo_app).get(path, headers={"Accept": "text/html"}, status="*")
    assert untranslated(page.text, ["Harborline"]) == []


def test_page_speaks_the_browsers_language(tenants: Tenants, portal: Callable[..., Client]) -> None:
    client = portal(tenants.person(tenants.organization(), "Juno Birdsong"))
    page = client.get("/more", headers={"Accept-Language": "de-AT"})
    assert page.html.html["lang"] == "de-AT"
    assert page.html.h1.text == "Mehr"


def test_visitor_chooses_a_language(tenants: Tenants, visitor: Callable[..., Client]) -> None:
    client = visitor(tenants.partner())
    assert client.get("/language/de?next=/sign-in").headers["Location"].endswith("/sign-in")
    assert client.get("/sign-in").html.h1.text == "Anmelden"
    assert client.get("/language/de?next=//evil.example").headers["Location"].endswith(".test/")
    client.get("/language/xx", status=404)
