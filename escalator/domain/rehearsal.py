"""The undo of a procedure, rehearsed on its first target (``rehearse_undo``).

That target goes forward, back, and forward again; the others wait until it has.
Whether it is back at what it was, its checkpoints tell: those of the second round
must equal those of the first.  Pure.  Source: R-2.
"""

import enum
from collections.abc import Iterator, Mapping
from typing import Any

MOST_TOLD = 5


class Rehearsal(enum.StrEnum):
    """How far a target's slot is with it; the row says it, so it survives a crash."""

    NONE = ""
    DUE = "due"
    """Forward for the first time."""
    READY = "ready"
    """All steps are done; the undo is next."""
    UNDOING = "undoing"
    AGAIN = "again"
    """Undone, and forward once more."""
    PASSED = "passed"


def following(rehearsal: str) -> Rehearsal:
    """Return where a rehearsal goes when a slot's last step is done, or undone."""
    match Rehearsal(rehearsal):
        case Rehearsal.DUE:
            return Rehearsal.READY
        case Rehearsal.AGAIN:
            return Rehearsal.PASSED
        case other:
            return other


def differences(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    """Return where two checkpoints differ, as text; empty: nowhere.

    :param before: None: there is none to compare with.
    """
    if before is None:
        return "there is no earlier checkpoint"
    found = list(_walk(before, now, ""))
    told = "; ".join(found[:MOST_TOLD])
    more = len(found) - MOST_TOLD
    return f"{told}; and {more} more" if more > 0 else told


def _walk(before: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            place = f"{path}.{key}" if path else str(key)
            if key not in now:
                yield f"{place}: {_short(before[key])} is gone"
            elif key not in before:
                yield f"{place}: {_short(now[key])} was not there"
            else:
                yield from _walk(before[key], now[key], place)
    elif before != now:
        yield f"{path}: {_short(before)} is {_short(now)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
