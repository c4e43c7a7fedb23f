"""C741 to C748: change windows that can be read, do not overlap and are long enough."""

import datetime
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from escalator.domain import change_window, parameters, plan, selector, timing
from escalator.domain import document as doc
from escalator.domain.change_window import ChangeWindow
from escalator.domain.finding import Finding, point
from escalator.domain.window import Window

PLACE: doc.Path = ("schedule", "windows")

_SINGLE = ("start", "end")
_WEEKLY = ("days", "from", "to", "tz")
_REFERENCE = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_YEAR = datetime.timedelta(days=366)
"""So much of weekly windows is looked at: each change of the clocks is among it."""

Placed = tuple[doc.Path, ChangeWindow]


def rows(filled: Mapping[str, Any]) -> list[doc.Row]:
    """Return every window of a file with its path."""
    return doc.rows(doc.table(filled, "schedule"), *PLACE)


def find(entries: Sequence[doc.Row]) -> Iterator[Finding]:
    """Find windows that cannot be read, or overlap."""
    sound: list[Placed] = []
    for path, body in entries:
        wrong = list(_of_one(path, body))
        yield from wrong
        if not wrong and is_whole(body):
            sound.append((path, change_window.read(body)))
    yield from _overlaps(sound)


def is_whole(body: Mapping[str, Any]) -> bool:
    """Say whether nothing is missing or misshapen: the schema tells of that."""
    keys = _SINGLE if "start" in body else ("from", "to", "tz")
    texts = all(
        (text := doc.text(body, key)) and not parameters.uses(text)
        for key in ("id", *keys)
    )
    days = body.get("days", [])
    return (
        texts
        and ("start" in body or bool(days))
        and isinstance(days, list | tuple)
        and all(day in change_window.DAYS for day in days)
    )


def _of_one(path: doc.Path, body: Mapping[str, Any]) -> Iterator[Finding]:
    kinds = [any(key in body for key in keys) for keys in (_SINGLE, _WEEKLY)]
    if sum(kinds) != 1:
        yield Finding(
            "C741",
            point(*path),
            f"a window that says {'both' if all(kinds) else 'no'} times",
            "write start and end, or days, from, to and tz",
        )
        return
    times: list[Any] = []
    for key in _SINGLE if kinds[0] else ("from", "to"):
        text = doc.text(body, key)
        if not text or parameters.uses(text):
            continue  # Another rule tells of it.
        try:
            read = change_window.moment if kinds[0] else change_window.clock
            times.append(read(text))
        except ValueError as error:
            shape = "2026-12-01T22:00:00+01:00" if kinds[0] else "23:00, in quotes"
            told = f"{text} cannot be read: {error}"
            yield Finding("C741", point(*path, key), told, f"write it as {shape}")
    yield from _no_length(path, body, times, kinds[0])
    yield from _unknown_zone(path, doc.text(body, "tz"))


def _no_length(
    path: doc.Path, body: Mapping[str, Any], times: list[Any], is_single: bool
) -> Iterator[Finding]:
    if len(times) < 2:
        return
    is_empty = times[1] <= times[0] if is_single else times[1] == times[0]
    if is_empty:
        first, last = _SINGLE if is_single else ("from", "to")
        yield Finding(
            "C742",
            point(*path, last),
            f"{doc.text(body, last)} is not after {doc.text(body, first)}",
            "let the window end after it begins",
        )


def _unknown_zone(path: doc.Path, name: str) -> Iterator[Finding]:
    if not name or parameters.uses(name):
        return
    try:
        change_window.zone_of(name)
    except ValueError as error:
        yield Finding(
            "C743",
            point(*path, "tz"),
            str(error),
            "write a name of the IANA data base, such as Europe/Madrid or UTC",
        )


def _overlaps(sound: Sequence[Placed]) -> Iterator[Finding]:
    years = {each: _of_year(each) for _, each in sound if not each.start}
    for (_, one), (path, other) in itertools.combinations(sound, 2):
        found = _common(one, other, years)
        if found is not None:
            yield Finding(
                "C744",
                point(*path),
                f"{other.id} and {one.id} are open at once, at"
                f" {found:%Y-%m-%d %H:%M} UTC",
                "join them into one, or let one begin where the other ends",
            )


def _of_year(each: ChangeWindow) -> list[Window]:
    return list(change_window.occurrences(each, _REFERENCE, _REFERENCE + _YEAR))


def _common(
    one: ChangeWindow, other: ChangeWindow, years: Mapping[ChangeWindow, list[Window]]
) -> datetime.datetime | None:
    """Return when both are open for the first time."""
    spans = []
    single = next((each for each in (one, other) if each.start), None)
    for each in (one, other):
        if single is None or each.start:
            spans.append(years.get(each) or _whole(each))
            continue
        (known,) = _whole(single)
        last = min(known.end, known.start + _YEAR)
        spans.append(list(change_window.occurrences(each, known.start, last)))
    at = [0, 0]
    while at[0] < len(spans[0]) and at[1] < len(spans[1]):
        first, second = spans[0][at[0]], spans[1][at[1]]
        start = max(first.start, second.start)
        if start < min(first.end, second.end):
            return start
        at[0 if first.end <= second.end else 1] += 1
    return None


def _whole(single: ChangeWindow) -> list[Window]:
    moment = change_window.moment
    return [Window(moment(single.start), moment(single.end))] if single.start else []


def find_over(windows: Sequence[ChangeWindow], now: float | None) -> Iterator[Finding]:
    """Find windows that are all in the past.

    :param now: epoch seconds; None: nobody knows.
    """
    hours = change_window.Hours(windows)
    if now is not None and hours.is_over(now):
        yield Finding(
            "C745",
            point(*PLACE),
            f"the last change window closed at {hours.closed_at()}",
            "give a window that is still to come, or take schedule out",
        )


def find_short(
    understood: plan.Plan, targets: Sequence[plan.Target]
) -> Iterator[Finding]:
    """Find windows into which a visit does not fit, as long as the file expects it."""
    if not understood.windows:
        return
    needs = {
        each.id: _needs(understood, each, targets) for each in understood.procedures
    }
    lengths = {each: _lengths([each]) for each in understood.windows}
    longest = max(_lengths(understood.windows), default=0.0)
    name = max(needs, key=lambda each: min(needs[each]))
    if longest < min(needs[name]):
        yield Finding(
            "C746",
            point(*PLACE),
            f"a visit of {name} may take {min(needs[name]):.0f} s, and no window is"
            f" longer than {longest:.0f} s",
            "give a longer window, or split the procedure",
        )
        return
    name = max(needs, key=lambda each: max(needs[each]))
    need_s = max(needs[name])
    for at, (each, found) in enumerate(lengths.items()):
        if max(found, default=0.0) < need_s:
            yield Finding(
                "C747",
                point(*PLACE, at),
                f"a visit of {name} may take {need_s:.0f} s, {each.id} is only"
                f" {max(found, default=0.0):.0f} s long",
                "nothing, if it is for shorter visits; or make it longer",
                severity="warning",
            )


def _needs(
    understood: plan.Plan, procedure: plan.Procedure, targets: Sequence[plan.Target]
) -> list[float]:
    """Return how long visits may take: one length, unless the hosts differ."""
    chosen = [plan.Target("")]
    if not timing.is_constant(procedure):
        by = understood.selector(procedure.selector)
        chosen = selector.select(by, targets) or chosen
    return [
        timing.longest_s(procedure, each, {}, procedure.rehearse_undo)
        for each in chosen
    ]


def _lengths(windows: Sequence[ChangeWindow]) -> list[float]:
    """Return the seconds of what is open without a break."""
    found = [one for each in windows for one in (_whole(each) or _of_year(each))]
    joined = change_window.joined(found)
    return [(each.end - each.start).total_seconds() for each in joined]


def find_left(left: int) -> Iterator[Finding]:
    """Tell of hosts that nine of ten runs leave at most when the last window closes."""
    if left:
        yield Finding(
            "C748",
            point(*PLACE),
            f"up to {left} hosts are left when the last change window that is long"
            " enough closes",
            "give more windows or longer ones, or let more hosts out at once",
            severity="warning",
        )
