"""Preferences in a form: the control that fits each, and the value that was typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyramid.i18n import TranslationStringFactory

from ringstead.api.contributions import Setting
from ringstead.preferences.cascade import problem_with

_ = TranslationStringFactory("ringstead")
_LONGEST: Final = 200
_YES, _NO = "yes", "no"
Offered = Mapping[str, Sequence[tuple[str, Any]]]
"""Choices (value and title) by the name of a preference."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a form: a choice when there are `options` (value and title), else text, digits only if `is_number`.

    `text` is what stands there; empty: nothing is said here. `is_list`: such a preference has a page of its own.
    """

    setting: Setting
    text: str
    options: Sequence[tuple[str, Any]] = field(default=())
    is_number: bool = False
    is_list: bool = False

    @property
    def name(self) -> str:
        """The name of the preference, and of its field."""
        return self.setting.name


def control(setting: Setting, offered: Offered, value: Any = None, typed: str | None = None) -> Control:
    """The control of a preference that has a value (None: nothing is said), or in which something was typed.

    `offered` has the choices of the preferences whose own declaration does not know them.
    """
    text = typed if typed is not None else _written(value)
    return Control(
        setting,
        text,
        _options(setting, offered),
        is_number=setting.type is int and not setting.choices,
        is_list=setting.type is list,
    )


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return _YES if value else _NO
    return "" if value is None or isinstance(value, list) else str(value)


def _options(setting: Setting, offered: Offered) -> Sequence[tuple[str, Any]]:
    if setting.type is bool:
        return [(_YES, _("Yes")), (_NO, _("No"))]
    return offered.get(setting.name) or [(str(one), str(one)) for one in setting.choices]


def read(control: Control) -> tuple[Any, Any]:
    """The value that a control says (None: nothing), and otherwise what is wrong with it."""
    text = control.text.strip()[:_LONGEST]
    if not text:
        return None, None
    if control.options and text not in {value for value, _title in control.options}:
        return None, _("Choose one of the list.")
    value: Any = text
    if control.setting.type is bool:
        value = text == _YES
    elif control.setting.type is int:
        if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 9:
            return None, _("Enter a whole number.")
        value = int(text)
    if problem_with(control.setting, value) is not None:
        least, most = control.setting.minimum, control.setting.maximum
        if most is None:
            return None, _("Enter ${least} or more.") % {"least": least}
        return None, _("Enter a number from ${least} to ${most}.") % {"least": least or 0, "most": most}
    return value, None
