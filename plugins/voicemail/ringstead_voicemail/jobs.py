"""What runs beside the pages."""

from ringstead.api import JobSpec
from ringstead_voicemail import recordings, rendering


def jobs() -> list[JobSpec]:
    """Jobs on demand."""
    return [
        JobSpec(name=recordings.REMOVE_BLOBS, run=recordings.remove_blobs),
        JobSpec(name=recordings.RENDER, run=rendering.render_recording),
    ]
