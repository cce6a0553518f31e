"""Calls of an ordinary office, made from a fixed seed: the same day of the same organization is always the same.

A `Leg` is what a switch knows of one connection: whose phone, with whom, from when to when, and how it ended. Several
legs with one `call` make a call: a group that rings, two phones of one person, a transfer, voicemail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final, Literal
from zoneinfo import ZoneInfo

from ringstead.demo.people import WITHHELD, Caller, callers

SEED: Final = "ringstead demo 1"
End = Literal["answered", "no_answer", "busy", "failed", "elsewhere", "voicemail"]
Way = Literal["incoming", "outgoing", "internal"]

# How many calls begin in each hour of the day; only the proportions count.
_OFFICE: Final = (0, 0, 0, 0, 0, 0, 1, 3, 12, 20, 22, 19, 11, 15, 20, 19, 14, 8, 3, 2, 1, 1, 0, 0)
_BAKERY: Final = (0, 0, 0, 0, 4, 10, 16, 20, 19, 16, 13, 11, 10, 8, 8, 7, 6, 4, 2, 1, 0, 0, 0, 0)

_VOICEMAIL_AFTER: Final = 20  # seconds


@dataclass(frozen=True, slots=True)
class Person:
    """A subscriber of the organization. `number` is the DID, if there is one."""

    extension: str
    name: str
    number: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """How an organization telephones: calls on a weekday, weekends as shares of that, and the hours of its day."""

    per_day: int = 100
    saturday: float = 0.1
    sunday: float = 0.04
    hours: Sequence[int] = _OFFICE


SHAPES: Final = {
    "bramble-finch": Shape(per_day=96),
    "pier-street-clinic": Shape(per_day=70, saturday=0.3),
    "sunfield-bakery": Shape(per_day=48, saturday=1.1, sunday=0.5, hours=_BAKERY),
}


@dataclass(frozen=True, slots=True)
class Office:
    """An organization whose calls are wanted."""

    slug: str
    zone: ZoneInfo
    people: Sequence[Person]

    @property
    def shape(self) -> Shape:
        """The shape that its slug has in the demo, or an ordinary one."""
        return SHAPES.get(self.slug, Shape())


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One connection, seen from the person whose phone it is. `other` is who is at the far end.

    An internal leg is the called colleague's, and `other` is the caller with the extension. A withheld number is
    empty. `dialled` is what was called: an extension or a number. `phone` is empty for the voicemail. `answered` is
    None unless somebody, or the voicemail, did. Times are UTC.
    """

    key: str
    call: str
    way: Way
    person: Person
    other: Caller
    dialled: str
    phone: str
    started: datetime
    answered: datetime | None
    ended: datetime
    end: End


def legs_between(office: Office, since: datetime, until: datetime) -> list[Leg]:
    """All legs of the calls that ended after `since` and not after `until`, by their end. Both carry a zone."""
    first = since.astimezone(office.zone).date() - timedelta(days=1)
    days = (until.astimezone(office.zone).date() - first).days + 1
    found: list[Leg] = []
    for number in range(days):
        for legs in Day(office, first + timedelta(days=number)).calls():
            # A call's legs stay together: a batch that ended between them would show half a call.
            if since < max(leg.ended for leg in legs) <= until:
                found += legs
    return sorted(found, key=lambda leg: (leg.ended, leg.key))


class Day:
    """One day of an office. Its random numbers depend on office and date only."""

    def __init__(self, office: Office, day: date) -> None:
        self._office, self._day = office, day
        self._random = Random(f"{SEED} {office.slug} {day.isoformat()}")
        self._outside = callers(office.slug)
        # What stays the same from day to day: a few people telephone much, and the same ones answer the main number.
        steady = Random(f"{SEED} {office.slug}")
        self._people = list(office.people)
        self._shares = [min(steady.paretovariate(1.8), 4.0) for _ in self._people]
        self._phones = {
            person.extension: ("Desk phone",) if steady.random() < 0.45 else ("Desk phone", "Mobile")
            for person in self._people
        }
        self._front = steady.sample(self._people, min(4, len(self._people)))
        self._call = ""
        self._legs: list[Leg] = []

    def calls(self) -> Iterator[list[Leg]]:
        """The day's calls, each a list of its legs."""
        scenes = (self._from_outside, self._to_outside, self._inside, self._main_number, self._transferred)
        for number in range(self._how_many()):
            self._call = f"{self._office.slug}-{self._day:%Y%m%d}-{number:04}"
            self._legs = []
            scene = self._random.choices(scenes, (34, 32, 20, 10, 4))[0]
            scene(self._moment())
            yield self._legs

    def _how_many(self) -> int:
        shape = self._office.shape
        share = {5: shape.saturday, 6: shape.sunday}.get(self._day.weekday(), 1.0)
        return round(shape.per_day * share * self._random.uniform(0.85, 1.15))

    def _moment(self) -> datetime:
        hour = self._random.choices(range(24), self._office.shape.hours)[0]
        second = self._random.randrange(3600)
        clock = time(hour, second // 60, second % 60, self._random.randrange(1000) * 1000)
        return datetime.combine(self._day, clock, self._office.zone).astimezone(UTC)

    def _from_outside(self, at: datetime) -> None:
        """Somebody outside calls a person's own number, or withholds theirs."""
        self._ring(at, self._someone(), self._caller(), "incoming")

    def _to_outside(self, at: datetime) -> None:
        """A person calls somebody outside."""
        person, other = self._someone(), self._known_number()
        ring = self._random.randint(3, 30)
        end: End = self._random.choices(("answered", "no_answer", "busy", "failed"), (78, 14, 6, 2))[0]
        ring = {"busy": 1, "failed": 0}.get(end, ring)
        talk = self._talk() if end == "answered" else 0
        phone = self._random.choice(self._phones[person.extension])
        self._add(at, person, other, end, ring, talk, phone=phone, way="outgoing")

    def _inside(self, at: datetime) -> None:
        """A person calls a colleague, who may have several phones."""
        person, colleague = self._two()
        self._ring(at, colleague, Caller(person.extension, person.name), "internal")

    def _main_number(self, at: datetime) -> None:
        """The main number rings a group: one of them answers, or nobody and the voicemail does."""
        caller, ring = self._caller(), self._random.randint(4, 24)
        main = next((p for p in self._people if p.number and p.number.endswith("0100")), self._people[0])
        dialled = main.number or main.extension
        answers = self._random.choice(self._front) if self._random.random() < 0.84 else None
        for person in self._front:
            if person is answers:
                self._add(at, person, caller, "answered", ring, self._talk(), dialled=dialled)
            else:
                self._add(at, person, caller, "elsewhere" if answers else "no_answer", ring, dialled=dialled)
        if answers is None:
            self._record(at + timedelta(seconds=ring), main, caller, "incoming")

    def _transferred(self, at: datetime) -> None:
        """Somebody answers and hands the call over to a colleague."""
        first, second = self._two()
        caller, ring, talk = self._caller(), self._random.randint(3, 15), self._random.randint(15, 90)
        self._add(at, first, caller, "answered", ring, talk)
        after = at + timedelta(seconds=ring + talk)
        self._add(after, second, caller, "answered", self._random.randint(2, 9), self._talk())

    def _ring(self, at: datetime, person: Person, caller: Caller, way: Way) -> None:
        """A person's phones ring: answered on one of them, missed, busy, or taken by the voicemail."""
        phones = self._phones[person.extension]
        ring = self._random.randint(3, 25)
        how = self._random.choices(("answered", "missed", "voicemail", "busy"), (70, 14, 12, 4))[0]
        if how == "busy":
            self._add(at, person, caller, "busy", 1, way=way)
        elif how == "answered":
            taken, talk = self._random.choice(phones), self._talk()
            for phone in phones:
                if phone == taken:
                    self._add(at, person, caller, "answered", ring, talk, phone=phone, way=way)
                else:
                    self._add(at, person, caller, "elsewhere", ring, phone=phone, way=way)
        else:
            ring = _VOICEMAIL_AFTER if how == "voicemail" else ring
            for phone in phones:
                self._add(at, person, caller, "no_answer", ring, phone=phone, way=way)
            if how == "voicemail":
                self._record(at + timedelta(seconds=ring), person, caller, way)

    def _record(self, at: datetime, person: Person, caller: Caller, way: Way) -> None:
        """The voicemail takes a message."""
        self._add(at, person, caller, "voicemail", 0, self._random.randint(3, 75), phone="", way=way)

    def _add(
        self,
        at: datetime,
        person: Person,
        other: Caller,
        end: End,
        ring: int,
        talk: int = 0,
        *,
        dialled: str = "",
        phone: str = "Desk phone",
        way: Way = "incoming",
    ) -> None:
        answered = at + timedelta(seconds=ring) if end in ("answered", "voicemail") else None
        self._legs.append(
            Leg(
                key=f"{self._call}-{len(self._legs)}",
                call=self._call,
                way=way,
                person=person,
                other=other,
                dialled=dialled or _own_number(person, other, way),
                phone=phone,
                started=at,
                answered=answered,
                ended=at + timedelta(seconds=ring + talk),
                end=end,
            )
        )

    def _someone(self) -> Person:
        return self._random.choices(self._people, self._shares)[0]

    def _two(self) -> tuple[Person, Person]:
        first = self._someone()
        return first, self._random.choice([p for p in self._people if p is not first] or [first])

    def _caller(self) -> Caller:
        return WITHHELD if self._random.random() < 0.05 else self._known_number()

    def _known_number(self) -> Caller:
        # The first of the list call most: the index is drawn from a falling curve.
        return self._outside[int(len(self._outside) * self._random.random() ** 1.7)]

    def _talk(self) -> int:
        """Seconds of a conversation: most are short, a few very long."""
        return min(5400, max(4, round(self._random.lognormvariate(4.7, 1.0))))


def _own_number(person: Person, other: Caller, way: Way) -> str:
    """What is dialled to reach the one who is called, without a detour."""
    if way == "outgoing":
        return other.number
    return person.extension if way == "internal" else person.number or person.extension
