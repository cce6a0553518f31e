"""Whether a declaration's values have the types that its dataclass says: what a type checker would have told."""

import types
from collections.abc import Callable
from dataclasses import fields
from inspect import iscoroutinefunction, signature
from typing import Any, Literal, Union, get_args, get_origin


def misfit(item: Any) -> tuple[str, str] | None:
    """The first field of a contribution whose value has the wrong type, and what it should be."""
    for field in fields(item):
        if not conforms(field.type, getattr(item, field.name)):
            value = getattr(item, field.name)
            return field.name, f"must be {spelled(field.type)}, not {type(value).__name__} {value!r:.60}"
    return None


def conforms(annotation: Any, value: Any) -> bool:
    """Whether `value` fits a field's annotation.

    Annotations that name what only type checkers import are strings: of those, functions and classes are told apart.
    """
    if isinstance(annotation, str):
        if value is None:
            return annotation.endswith("| None")
        return isinstance(value, type) if annotation.startswith("type[") else callable(value)
    return annotation is Any or _conforms_to_type(annotation, value)


def _conforms_to_type(annotation: Any, value: Any) -> bool:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return value in arguments
    if origin in (Union, types.UnionType):
        return any(conforms(argument, value) for argument in arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return (
            isinstance(value, tuple) and len(value) == len(arguments) and all(map(conforms, arguments, value))
        )
    if origin in (tuple, frozenset):
        return isinstance(value, origin) and all(conforms(arguments[0], entry) for entry in value)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or annotation)


def spelled(annotation: Any) -> str:
    """An annotation as people write it."""
    if isinstance(annotation, str):
        if annotation.startswith("type["):
            return "a class"
        return "a function or None" if annotation.endswith("| None") else "a function"
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(repr, get_args(annotation)))
    if get_origin(annotation) is frozenset:
        return f"a frozenset, each {spelled(get_args(annotation)[0])}"
    return (
        annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
    )


def accepts(
    function: Callable[..., Any], names: tuple[str, ...], more: bool = False, by_name: tuple[str, ...] = ()
) -> bool:
    """Whether a function can be called with so many positional arguments, and answers at once (is not async).

    It must take `by_name` by name; with `more`, it may want further arguments, by name.
    """
    if iscoroutinefunction(function):
        return False
    try:
        bind = signature(function).bind_partial if more else signature(function).bind
        bind(*names, **dict.fromkeys(by_name))
    except TypeError:
        return False
    except ValueError:  # a function written in C, which does not say
        return True
    return True
