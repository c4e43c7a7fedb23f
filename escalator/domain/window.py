"""Change windows, and whether a schedule keeps to them (CM-2, CM-3, CM-5).

A schedule may come from any solver or person: it is believed only after
``check_schedule`` has found nothing.  Every interval is [start, end) in aware
datetimes; one that begins where another ends does not clash with it.
"""

import dataclasses
import datetime
import heapq
from collections.abc import Iterator, Sequence

UNKNOWN_TIME = "a time without its zone"


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in which work may be done.

    :raises ValueError: a time has no zone, or it ends before it begins.
    """

    start: datetime.datetime
    end: datetime.datetime

    def __post_init__(self) -> None:
        _check_interval(self.start, self.end)


@dataclasses.dataclass(frozen=True, slots=True)
class Booking:
    """Work at a time, and what it occupies meanwhile.

    :raises ValueError: a time has no zone, or it ends before it begins.
    """

    id: str
    start: datetime.datetime
    end: datetime.datetime
    resources: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_interval(self.start, self.end)


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """:ivar rule: ``window``, ``taken``, ``shared``, ``concurrent`` or ``twice``.
    :ivar booking: id of the booking that breaks it.
    """

    rule: str
    booking: str
    detail: str


def check_schedule(
    bookings: Sequence[Booking],
    windows: Sequence[Window],
    taken: Sequence[Booking],
    concurrent: int,
) -> tuple[Violation, ...]:
    """Return everything that is wrong with a schedule (pure).

    :param windows: each booking must lie within one of them.
    :param taken: other work, also of other campaigns; it does not count
        towards ``concurrent`` and is not judged itself.
    :param concurrent: most bookings under way at any moment.
    """
    return (
        *_repeated(bookings),
        *_outside(bookings, windows),
        *_clashes(bookings, taken),
        *_crowded(bookings, concurrent),
    )


def _check_interval(start: datetime.datetime, end: datetime.datetime) -> None:
    if start.utcoffset() is None or end.utcoffset() is None:
        raise ValueError(UNKNOWN_TIME)
    if end <= start:
        raise ValueError(f"{end.isoformat()} is not after {start.isoformat()}")


def _repeated(bookings: Sequence[Booking]) -> Iterator[Violation]:
    seen: set[str] = set()
    for booking in bookings:
        if booking.id in seen:
            yield Violation("twice", booking.id, "it is booked more than once")
        seen.add(booking.id)


def _outside(
    bookings: Sequence[Booking], windows: Sequence[Window]
) -> Iterator[Violation]:
    for booking in bookings:
        if not any(
            window.start <= booking.start and booking.end <= window.end
            for window in windows
        ):
            detail = f"{_say(booking)} lies within no change window"
            yield Violation("window", booking.id, detail)


def _clashes(
    bookings: Sequence[Booking], taken: Sequence[Booking]
) -> Iterator[Violation]:
    """Sweep each resource once in order of time."""
    uses: dict[str, list[tuple[Booking, bool]]] = {}
    for group, is_ours in ((taken, False), (bookings, True)):
        for booking in group:
            for resource in dict.fromkeys(booking.resources):
                uses.setdefault(resource, []).append((booking, is_ours))
    for resource, pairs in uses.items():
        pairs.sort(key=lambda pair: (pair[0].start, pair[0].end))
        last: dict[bool, Booking] = {}
        for booking, is_ours in pairs:
            for other_is_ours, other in last.items():
                if other.end > booking.start and (is_ours or other_is_ours):
                    yield _clash(resource, booking, is_ours, other, other_is_ours)
            if is_ours not in last or last[is_ours].end < booking.end:
                last[is_ours] = booking


def _clash(
    resource: str, one: Booking, is_ours: bool, other: Booking, other_is_ours: bool
) -> Violation:
    mine, its = (one, other) if is_ours else (other, one)
    rule = "shared" if is_ours and other_is_ours else "taken"
    detail = f"{_say(mine)} needs {resource}, which {its.id} has {_say(its)}"
    return Violation(rule, mine.id, detail)


def _crowded(bookings: Sequence[Booking], concurrent: int) -> Iterator[Violation]:
    ends: list[datetime.datetime] = []
    for booking in sorted(bookings, key=lambda each: (each.start, each.id)):
        while ends and ends[0] <= booking.start:
            heapq.heappop(ends)
        heapq.heappush(ends, booking.end)
        if len(ends) > concurrent:
            detail = f"{len(ends)} at once at {booking.start.isoformat()}"
            yield Violation("concurrent", booking.id, f"{detail}; allowed {concurrent}")


def _say(booking: Booking) -> str:
    return f"from {booking.start.isoformat()} to {booking.end.isoformat()}"
