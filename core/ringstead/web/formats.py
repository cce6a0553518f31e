"""Dates, times, durations and telephone numbers as a person reads them, in their locale and time zone.

Everything is cached by what it shows (a minute of the day, a date, a number), because a list shows the same
few values again and again and Babel's formatting is dear beside a page.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from babel import dates, numbers, units
from markupsafe import Markup, escape

from ringstead.web.i18n import messages, parse_locale

_ = messages("ringstead")
NumberStyle = Literal["international", "national"]
# ITU-T E.123 writes international numbers with spaces; some regions' metadata brings hyphens.
_E123: Final = str.maketrans("-", " ")
NO_DURATION: Final = "–"


@lru_cache(maxsize=20_000)
def format_time(locale: str, hour: int, minute: int) -> str:
    """`17:12` or `5:12 PM`, as `locale` writes it."""
    moment = datetime(2000, 1, 1, hour, minute)
    # Babel puts a narrow no-break space before AM and PM; the fonts of some systems lack it.
    return dates.format_time(moment, "short", locale=_babel(locale)).replace("\u202f", "\u00a0")


@lru_cache(maxsize=20_000)
def format_day(locale: str, day: date, with_year: bool = False) -> str:
    """`Sunday, 22 November` in the locale's order; with the year if it is not the present one."""
    if with_year:
        return dates.format_date(day, "full", locale=_babel(locale))
    return str(dates.format_date(day, _day_pattern(locale), locale=_babel(locale)))


@lru_cache(maxsize=256)
def _day_pattern(locale: str) -> str:
    """The locale's pattern for weekday, day and month, in full words.

    Every locale has one with short words; Babel finds the nearest pattern for others but does not widen it.
    """
    short = str(_babel(locale).datetime_skeletons["MMMEd"])
    return re.sub(r"\b(?:MMM|LLL)\b", "MMMM", re.sub(r"\b(?:E{1,3}|ccc)\b", "EEEE", short))


@lru_cache(maxsize=20_000)
def format_short_day(locale: str, day: date, with_year: bool = False) -> str:
    """`22 Nov`, for narrow places."""
    return str(dates.format_skeleton("yMMMd" if with_year else "MMMd", day, locale=_babel(locale)))


@lru_cache(maxsize=20_000)
def format_date(locale: str, day: date) -> str:
    """`22 Nov 2026`: a date in the middle length."""
    return dates.format_date(day, "medium", locale=_babel(locale))


@lru_cache(maxsize=10_000)
def format_duration(seconds: int | None) -> str:
    """`4:12`, `1:02:03`; a dash for None. Digits and colons read the same in every locale."""
    if seconds is None:
        return NO_DURATION
    minutes, rest = divmod(max(0, seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@lru_cache(maxsize=10_000)
def format_duration_words(locale: str, seconds: int) -> str:
    """`4 min`, `1 hr 2 min`, `22 sec`: for sentences and for screen readers."""
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "duration-hour"), (minutes, "duration-minute")] if hours or minutes else []
    parts = [part for part in parts if part[0]] or [(left, "duration-second")]
    return " ".join(units.format_unit(n, unit, "short", locale=_babel(locale)) for n, unit in parts)


@lru_cache(maxsize=50_000)
def format_number_e164(number: str, style: NumberStyle = "international") -> str:
    """An E.164 number as it is read: `+1 212 555 0158`, or `(212) 555-0158` in the national style.

    What is not E.164 (an extension, a feature code, a name) comes back as it is.
    """
    if not number.startswith("+"):
        return number
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    if style == "national":
        return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL))
    shown = str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    return shown.translate(_E123)


@lru_cache(maxsize=50_000)
def number_tag(number: str, style: NumberStyle = "international") -> Markup:
    """A number as markup: digits of one width, never wrapped, left to right in every language."""
    return Markup('<span class="num" dir="ltr">{}</span>').format(format_number_e164(number, style))


@lru_cache(maxsize=256)
def _babel(locale: str) -> Any:
    return parse_locale(locale) or parse_locale("en")


class Formats:
    """The formatting of one reader; templates know it as `fmt`. `now` is only given by tests."""

    __slots__ = ("_now", "_translate", "locale", "zone")

    def __init__(
        self,
        locale: str,
        zone: ZoneInfo,
        translate: Callable[..., Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.locale, self.zone = locale, zone
        self._translate, self._now = translate, now

    def local(self, moment: datetime) -> datetime:
        """`moment` in the reader's zone. Naive times are refused: they mean nothing."""
        if moment.tzinfo is None:
            raise ValueError("a time without a zone cannot be shown")
        return moment.astimezone(self.zone)

    def today(self) -> date:
        """The reader's date."""
        return self._now().astimezone(self.zone).date()

    def local_hour(self) -> int:
        """The hour of the reader's clock, 0 to 23."""
        return self._now().astimezone(self.zone).hour

    def time(self, moment: datetime) -> str:
        """`09:31`."""
        local = self.local(moment)
        return format_time(self.locale, local.hour, local.minute)

    def day(self, moment: datetime | date) -> str:
        """`Today`, `Yesterday`, else `Sunday, 22 November`, with the year when it differs."""
        day, today = self._date(moment), self.today()
        if day == today:
            return self.text(_("Today"))
        if day == today - timedelta(days=1):
            return self.text(_("Yesterday"))
        return format_day(self.locale, day, day.year != today.year)

    def short(self, moment: datetime) -> str:
        """The time for today, `Yesterday`, else `22 Nov`: for a row's meta column."""
        day, today = self._date(moment), self.today()
        if day == today:
            return self.time(moment)
        if day == today - timedelta(days=1):
            return self.text(_("Yesterday"))
        return format_short_day(self.locale, day, day.year != today.year)

    def date_time(self, moment: datetime) -> str:
        """`Sunday, 22 November, 18:44`, or `Today, 18:44`."""
        return self.text(_("${day}, ${time}", day=self.day(moment), time=self.time(moment)))

    def date_time_within(self, moment: datetime) -> str:
        """`today, 18:44`: the same inside a sentence."""
        day, today, time = self._date(moment), self.today(), self.time(moment)
        if day == today:
            return self.text(_("today, ${time}", time=time))
        if day == today - timedelta(days=1):
            return self.text(_("yesterday, ${time}", time=time))
        return self.date_time(moment)

    def date_only(self, moment: datetime | date) -> str:
        """`22 Nov 2026`."""
        return format_date(self.locale, self._date(moment))

    def span(self, first: date, last: date) -> str:
        """`18 – 24 Nov`: days from one to another; with the year when it differs from the present one."""
        skeleton = "MMMd" if first.year == last.year == self.today().year else "yMMMd"
        shown = dates.format_interval(first, last, skeleton, locale=_babel(self.locale))
        return str(shown).replace("\u2009", " ")

    def iso(self, moment: datetime) -> str:
        """The `datetime` attribute of a `time` element: `2026-11-22T18:44:00Z`."""
        return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"

    def duration(self, seconds: int | None) -> str:
        """`4:12`; a dash when there is none."""
        return format_duration(seconds)

    def duration_words(self, seconds: int) -> str:
        """`4 min`."""
        return format_duration_words(self.locale, seconds)

    def number(self, number: str, style: NumberStyle = "international") -> str:
        """A telephone number as text.

        In a page use `num(number)`, which keeps it together and left to right.
        """
        return format_number_e164(number, style)

    def count(self, value: int) -> str:
        """`1,234`."""
        return numbers.format_decimal(value, locale=_babel(self.locale))

    def ratio(self, ratio: float) -> str:
        """`7.3:1`, of 7.36: a contrast (WCAG 2.2), never shown as more than it is."""
        return f"{numbers.format_decimal(int(ratio * 10) / 10, format='0.0', locale=_babel(self.locale))}:1"

    def size(self, size: int) -> str:
        """`1.2 MB`, of bytes."""
        units = ("B", "kB", "MB", "GB", "TB")
        value, unit = float(size), 0
        while value >= 1000 and unit < len(units) - 1:
            value, unit = value / 1000, unit + 1
        digits = numbers.format_decimal(round(value, 1 if unit > 1 else None), locale=_babel(self.locale))
        return f"{digits} {units[unit]}"

    def language(self, tag: str) -> str:
        """The name of a language, in itself: `Deutsch`."""
        found = parse_locale(tag)
        return tag if found is None else str(found.get_display_name()).capitalize()

    def percent(self, share: float) -> str:
        """`12 %`, of 0.12, as the locale writes it."""
        return numbers.format_percent(round(share, 2), locale=_babel(self.locale))

    def text(self, message: object) -> str:
        """A message in the reader's language."""
        return str(self._translate(message, target_language=self.locale))

    def _date(self, moment: datetime | date) -> date:
        return self.local(moment).date() if isinstance(moment, datetime) else moment


def person_initials(name: str) -> str:
    """Two letters for an avatar: of the first and the last word."""
    words = [word for word in name.split() if word[:1].isalnum()]
    chosen = words[:1] + words[-1:] if len(words) > 1 else words
    return "".join(word[0] for word in chosen).upper()


def avatar(name: str, key: str, extra: str = "") -> Markup:
    """A person's initials on a hue that stays theirs (`key`.

    An id). Hidden from screen readers: the name is beside.
    """
    return Markup('<span class="av h{} {}" aria-hidden="true" translate="no">{}</span>').format(
        avatar_hue(key), escape(extra), person_initials(name) or "–"
    )


def avatar_hue(key: str) -> int:
    """The number of an avatar's hue, 1 to 8, from an id."""
    return sum(key.encode()) % 8 + 1
