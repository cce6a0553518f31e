"""What the misfits share."""

from collections.abc import Callable
from typing import Any

from ringstead.api import API_VERSION, SIGNED_IN, Card, PluginInfo


def info(name: str) -> PluginInfo:
    """An honest introduction."""
    return PluginInfo(name=name, title=name, version="1.0", api=API_VERSION, package=name)


def view(_context: object, _request: object) -> dict[str, str]:
    """A page with nothing wrong."""
    return {}


def fail(*_arguments: object) -> Any:
    """What most misfits do."""
    raise RuntimeError("this add-on is out of order")


def card(name: str, **values: Any) -> Card:
    """A card with nothing wrong but what `values` say."""
    present: Callable[..., Any] = values.pop("present", lambda ctx, rows: {"answer": "fine"})
    return Card(
        id=f"{name}.card",
        title=name,
        permission=SIGNED_IN,
        template=f"{name}/card.pt",
        present=present,
        **values,
    )
