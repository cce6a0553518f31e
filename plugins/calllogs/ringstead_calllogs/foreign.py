"""What the readers of other switches' records share: loosely typed fields, and our record made of them.

A reader is pure: a row in the switch's words goes in, a `Row` comes out, or `Rejected` is raised with the field as the
switch calls it. Fields that nobody asks for are ignored: foreign formats grow.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from ringstead_calllogs.preparing import Row, Terms
from ringstead_calllogs.records import Guess, Record, Rejected, Rejection, check_record

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_NUMBER: Final = re.compile(r"-?\d{1,20}(\.\d+)?")
_LONGEST_NAME: Final = 128
_TEXT_MEND: Final = "Send it as text, as a number, or null."
_TIME_MEND: Final = (
    "Send seconds or microseconds since 1970, or ISO 8601 with an offset, such as 2026-11-23T09:31:00+00:00."
)
_LOCAL_MEND: Final = (
    "Send it with an offset, or as seconds since 1970; if the switch writes UTC (usegmtime=yes), add ?tz=UTC to the "
    "address."
)
_JSON_MEND: Final = "Send one JSON object, in UTF-8."


class Wrong(Exception):
    """A field of a foreign row that cannot be read."""

    def __init__(self, field: str, what: str, mend: str = _TEXT_MEND) -> None:
        self.field, self.what, self.mend = field, what, mend
        super().__init__(what)

    def rejection(self, line: int, id: str | None = None) -> Rejection:
        """The same as an answer tells it."""
        return Rejection(line, id[:_LONGEST_NAME] if id else None, self.field[:200], self.what, self.mend)


def json_object(data: bytes) -> dict[str, Any]:
    """A row as it came. Raises `Wrong`."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Wrong("", f"This is not JSON: {str(error)[:200]}.", _JSON_MEND) from error
    if not isinstance(found, dict):
        raise Wrong("", "This is no JSON object.", _JSON_MEND)
    return found


class Fields:
    """The values of a row by name, case aside; `aliases` are further names of a field: theirs → ours."""

    def __init__(
        self,
        values: Mapping[str, Any],
        prefix: str = "",
        aliases: Mapping[str, str] | None = None,
        is_utc: bool = False,
    ) -> None:
        self._prefix, self._is_utc = prefix, is_utc
        self._values: dict[str, tuple[str, Any]] = {}
        for sent, value in values.items():
            name = sent.lower()
            name = (aliases or {}).get(name, name)
            # Where both names are there, the one that says something counts.
            if name not in self._values or self._values[name][1] in (None, ""):
                self._values[name] = (sent, value)

    def named(self, name: str) -> str:
        """The field as the switch calls it."""
        return self._prefix + self._values.get(name, (name, None))[0]

    def text(self, *names: str) -> str:
        """The first of these fields that says something; "" if none does."""
        for name in names:
            value = self._values.get(name, (name, None))[1]
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise Wrong(self.named(name), "This is neither text nor a number.")
            if text := str(value).strip():
                return text
        return ""

    def moment(self, *names: str) -> datetime | None:
        """The first of these fields that holds a time; None where they are empty or zero."""
        for name in names:
            text = self.text(name)
            if text and not text.startswith("0000-"):
                moment = self._moment(name, text)
                if moment is not None:
                    return moment
        return None

    def _moment(self, name: str, text: str) -> datetime | None:
        try:
            if _NUMBER.fullmatch(text):
                return _since_1970(text)
            moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError, OSError) as error:
            raise Wrong(self.named(name), "This is no time.", _TIME_MEND) from error
        if moment.tzinfo is None and not self._is_utc:
            raise Wrong(
                self.named(name), "This is a local time, of which nobody knows the zone.", _LOCAL_MEND
            )
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _since_1970(text: str) -> datetime | None:
    """Seconds, milliseconds or microseconds since 1970: which, the magnitude tells until the year 5138."""
    number = float(text)
    seconds = number / 1e6 if number >= 1e14 else number / 1e3 if number >= 1e11 else number
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None


def owner(*names: str) -> dict[str, Any]:
    """The organization that the first of these names which is one names: a UUID, or a SIP domain."""
    for name in names:
        try:
            return {"organization": UUID(name)}
        except ValueError:
            if "." in name:
                return {"domain": name}
    return {}


def end(number: str = "", name: str = "", extension: str = "") -> Guess:
    """One end of a leg: somebody with an extension, or else a number."""
    if extension and len(extension) <= 32:
        number = ""
    else:
        extension = ""
    return Guess(number=number or None, name=clean(name) or None, extension=extension or None)


def clean(text: str) -> str:
    """A display name as it may be stored."""
    return _CONTROL.sub(" ", text).strip()[:_LONGEST_NAME]


def checked(line: int, record: Record, terms: Terms, now: datetime) -> Row:
    """The row, if it keeps the rules of our records. Raises `Rejected` in the switch's words."""
    try:
        return Row(line, check_record(line, record, now), terms)
    except Rejected as rejected:
        found = rejected.rejection
        field, mend = terms.get(found.field, (found.field, found.mend))
        raise Rejected(replace(found, field=field, mend=mend)) from rejected
