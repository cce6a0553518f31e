"""A switch says that it has a recording; a job fetches it from the adapter, stores it, and has it deleted there.

The announcement's idempotency key is the deposit's: fetched twice, by whoever was killed in between, it is one message.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.switch import (
    Database,
    SwitchNode,
    SwitchRefused,
    adapter_of,
    problem,
    read_body,
)
from ringstead.api.work import defer
from ringstead_voicemail.deposit import CallData, DepositRefused, deposit, find_target, organization_of
from ringstead_voicemail.mailboxes import declared_settings
from ringstead_voicemail.sounds import SoundRefused
from ringstead_voicemail.taking_in import MOST_BYTES, spool

FETCH: Final = "voicemail.fetch"
_LONGEST_NAME: Final = 256
_GONE: Final = (404, 410)
log = structlog.get_logger(__name__)


def receive_announcement(node: SwitchNode, request: Request, database: Database) -> Response:
    """`POST /switch/v1/events/voicemail` `{"recording", "key", "domain", "mailbox", "number", "name", "started_at"}`.

    202 once the fetching is committed as a job. 422 for a node without an adapter, as there is nowhere to fetch from.
    """
    try:
        given: Any = json.loads(read_body(request))
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return problem(400, "No JSON object", "Send a JSON object with recording, key, domain and mailbox.")
    values = {name: value for name, value in given.items() if isinstance(value, str)}
    name = values.get("recording", "")
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or name in (".", ".."):
        return problem(422, "Field refused", f"recording: its name there, 1 to {_LONGEST_NAME} characters.")
    if adapter_of(database, node.id) is None:
        what = "This node has no adapter. Mend: `ringstead nodes adapter NAME URL`, or send the recording."
        return problem(422, "Nowhere to fetch from", what)
    try:
        call = CallData.read(values, values.get("key", ""), datetime.now(UTC))
        org_id = organization_of(request, values)
        target = find_target(database, request.declared_settings, node, org_id, call)
    except DepositRefused as refused:
        return problem(refused.status, refused.title, str(refused))
    with database.run_as(target.org_id) as session:
        defer(
            session,
            FETCH,
            queueing_lock=f"{FETCH} {target.org_id} {node.id} {call.key}"[:255],
            org_id=target.org_id,
            node_id=node.id,
            recording=name,
            key=call.key,
            mailbox=call.mailbox,
            number=call.number or "",
            caller=call.name or "",
            started_at=call.started_at,
            transcript=call.transcript,
        )
    return Response(status=202, json_body={"queued": True})


def fetch(
    database: Database,
    *,
    org_id: UUID,
    node_id: UUID,
    recording: str,
    key: str,
    mailbox: str,
    number: str,
    caller: str,
    started_at: datetime,
    transcript: str = "",
) -> None:
    """The job. What is wrong with the sound is final; what is wrong with the way to it is tried again."""
    adapter = adapter_of(database, node_id)
    if adapter is None:
        raise LookupError("the node has no adapter any more; `ringstead nodes adapter` gives it one")
    call = CallData(
        key=key,
        mailbox=mailbox,
        number=number or None,
        name=caller or None,
        started_at=started_at,
        transcript=transcript,
    )
    node = SwitchNode(node_id, adapter.node, None)
    target = find_target(database, declared_settings(), node, org_id, call)
    try:
        with (
            adapter.fetch("recordings", recording) as (pieces, is_measured),
            spool(pieces, MOST_BYTES) as spooled,
        ):
            deposit(database, node, target, call, spooled, is_measured=is_measured)
    except SwitchRefused as refused:
        if refused.status not in _GONE:
            raise  # a wrong key, say: the recording is there, and `ringstead jobs failed` says why it is not here
        # Gone: an earlier run of this job has stored it and had it deleted, or nobody can have it any more.
        log.warning("voicemail.recording_gone", node=adapter.node, recording=recording)
        return
    except SoundRefused as refused:
        # It stays with the switch, for somebody to look at.
        log.error("voicemail.recording_refused", node=adapter.node, recording=recording, why=str(refused))
        return
    except DepositRefused as refused:
        # A full mailbox may have room later; a key that came with other bytes before never fits.
        if refused.status != 409:
            raise
        log.error("voicemail.key_taken", node=adapter.node, recording=recording, why=str(refused))
        return
    adapter.delete("recordings", recording)
