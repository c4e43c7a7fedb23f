"""When a campaign may begin hosts: the change windows of its file.  Pure.

A window is a single one, or comes back on days of the week by the clock of a place.
Windows that touch are one.  Where the change of the clocks doubles a time of day, or
leaves it out, the window is the shorter one: in doubt nothing is begun.
Source: CM-1, P-4b; ADR 22.
"""

import dataclasses
import datetime
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import window
from escalator.domain.window import Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HORIZON = datetime.timedelta(days=15)
"""So far ahead weekly windows are looked for: two weeks and the change of a clock."""

_YEARS = range(1971, 9000)
_DAY = datetime.timedelta(days=1)
_END = datetime.datetime.max.replace(tzinfo=datetime.UTC)
"""Of time: a single window may lie as far ahead as it likes."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeWindow:
    """One entry of ``schedule.windows``, in the file's words.

    :ivar start: of a single one, as ``end``: RFC 3339 with offset; else empty.
    :ivar days: of a weekly one: on which it begins, of :data:`DAYS`.
    :ivar opens: of a weekly one, as ``closes``: ``23:00``.  One that does not close
        later than it opens closes on the next day.
    :ivar zone: of a weekly one: whose clock, ``Europe/Madrid``.
    """

    id: str
    start: str = ""
    end: str = ""
    days: tuple[str, ...] = ()
    opens: str = ""
    closes: str = ""
    zone: str = ""

    def text(self) -> str:
        """Say it in one line."""
        if self.start:
            return f"{self.id}: {self.start} to {self.end}"
        days = ",".join(self.days)
        return f"{self.id}: {days} {self.opens} to {self.closes} {self.zone}"


def read(body: Mapping[str, Any]) -> ChangeWindow:
    """Return the window of one entry that ``lint_windows`` finds nothing about."""
    return ChangeWindow(
        body["id"],
        start=body.get("start", ""),
        end=body.get("end", ""),
        days=tuple(body.get("days", ())),
        opens=body.get("from", ""),
        closes=body.get("to", ""),
        zone=body.get("tz", ""),
    )


def moment(text: str) -> datetime.datetime:
    """Return a time in UTC.

    :raises ValueError: it cannot be read, or has no offset.
    """
    found = datetime.datetime.fromisoformat(text)
    if found.utcoffset() is None:
        raise ValueError(window.UNKNOWN_TIME)
    if found.year not in _YEARS:
        raise ValueError(f"the year {found.year} is out of range")
    return found.astimezone(datetime.UTC)


def clock(text: str) -> datetime.time:
    """Return a time of day, ``23:00``: the guard compares just such texts.

    :raises ValueError: it is written otherwise.
    """
    found = datetime.time.fromisoformat(text)
    if text != f"{found:%H:%M}":
        raise ValueError("a time of day is hours and minutes")
    return found


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """Return a time zone.

    :raises ValueError: nobody knows it.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called {name}") from error


def occurrences(
    each: ChangeWindow, after: datetime.datetime, until: datetime.datetime
) -> Iterator[Window]:
    """Yield when a window is open: ends after ``after``, begins before ``until``."""
    if each.start:
        single = Window(moment(each.start), moment(each.end))
        if single.end > after and single.start < until:
            yield single
        return
    zone = zone_of(each.zone)
    opens, closes = clock(each.opens), clock(each.closes)
    day = after.astimezone(zone).date() - _DAY
    while day <= until.astimezone(zone).date():
        last = day if closes > opens else day + _DAY
        start = _instant(day, opens, zone, max)
        end = _instant(last, closes, zone, min)
        if DAYS[day.weekday()] in each.days and after < end and start < until:
            if start < end:
                yield Window(start, end)
        day += _DAY


def _instant(
    day: datetime.date,
    at: datetime.time,
    zone: zoneinfo.ZoneInfo,
    pick: Callable[[Iterable[datetime.datetime]], datetime.datetime],
) -> datetime.datetime:
    local = datetime.datetime.combine(day, at, zone)
    return pick(local.replace(fold=fold).astimezone(datetime.UTC) for fold in (0, 1))


class Hours:
    """When hosts may be begun; without any window always.

    Times are epoch seconds.
    """

    def __init__(self, windows: Sequence[ChangeWindow] = ()) -> None:
        self.windows = tuple(windows)
        self._known: tuple[float, Window | None] | None = None

    def following(self, now: float) -> Window | None:
        """Return the window that is open, or else the next one; None: all are over.

        There are windows.
        """
        if self._known is not None:
            since, found = self._known
            if since <= now and (found is None or now < found.end.timestamp()):
                return found
        found = self._find(_instant_of(now))
        self._known = (now, found)
        return found

    def _find(self, now: datetime.datetime) -> Window | None:
        found = [
            one
            for each in self.windows
            for one in occurrences(each, now, _END if each.start else now + _HORIZON)
        ]
        return next(joined(found), None)

    def closed(self, now: float) -> str:
        """Return why nothing may be begun now, or ""."""
        if not self.windows:
            return ""
        found = self.following(now)
        if found is None:
            return f"waits: the last change window closed at {self.closed_at()}"
        if found.start.timestamp() > now:
            return f"waits: the change window opens at {_say(found.start)}"
        return ""

    def unchecked(self, now: float, checked_at: float) -> str:
        """Return why a system looked at then is not good enough now, or "".

        A window is open, and what was seen before it opened is out of date: nobody
        may have watched since.
        """
        found = self.following(now) if self.windows else None
        if found is None or found.start.timestamp() <= checked_at:
            return ""
        return (
            f"waits: a preflight comes first: the window opened at {_say(found.start)}"
        )

    def too_late(self, now: float, need_s: float) -> str:
        """Return why what takes so long is not begun now, or ""; a window is open."""
        found = self.following(now) if self.windows else None
        if found is None or now + need_s <= found.end.timestamp():
            return ""
        return (
            "waits: it would not end before the change window closes at"
            f" {_say(found.end)}: it takes up to {_length(need_s)}"
        )

    def is_over(self, now: float) -> bool:
        """Say whether there is none any more that opens."""
        return bool(self.windows) and self.following(now) is None

    def closed_at(self) -> str:
        """Say when the last one closed; all are over."""
        return _say(max(moment(each.end) for each in self.windows))


def joined(found: Sequence[Window]) -> Iterator[Window]:
    """Yield windows in their order; those that touch as one."""
    current: Window | None = None
    for each in sorted(found, key=lambda one: (one.start, one.end)):
        if current is None or each.start > current.end:
            if current is not None:
                yield current
            current = each
        elif each.end > current.end:
            current = Window(current.start, each.end)
    if current is not None:
        yield current


def _instant_of(now: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now, datetime.UTC)


def _say(at: datetime.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
