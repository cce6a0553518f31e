"""What runs beside the pages."""

from ringstead.api import JobSpec
from ringstead_voicemail import fetching, lamp, notices, recordings, rendering, retention, transcripts


def jobs() -> list[JobSpec]:
    """All of them."""
    return [
        JobSpec(name=recordings.REMOVE_BLOBS, run=recordings.remove_blobs),
        JobSpec(name=recordings.RENDER, run=rendering.render_recording),
        JobSpec(name=fetching.FETCH, run=fetching.fetch),
        *lamp.jobs(),
        *notices.jobs(),
        *transcripts.jobs(),
        *retention.jobs(),
    ]
