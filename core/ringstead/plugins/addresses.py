"""Addresses belong to one plugin each: two routes that could answer the same request are a collision."""

import re
from collections import defaultdict

from ringstead.api.contributions import Contributions, Route
from ringstead.plugins.faults import PluginFault

# First segments that the core answers before any plugin is asked.
RESERVED = {"brand", "favicon.ico", "healthz", "manifest.webmanifest", "robots.txt", "static", "switch"}
_PLACEHOLDER = re.compile(r"\{[^{}:]*(?::((?:[^{}]|\{[^{}]*\})*))?\}")
_REST = "*"


class Addresses:
    """Who has which address. Routes are compared only with those that share site and first segment."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], list[tuple[str, Route]]] = defaultdict(list)
        self._messages: dict[str, str] = {}
        self._codes: dict[str, str] = {}

    def claim(self, plugin: str, given: Contributions) -> None:
        """Take all addresses of one plugin, or none: raises `PluginFault` naming who has it."""
        for route in given.routes:
            if _first(route) in RESERVED:
                raise PluginFault(
                    plugin, "declare_routes", f"{route.pattern!r} is the portal's own", "pattern"
                )
            for owner, other in self._routes[route.site, _first(route)]:
                if overlap(route, other):
                    raise PluginFault(
                        plugin,
                        "declare_routes",
                        f"{route.pattern!r} on the {route.site} is taken by plugin {owner!r} ({other.pattern!r})",
                        "pattern",
                    )
        for message in given.switch_messages:
            if message.path in self._messages:
                taken = f"{message.path!r} is taken by plugin {self._messages[message.path]!r}"
                raise PluginFault(plugin, "declare_switch_messages", taken, "path")
        for route in given.routes:
            self._routes[route.site, _first(route)].append((plugin, route))
        for code in given.feature_codes:
            if code.code in self._codes:
                taken = f"{code.code!r} is taken by plugin {self._codes[code.code]!r}"
                raise PluginFault(plugin, "declare_feature_codes", taken, "code")
        self._codes.update(dict.fromkeys((c.code for c in given.feature_codes), plugin))
        self._messages.update(dict.fromkeys((m.path for m in given.switch_messages), plugin))


def overlap(one: Route, other: Route) -> bool:
    """Whether some request fits both routes (of the same site)."""
    if not set(one.methods) & set(other.methods):
        return False
    return _meet(_segments(one), _segments(other))


def _segments(route: Route) -> list[str]:
    path, star, _ = route.pattern.partition("*")
    return [s for s in path.split("/") if s] + ([_REST] if star else [])


def _first(route: Route) -> str:
    return route.pattern.lstrip("/").partition("/")[0]


def _meet(one: list[str], other: list[str]) -> bool:
    for left, right in zip(one, other, strict=False):
        if _REST in (left, right):
            return True
        if not _same(left, right):
            return False
    longer = one if len(one) > len(other) else other
    return len(one) == len(other) or longer[min(len(one), len(other))] == _REST


def _same(left: str, right: str) -> bool:
    """Whether two segments can be the same word. Two that both hold placeholders are taken to meet."""
    if "{" not in left and "{" not in right:
        return left == right
    if "{" in left and "{" in right:
        return True
    pattern, word = (left, right) if "{" in left else (right, left)
    return re.fullmatch(_as_regex(pattern), word) is not None


def _as_regex(segment: str) -> str:
    literals = _PLACEHOLDER.split(segment)[::2]
    wanted = [match[1] or "[^/]+" for match in _PLACEHOLDER.finditer(segment)] + [""]
    return "".join(re.escape(text) + f"(?:{regex})" for text, regex in zip(literals, wanted, strict=True))
