"""`POST /switch/v1/cdr`: legs from the switch, one as JSON or many as JSON lines. `docs/switch.md` describes it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.switch import Database, SwitchNode, organization_of_domain, problem, read_records
from ringstead_calllogs.intake import Outcome, Row, take_in
from ringstead_calllogs.records import Rejected, read_record

MOST_RECORDS: Final = 5000


def receive_cdr(node: SwitchNode, request: Request, database: Database) -> Response:
    """Store the legs of a request; answers when they are committed.

    200 when at least one leg is stored (now or before), 422 when every one is rejected; both list the rejected ones.
    """
    records = read_records(request, MOST_RECORDS)
    outcome, now = Outcome(), datetime.now(UTC)
    rows = []
    for line, data in records.lines:
        try:
            rows.append(Row(line, read_record(line, data, now)))
        except Rejected as rejected:
            outcome.rejected.append(rejected.rejection)
    # In the order of ids, so that two requests never wait for one another crosswise.
    for org_id, its_rows in sorted(_by_organization(request, rows, outcome).items()):
        take_in(database, node, request.declared_settings, org_id, its_rows, outcome)
    return _answer(outcome)


def _by_organization(request: Request, rows: Sequence[Row], outcome: Outcome) -> dict[UUID, list[Row]]:
    groups: dict[UUID, list[Row]] = defaultdict(list)
    domains: dict[str, UUID | None] = {}
    for row in rows:
        org_id, domain = row.record.organization, row.record.domain
        if org_id is None and domain is not None:
            if domain not in domains:
                domains[domain] = organization_of_domain(request, domain)
            org_id = domains[domain]
        if org_id is None:
            outcome.rejected.append(row.refused("domain", "This switch serves no such organization."))
        else:
            groups[org_id].append(row)
    return groups


def _answer(outcome: Outcome) -> Response:
    rejected = [asdict(rejection) for rejection in sorted(outcome.rejected, key=lambda r: r.line)]
    counts: dict[str, Any] = {
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "rejected": rejected,
    }
    if outcome.accepted or outcome.duplicates:
        return Response(content_type="application/json", charset="utf-8", json_body=counts)
    first = rejected[0]
    place = f"line {first['line']}" + (f", {first['field']}" if first["field"] else "")
    detail = f"No record was taken. The first: {place}: {first['error']} {first['mend']}"
    return problem(422, "No record was taken", detail, **counts)
