"""From a question for times to an answer that has been checked.

Source: CM-1, CM-2, CM-3, CM-5; architecture, idea 4: the solver proposes, the
core checks.
"""

import datetime
import json
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jsonschema

from escalator import errors
from escalator.domain import window
from escalator.domain.finding import point
from escalator.drivers import base

MAX_WINDOW_MIN = 92 * 24 * 60

_MINUTE_S = 60
_VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(
        resources.files("escalator.scheduler")
        .joinpath("request.schema.json")
        .read_text(encoding="utf-8")
    )
)


def find_times(solver: base.Solver, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a time for every target, in order of their start.

    Times are told in UTC; starts lie whole minutes after the window's
    beginning.

    :param request: see ``request.schema.json``; ``concurrent`` is 1 and
        ``taken`` is empty if not given.
    :returns: ``{"bookings": [{"target", "start", "end"}], "end"}``.
    :raises InvalidInput: the request breaks its schema.
    :raises NoSchedule: why there is no time, or what is wrong with the one
        that the solver proposed.
    """
    _check_shape(request)
    span = _window(request["window"])
    taken = _taken(request.get("taken", ()))
    concurrent = request.get("concurrent", 1)
    proposed = _propose(solver, request, span, taken, concurrent)
    violations = window.check_schedule(proposed, [span], taken, concurrent)
    if violations:
        reason = f"the solver's proposal is wrong: {violations[0].detail}"
        raise errors.NoSchedule(reason=reason)
    return _answer(proposed)


def _propose(
    solver: base.Solver,
    request: Mapping[str, Any],
    span: window.Window,
    taken: list[window.Booking],
    concurrent: int,
) -> list[window.Booking]:
    length_min = request["length_min"]
    demands = [base.Demand(name, length_min, (name,)) for name in request["targets"]]
    starts = solver.solve(
        demands,
        (0, math.floor(_minutes(span.start, span.end))),
        [_in_minutes(span.start, booking) for booking in taken],
        concurrent,
    )
    missing = [demand.id for demand in demands if demand.id not in starts]
    if missing:
        raise errors.NoSchedule(reason=f"the solver left out {', '.join(missing[:5])}")
    return [
        _booked(demand, span.start + datetime.timedelta(minutes=starts[demand.id]))
        for demand in demands
    ]


def _booked(demand: base.Demand, start: datetime.datetime) -> window.Booking:
    end = start + datetime.timedelta(minutes=demand.length_min)
    return window.Booking(demand.id, start, end, demand.resources)


def _in_minutes(
    origin: datetime.datetime, booking: window.Booking
) -> tuple[str, int, int]:
    """Round outward: a part of a minute is a taken minute."""
    (resource,) = booking.resources
    return (
        resource,
        math.floor(_minutes(origin, booking.start)),
        math.ceil(_minutes(origin, booking.end)),
    )


def _minutes(origin: datetime.datetime, moment: datetime.datetime) -> float:
    return (moment - origin).total_seconds() / _MINUTE_S


def _answer(bookings: list[window.Booking]) -> dict[str, Any]:
    ordered = sorted(bookings, key=lambda each: (each.start, each.id))
    return {
        "bookings": [
            {
                "target": each.id,
                "start": each.start.isoformat(),
                "end": each.end.isoformat(),
            }
            for each in ordered
        ],
        "end": max(each.end for each in ordered).isoformat(),
    }


def _check_shape(request: Mapping[str, Any]) -> None:
    found = sorted(_VALIDATOR.iter_errors(request), key=lambda each: each.json_path)
    if found:
        raise _refusal(
            (point(*each.absolute_path), str(each.validator), each.message[:200])
            for each in found
        )


def _window(body: Mapping[str, str]) -> window.Window:
    earliest = _time(body["earliest"], "/window/earliest")
    latest = _time(body["latest"], "/window/latest")
    try:
        span = window.Window(earliest, latest)
    except ValueError as error:
        raise _refusal([("/window/latest", "window", str(error))]) from error
    if _minutes(earliest, latest) > MAX_WINDOW_MIN:
        detail = f"a window has at most {MAX_WINDOW_MIN} minutes"
        raise _refusal([("/window/latest", "window", detail)])
    return span


def _taken(entries: Any) -> list[window.Booking]:
    bookings = []
    for index, body in enumerate(entries):
        place = f"/taken/{index}"
        start = _time(body["start"], f"{place}/start")
        end = _time(body["end"], f"{place}/end")
        try:
            booking = window.Booking(f"taken {index}", start, end, (body["target"],))
        except ValueError as error:
            raise _refusal([(f"{place}/end", "window", str(error))]) from error
        bookings.append(booking)
    return bookings


def _time(text: str, pointer: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
        if moment.utcoffset() is None:
            raise ValueError(window.UNKNOWN_TIME)
        return moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        detail = f"{text} is no time: {error}"
        raise _refusal([(pointer, "time", detail)]) from error


def _refusal(found: Any) -> errors.InvalidInput:
    findings = tuple(
        {
            "rule": f"times.{rule}",
            "pointer": pointer,
            "line": None,
            "detail": detail,
            "remedy": "see request.schema.json: times in ISO 8601 with their zone",
        }
        for pointer, rule, detail in found
    )
    return errors.InvalidInput(
        kind="request for times",
        summary=str(findings[0]["detail"]),
        findings=findings,
    )
