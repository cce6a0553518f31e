"""`POST /switch/v1/cdr` and its like: legs from the switch, in our words or its own. `docs/switch.md` describes them.

Each message has a reader, which makes rows of a request's body; what becomes of the rows is the same for all.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.switch import (
    BodyRefused,
    Database,
    SwitchNode,
    organization_of_domain,
    problem,
    read_body,
    read_records,
)
from ringstead_calllogs import asterisk_cdr, asterisk_cel, freeswitch
from ringstead_calllogs.intake import Intake, Outcome, Undone
from ringstead_calllogs.preparing import Row
from ringstead_calllogs.records import Rejected, Rejection, read_record

MOST_RECORDS: Final = 50_000
AT_ONCE: Final = 5000
# Each domain of a request is looked up, and one that nobody has costs as much as any other.
MOST_DOMAINS: Final = 200
# A caller who sends nonsense need not be told a thousand times.
MOST_TOLD: Final = 1000
_FORM_TYPES: Final = ("application/x-www-form-urlencoded", "application/x-www-form-base64-encoded")
# What a line of a body holds: a row, what is wrong with it, or nothing worth keeping.
Found = Row | Rejection | None


def receive_cdr(node: SwitchNode, request: Request, database: Database) -> Response:
    """Store the legs of a request; answers when they are committed.

    200 when at least one leg is stored (now or before), 422 when every one is rejected; both list the rejected ones.
    With `Prefer: handling=strict` (RFC 7240) one rejected record is enough for 422, and nothing is stored.
    """
    now = datetime.now(UTC)
    lines = read_records(request, MOST_RECORDS)
    return _receive(node, request, database, _each(lines, lambda n, data: Row(n, read_record(n, data, now))))


def receive_freeswitch(node: SwitchNode, request: Request, database: Database) -> Response:
    """Channels as FreeSWITCH's mod_json_cdr posts them; answers as `receive_cdr`."""
    now, domain = datetime.now(UTC), _domain(request)
    kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if kind in _FORM_TYPES:
        body = freeswitch.unwrapped(read_body(request))
        if not body:
            raise BodyRefused(422, "there is no record in it; send the JSON as the form field `cdr`")
        lines = iter([(1, body)])
    else:
        lines = read_records(request, MOST_RECORDS)
    rows = _each(lines, lambda n, data: freeswitch.read_channel(n, data, domain, now))
    return _receive(node, request, database, rows)


def receive_asterisk_cdr(node: SwitchNode, request: Request, database: Database) -> Response:
    """Rows of Asterisk's CDR; answers as `receive_cdr`."""
    now, domain, is_utc = datetime.now(UTC), _domain(request), _is_utc(request)
    rows = _each(
        read_records(request, MOST_RECORDS),
        lambda n, data: asterisk_cdr.read_row(n, data, node.name, domain, is_utc, now),
    )
    return _receive(node, request, database, rows)


def receive_asterisk_cel(node: SwitchNode, request: Request, database: Database) -> Response:
    """Events of Asterisk's CEL, all those of a call in one request; answers as `receive_cdr`, counting legs."""
    lines = read_records(request, MOST_RECORDS)
    rows = asterisk_cel.read_events(lines, node.name, _domain(request), _is_utc(request), datetime.now(UTC))
    return _receive(node, request, database, rows)


def _domain(request: Request) -> str:
    # FreeSWITCH appends `?uuid=…` to whatever address it is given.
    return str(request.GET.get("domain", "")).partition("?")[0].strip()


def _is_utc(request: Request) -> bool:
    """Whether times without an offset are UTC, as only who configured the switch can know."""
    zone = str(request.GET.get("tz", "")).partition("?")[0]
    if zone.upper() not in ("", "UTC"):
        # A local time comes twice when clocks go back: nobody can tell which one was meant.
        raise BodyRefused(
            422, f"tz={zone[:40]!r} is not known here; let the switch write UTC and send tz=UTC"
        )
    return bool(zone)


def _each(lines: Iterator[tuple[int, bytes]], read: Callable[[int, bytes], Row | None]) -> Iterator[Found]:
    for line, data in lines:
        try:
            yield read(line, data)
        except Rejected as rejected:
            yield rejected.rejection


def _receive(node: SwitchNode, request: Request, database: Database, rows: Iterator[Found]) -> Response:
    outcome, strict = (
        Outcome(),
        "handling=strict" in request.headers.get("Prefer", "").replace(" ", "").lower(),
    )
    sorter = _Sorter(request, rows, outcome)
    try:
        with Intake(database, node, request.declared_settings, outcome, strict) as intake:
            for groups, is_last in sorter.chunks():
                intake.put(groups, is_last)
    except Undone:
        outcome.accepted = outcome.duplicates = 0
    except BodyRefused as refused:
        if (not outcome.accepted and not outcome.duplicates) or strict:
            raise
        detail = (
            f"The body was refused: {refused}. The records before that are stored; they may be sent again."
        )
        return problem(refused.status, "Body refused", detail, **_counts(outcome))
    return _answer(outcome)


class _Sorter:
    """The rows of a request in chunks, by organization; what is no row goes to the outcome."""

    def __init__(self, request: Request, rows: Iterator[Found], outcome: Outcome) -> None:
        self._request, self._rows, self._outcome = request, rows, outcome
        self._domains: dict[str, UUID | None] = {}

    def chunks(self) -> Iterator[tuple[dict[UUID, list[Row]], bool]]:
        """Each chunk, and whether it is the last one."""
        chunk = list(islice(self._rows, AT_ONCE))
        while chunk:
            following = list(islice(self._rows, AT_ONCE))
            yield self._by_organization(chunk), not following
            chunk = following

    def _by_organization(self, rows: Sequence[Found]) -> dict[UUID, list[Row]]:
        groups: dict[UUID, list[Row]] = defaultdict(list)
        for row in rows:
            if row is None:
                self._outcome.ignored += 1
            elif isinstance(row, Rejection):
                self._outcome.rejected.append(row)
            elif (org_id := self._organization(row)) is None:
                what = "This switch serves no such organization."
                self._outcome.rejected.append(row.refused("domain", what))
            else:
                groups[org_id].append(row)
        return groups

    def _organization(self, row: Row) -> UUID | None:
        org_id, domain = row.record.organization, row.record.domain
        if org_id is not None or domain is None:
            return org_id
        if domain not in self._domains:
            if len(self._domains) >= MOST_DOMAINS:
                return None
            self._domains[domain] = organization_of_domain(self._request, domain)
        return self._domains[domain]


def _counts(outcome: Outcome) -> dict[str, Any]:
    rejected = sorted(outcome.rejected, key=lambda rejection: rejection.line)
    counts: dict[str, Any] = {
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "rejected": [asdict(rejection) for rejection in rejected[:MOST_TOLD]],
    }
    if outcome.ignored:
        counts["ignored"] = outcome.ignored
    return counts if len(rejected) <= MOST_TOLD else counts | {"rejected_in_all": len(rejected)}


def _answer(outcome: Outcome) -> Response:
    counts = _counts(outcome)
    if outcome.accepted or outcome.duplicates or not outcome.rejected:
        return Response(content_type="application/json", charset="utf-8", json_body=counts)
    first = counts["rejected"][0]
    place = f"line {first['line']}" + (f", {first['field']}" if first["field"] else "")
    detail = f"No record was taken. The first: {place}: {first['error']} {first['mend']}"
    return problem(422, "No record was taken", detail, **counts)
