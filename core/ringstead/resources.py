"""What every tenant session of a process carries beside its scope, for the rooms above (`Session.info`)."""

from typing import Any

from ringstead.blobs import BLOBS, open_blobs
from ringstead.plugins.registry import Registry
from ringstead.plugins.transcribing import TRANSCRIBERS
from ringstead.settings import Settings
from ringstead.signing import SECRET


def session_info(settings: Settings, registry: Registry | None = None) -> dict[str, Any]:
    """The object storage, the signing keys and, where plugins are loaded, their transcribers."""
    return {
        BLOBS: open_blobs(settings),
        SECRET: settings.keys(),
        TRANSCRIBERS: {} if registry is None else registry.transcribers(),
    }
