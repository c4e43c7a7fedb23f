"""Durations as people write them: ``500ms``, ``30s``, ``5m``, ``2h``, ``1d``."""

import math
import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHAPE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)

SHAPES = "a number of seconds, or one of 500ms, 30s, 5m, 2h, 1d"


def parse(value: object) -> float:
    """Return ``value`` in seconds (pure).

    :param value: text with one unit, or a number of seconds.
    :raises ValueError: it is neither, negative or not finite.
    """
    seconds = _read(value)
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"{value!r} is not a duration: write {SHAPES}")
    return seconds


def _read(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _number(value)
    found = _SHAPE.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(found[1]) * _UNITS_S[found[2]] if found else None


def _number(value: int | float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
