"""What a plugin is asked with and what it answers: the values of the ask and privacy hooks.

Every string that a person reads is a translation string (`translations("your_package")`), or their own words.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

StateTopic = Literal["calls", "phones", "errors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NavCount:
    """How much is new behind an entry of the navigation; `item` is the entry's id."""

    item: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """One answer to the search box. `url` is an address of this portal, or `tel:` and a number."""

    title: str
    url: str
    detail: str = ""
    icon: str = "puzzle"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInfo:
    """A call that somebody looks at, for plugins that have something to offer about it.

    `number` is E.164 or as dialled, None when it is withheld; `subscriber_id` is set when the other party is a
    colleague. `trace_id` names the routing decision that the call followed, if the switch told.
    """

    number: str | None
    name: str | None
    direction: Literal["incoming", "outgoing"]
    started_at: "datetime"
    subscriber_id: "UUID | None" = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAction:
    """Something that can be done about a call. `url` is an address of this portal.

    With `method` post it is a button whose form carries `fields` and the token; else it is a link.
    """

    title: str
    url: str
    icon: str = "puzzle"
    method: Literal["get", "post"] = "get"
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalFile:
    """A file that belongs to a part of what is known about a person: its `name` there, and the key of its blob."""

    name: str
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """A part of what is known about a person: `name` becomes the name of a file, `rows` what is in it.

    Rows are mappings of what JSON can hold, and UUIDs and times. Give a generator where there may be many: they are
    read once, one after another; `files` after the rows.
    """

    name: str
    rows: Iterable[Mapping[str, Any]]
    files: Iterable[PersonalFile] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was erased of a person: a few words, and how many of it."""

    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerName:
    """Who has a number: `number` as it was asked for, `subscriber_id` when it is a colleague's."""

    number: str
    name: str
    subscriber_id: "UUID | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Something that holds for a subscriber now and then (they are away, the office is closed), for what follows it.

    `id` begins with the plugin's name and stays; `title` is what people call it, in their own words or translated.
    """

    id: str
    title: str
    is_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberState:
    """Something about a subscriber that explains how their telephone behaves, for whoever helps them.

    `topic` is `calls` (what happens to a call now), `phones` (whether they are reachable) or `errors` (what went wrong
    lately). `is_fault` marks what somebody has to mend; `at` is when it was (UTC).
    """

    topic: StateTopic
    title: str
    detail: str = ""
    is_fault: bool = False
    at: "datetime | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """What went to a colleague, in a few words, and how many."""

    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """A proof stronger than the password that somebody of the partner's has set up, such as a code of an app.

    `title` labels the field. `verify(answer)` says whether the answer is right; it may use it up, in the session that
    the hook was asked with.
    """

    id: str
    title: str
    verify: "Callable[[str], bool]"


class ErasureRefused(Exception):
    """A person's data must be kept (a legal hold); the message says why. Then nothing is erased, anywhere."""
