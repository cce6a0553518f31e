"""Where plugins keep their templates, static files and catalogues."""

from pathlib import Path

from ringstead.plugins.registry import CORE, Registry


def plugin_folders(registry: Registry, room: str) -> dict[str, Path]:
    """The folder `room` (static, templates, locale) of every active plugin that has one, by plugin name."""
    folders = {}
    for name in sorted(registry.active - {CORE}):
        home = registry.plugins[name].folder
        if home is not None and (home / room).is_dir():
            folders[name] = home / room
    return folders
