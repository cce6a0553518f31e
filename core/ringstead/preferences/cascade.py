"""Resolve preferences. The deepest level that has a value wins, unless a level above locked its own.

Between the organization and the subscriber stands the subscriber's package: it may bring a value, and say who decides:
everybody for themselves, the organization's admins for their people, or the partner alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from ringstead.api.contributions import Level, Setting

LEVELS: tuple[Level, ...] = ("platform", "partner", "organization", "package", "subscriber")
Editor = Literal["everybody", "admins", "partner"]
EDITORS: tuple[Editor, ...] = ("everybody", "admins", "partner")
# How many choices a message names.
_NAMED: Final = 12
Stored = Mapping[str, Mapping[str, tuple[Any, Any]] | None]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A preference's value, where it comes from (None: the default), and who locked it against the subscriber, if
    anybody; `is_admins`: the organization's admins may still change it for their people."""

    value: Any
    source: Level | None
    locked_by: Level | None
    is_admins: bool = False


class UnknownSetting(KeyError):
    """No plugin declared a preference of this name."""


class Preferences:
    """The preferences that hold for one subscriber (or one level above), read together with the session."""

    __slots__ = ("_declared", "_stored")

    def __init__(self, declared: Mapping[str, Setting], stored: Stored | None) -> None:
        self._declared, self._stored = declared, stored or {}

    def __getitem__(self, name: str) -> Any:
        return self.resolve(name).value

    def resolve(self, name: str) -> Resolved:
        """The value of `name` with its provenance. Raises `UnknownSetting`."""
        setting = self._declared.get(name)
        if setting is None:
            raise UnknownSetting(f"no plugin declares the setting {name!r}")
        found = Resolved(setting.default, None, None)
        for level in LEVELS[: LEVELS.index(setting.level) + 1]:
            if level == "package":
                found = self._by_package(setting, found)
                if found.locked_by is not None and not found.is_admins:
                    break
                continue
            values = self._stored.get(level)
            if values and name in values and fits(setting, values[name][0]):
                value, locked = values[name]
                found = replace(found, value=value, source=level)
                if locked:
                    return replace(found, locked_by=level)
        return found

    def _by_package(self, setting: Setting, found: Resolved) -> Resolved:
        """What the subscriber's package says of a preference on top of what was found above."""
        value, who = (self._stored.get("package") or {}).get(setting.name, (None, "everybody"))
        if value is not None and fits(setting, value):
            found = replace(found, value=value, source="package")
        return found if who == "everybody" else replace(found, locked_by="package", is_admins=who == "admins")


def fits(setting: Setting, value: Any) -> bool:
    """Whether a stored value still fits its declaration (an upgrade may have narrowed it)."""
    return problem_with(setting, value) is None


def problem_with(setting: Setting, value: Any) -> str | None:
    """What is wrong with `value` for `setting`, in words for the log and the operator; None when nothing is."""
    if type(value) is not setting.type:
        return f"must be {setting.type.__name__}, not {type(value).__name__}"
    if setting.choices and value not in setting.choices:
        return f"must be one of {_named(setting.choices)}"
    if isinstance(value, int) and setting.minimum is not None and value < setting.minimum:
        return f"must be at least {setting.minimum}"
    if isinstance(value, int) and setting.maximum is not None and value > setting.maximum:
        return f"must be at most {setting.maximum}"
    return None


def _named(choices: tuple[Any, ...]) -> str:
    names = [str(choice) for choice in choices[:_NAMED]]
    if len(choices) > _NAMED:
        names.append(f"and {len(choices) - _NAMED} more")
    return ", ".join(names)
