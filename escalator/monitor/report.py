"""What the probe loop tells, in wall-clock time and fit for a pipe."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """A verdict of ``domain.fault`` with T0 in epoch seconds."""

    host: str
    t0: float
    misses: int
    faults: int
    has_answered: bool
    is_storm: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """All verdicts of one round; ``at`` (epoch seconds) is their T1."""

    at: float
    failed: tuple[Failure, ...]
    returned: tuple[str, ...]


class Outlet(Protocol):
    """Takes what the loop has to tell; must not block the loop."""

    def judged(self, judged: Judged) -> None:
        """Take the verdicts of one round."""

    def ticked(self, late_s: Sequence[float]) -> None:
        """Take the lateness of the latest ticks, seconds each."""


def encode(kind: str, body: Any) -> bytes:
    """Return one line of the pipe."""
    return json.dumps({kind: body}, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> tuple[str, Any]:
    """Return kind and body of one line.

    :raises ValueError: it is no line of ours.
    """
    message = json.loads(line)
    if not isinstance(message, dict) or len(message) != 1:
        raise ValueError(f"not a message of the probe loop: {line[:80]!r}")
    return next(iter(message.items()))


def encode_judged(judged: Judged) -> bytes:
    """Return ``judged`` as one line."""
    failed = [dataclasses.astuple(failure) for failure in judged.failed]
    return encode("judged", [judged.at, failed, judged.returned])


def decode_judged(body: Any) -> Judged:
    """Return what :func:`encode_judged` was given.

    :raises ValueError: the body has another shape.
    """
    try:
        at, failed, returned = body
        return Judged(at, tuple(Failure(*row) for row in failed), tuple(returned))
    except TypeError as error:
        raise ValueError(f"not a judgement: {error}") from None
