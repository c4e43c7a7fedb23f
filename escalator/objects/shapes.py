"""What a member of a record may be on the wire, compiled from its type hint.

A message may come from a newer peer, an older one, or anybody with the
broker's password.  What has a wrong type is refused when it is read: a handler
that fails over it would get it again for ever.
"""

import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]
"""Tells whether a value parsed from JSON is right."""

_EXACT_INTEGERS = 2**53
"""A float holds every whole number up to it."""


def compile_check(hint: Any) -> Check | None:
    """Return the check of a type hint; None if everything is right.

    Members of dataclasses are not looked at: their codec does that.

    :raises TypeError: no check is known for such a hint.
    """
    if hint is Any:
        return None
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, types.UnionType):
        return _any_of([compile_check(each) for each in typing.get_args(hint)])
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and inner[1:] == (...,):
        return _all_in(list, compile_check(inner[0]))
    if origin in (dict, Mapping) and inner[0] is str:
        return _all_in(dict, compile_check(inner[1]))
    if hasattr(hint, "__dataclass_fields__"):
        return _of_type(dict)
    raise TypeError(f"{hint!r}: no check is known")


def exact_type(hint: Any) -> type | None:
    """Return the one type that is all there is to check; it is checked faster."""
    if hint in (str, int, bool):
        return typing.cast(type, hint)
    is_open = typing.get_origin(hint) in (dict, Mapping) and (
        typing.get_args(hint) == (str, Any)
    )
    return dict if is_open else None


def _is_real(value: Any) -> bool:
    """Accept a whole number too: JSON knows one kind of number only."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    return kind is int and -_EXACT_INTEGERS <= value <= _EXACT_INTEGERS


def _of_type(kind: type) -> Check:
    return lambda value: type(value) is kind


def _any_of(checks: list[Check | None]) -> Check | None:
    some = [each for each in checks if each is not None]
    if len(some) < len(checks):
        return None
    return lambda value: any(check(value) for check in some)


def _all_in(kind: type[dict[str, Any]] | type[list[Any]], check: Check | None) -> Check:
    if check is None:
        return _of_type(kind)
    inner = check

    def is_right(value: Any) -> bool:
        if not isinstance(value, kind):
            return False
        return all(map(inner, value.values() if isinstance(value, dict) else value))

    return is_right


_SCALARS: Mapping[Any, Check] = {
    str: _of_type(str),
    int: _of_type(int),
    bool: _of_type(bool),
    float: _is_real,
    type(None): _of_type(type(None)),
}
