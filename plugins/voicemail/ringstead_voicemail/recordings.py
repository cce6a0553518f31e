"""Where the sound of a recording is, and how it goes when nothing names it any more."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import any_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from ringstead.api.blobs import org_blobs
from ringstead.api.models import TenantSession
from ringstead.api.switch import Database
from ringstead.api.work import defer
from ringstead_voicemail.models import Greeting, Message, Recording

FOLDER: Final = "voicemail/recordings"
ORIGINAL: Final = "original"
SUFFIXES: Final = {"audio/wav": "wav", "audio/mpeg": "mp3", "audio/ogg": "ogg"}
"""Endings of file names, by media type."""
REMOVE_BLOBS: Final = "voicemail.remove_blobs"
RENDER: Final = "voicemail.render"
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


def blob_key(recording_id: UUID, name: str = ORIGINAL) -> str:
    """The key of a recording's bytes: `original`, or the name of a rendition."""
    return f"{FOLDER}/{recording_id}/{name}"


def drop_unused(session: TenantSession, recording_ids: Iterable[UUID]) -> int:
    """Remove those of the recordings that no message and no greeting names any more; their blobs go after the commit.

    The caller has deleted what named them in the same transaction. Whoever names a recording anew locks its row first
    (`share_recording`), so none is removed under somebody's hands.
    """
    wanted = sorted(set(recording_ids))
    if not wanted:
        return 0
    ids = any_(bindparam("ids", type_=ARRAY(Uuid())))
    session.execute(
        select(Recording.id).where(Recording.id == ids).order_by(Recording.id).with_for_update(),
        {"ids": wanted},
    )
    unused = (
        delete(Recording)
        .where(
            Recording.id == ids,
            ~select(text("1"))
            .where(Message.org_id == Recording.org_id, Message.recording_id == Recording.id)
            .exists(),
            ~select(text("1"))
            .where(Greeting.org_id == Recording.org_id, Greeting.recording_id == Recording.id)
            .exists(),
        )
        .returning(Recording.id)
        .execution_options(**_UNSYNCHRONIZED)
    )
    gone = list(session.scalars(unused, {"ids": wanted}))
    if gone:
        defer(session, REMOVE_BLOBS, org_id=session.org_id, recording_ids=gone)
    return len(gone)


def share_recording(session: TenantSession, recording_id: UUID) -> Recording | None:
    """A recording that another message is about to name, held until the transaction ends; None when it is gone."""
    return session.scalars(
        select(Recording).where(Recording.id == recording_id).with_for_update(read=True)
    ).one_or_none()


def remove_blobs(database: Database, *, org_id: UUID, recording_ids: list[UUID]) -> None:
    """The job: delete the blobs of recordings that are gone. Harmless when run again."""
    with database.run_as(org_id) as session:
        blobs = org_blobs(session)
        still = set(session.scalars(select(Recording.id).where(Recording.id.in_(recording_ids))))
    for recording_id in recording_ids:
        if recording_id not in still:
            for key in list(blobs.keys(f"{FOLDER}/{recording_id}")):
                blobs.delete(key)
