"""Asking plugins outside a page, for a switch: contained as in the gate, and only those that are on."""

from typing import Any

import structlog

from ringstead.db.session import TenantSession
from ringstead.plugins.enablement import enabled_plugins
from ringstead.plugins.faults import is_portals, said
from ringstead.plugins.registry import CORE, Registry

log = structlog.get_logger(__name__)


def ask(registry: Registry, session: TenantSession, hook: str, kind: type, **arguments: Any) -> list[Any]:
    """The items of all answers to `hook`, of the plugins that are on for the session's organization.

    A plugin that raises, or gives something else than a list of `kind`, costs its own answer.
    """
    asked = registry.hooks(hook)
    if not asked:
        return []
    on = enabled_plugins(session) | {CORE}
    answers: list[Any] = []
    for owned in asked:
        if owned.plugin not in on:
            continue
        try:
            with session.begin_nested():
                found = owned.item(session=session, **arguments)
                session.flush()
            if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
                raise TypeError(f"{hook} must return a list of {kind.__name__}")
            answers += found
        except Exception as error:
            if is_portals(error):
                raise
            log.error("plugin.failed", plugin=owned.plugin, what=hook, why=said(error), exc_info=error)
    return answers
