"""`POST /switch/v1/cdr`: legs from the switch, one as JSON or many as JSON lines. `docs/switch.md` describes it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
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
    read_records,
)
from ringstead_calllogs.intake import Intake, Outcome, Undone
from ringstead_calllogs.preparing import Row
from ringstead_calllogs.records import Rejected, read_record

MOST_RECORDS: Final = 50_000
AT_ONCE: Final = 5000
# Each domain of a request is looked up, and one that nobody has costs as much as any other.
MOST_DOMAINS: Final = 200
# A caller who sends nonsense need not be told a thousand times.
MOST_TOLD: Final = 1000


def receive_cdr(node: SwitchNode, request: Request, database: Database) -> Response:
    """Store the legs of a request; answers when they are committed.

    200 when at least one leg is stored (now or before), 422 when every one is rejected; both list the rejected ones.
    With `Prefer: handling=strict` (RFC 7240) one rejected record is enough for 422, and nothing is stored.
    """
    outcome, strict = (
        Outcome(),
        "handling=strict" in request.headers.get("Prefer", "").replace(" ", "").lower(),
    )
    reader = _Reader(request, outcome)
    try:
        with Intake(database, node, request.declared_settings, outcome, strict) as intake:
            for groups, is_last in reader.chunks():
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


class _Reader:
    """The rows of a request's body in chunks, by organization; what is no record goes to the outcome."""

    def __init__(self, request: Request, outcome: Outcome) -> None:
        self._request, self._outcome = request, outcome
        self._domains: dict[str, UUID | None] = {}
        self._now = datetime.now(UTC)

    def chunks(self) -> Iterator[tuple[dict[UUID, list[Row]], bool]]:
        """Each chunk, and whether it is the last one."""
        lines = iter(read_records(self._request, MOST_RECORDS))
        chunk = list(islice(lines, AT_ONCE))
        while chunk:
            following = list(islice(lines, AT_ONCE))
            yield self._by_organization(chunk), not following
            chunk = following

    def _by_organization(self, lines: Sequence[tuple[int, bytes]]) -> dict[UUID, list[Row]]:
        groups: dict[UUID, list[Row]] = defaultdict(list)
        for line, data in lines:
            try:
                row = Row(line, read_record(line, data, self._now))
            except Rejected as rejected:
                self._outcome.rejected.append(rejected.rejection)
                continue
            org_id = self._organization(row)
            if org_id is None:
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
    return counts if len(rejected) <= MOST_TOLD else counts | {"rejected_in_all": len(rejected)}


def _answer(outcome: Outcome) -> Response:
    counts = _counts(outcome)
    if outcome.accepted or outcome.duplicates:
        return Response(content_type="application/json", charset="utf-8", json_body=counts)
    first = counts["rejected"][0]
    place = f"line {first['line']}" + (f", {first['field']}" if first["field"] else "")
    detail = f"No record was taken. The first: {place}: {first['error']} {first['mend']}"
    return problem(422, "No record was taken", detail, **counts)
