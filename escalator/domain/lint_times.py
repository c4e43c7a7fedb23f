"""C602 to C604, C613, C615: each step says how long it takes, and that makes sense.

What depends on the host is judged with some numbers of instances.  Source: P-4e.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import duration, expression, parameters
from escalator.domain.expression import Expression
from escalator.domain.finding import Finding, point

SAMPLES = (0, 1, 10, 100)
"""Instances on the hosts that expressions are tried with."""

Times = Mapping[str, Expression]


def find(path: doc.Path, step: Mapping[str, Any]) -> Iterator[Finding]:
    """Find times of a step that are missing, unreadable, impossible or at odds."""
    times: dict[str, Expression] = {}
    for key in ("expected", "timeout", "progress"):
        if key in step:
            yield from _read((*path, key), step[key], times)
        elif key != "progress":
            yield Finding(
                "C602",
                point(*path),
                f"the step has no {key}",
                f"write {key}: {duration.SHAPES}",
            )
    wrong = [*_impossible(path, times)]
    yield from wrong or _at_odds(path, step, times)


def _read(
    path: doc.Path, value: Any, times: dict[str, Expression]
) -> Iterator[Finding]:
    """Read one time into ``times``."""
    key = str(path[-1])
    try:
        if key == "progress":
            duration.parse(value)
        times[key] = expression.read(value)
    except expression.Mistake as mistake:
        if not parameters.uses(value):
            yield Finding("C615", point(*path), str(mistake), mistake.remedy)
    except ValueError as error:
        yield from unreadable(path, value, error)


def _impossible(path: doc.Path, times: Times) -> Iterator[Finding]:
    """Find times below zero, and a timeout of zero."""
    for key, known in times.items():
        seconds = {each: known.seconds(each) for each in SAMPLES}
        if key == "timeout" and known.is_constant and not seconds[0]:
            yield Finding(
                "C603",
                point(*path, key),
                "a timeout of zero ends the step before it begins",
                "allow more time than is expected",
            )
            continue
        for instances, found in seconds.items():
            if found < 0 or (key == "timeout" and not found):
                yield Finding(
                    "C615",
                    point(*path, key),
                    f"{key} is {found:g} s{_on(instances, known)}",
                    f"write a least time into it, such as max(60s, {known.text})",
                )
                break


def _at_odds(
    path: doc.Path, step: Mapping[str, Any], times: Times
) -> Iterator[Finding]:
    """Find a timeout that comes before what is expected, or before no progress."""
    if "timeout" not in times:
        return
    timeout = times["timeout"]
    for instances in SAMPLES if "expected" in times else ():
        if timeout.seconds(instances) < times["expected"].seconds(instances):
            yield Finding(
                "C604",
                point(*path, "timeout"),
                f"timeout {step['timeout']} is below expected {step['expected']}"
                f"{_on(instances, timeout, times['expected'])}",
                "allow more time than is expected",
            )
            break
    for instances in SAMPLES if "progress" in times else ():
        if times["progress"].seconds(instances) >= timeout.seconds(instances):
            yield Finding(
                "C613",
                point(*path, "progress"),
                f"progress {step['progress']} is not below timeout {step['timeout']}"
                f"{_on(instances, timeout)}",
                "allow less time without progress than for the whole step",
            )
            break


def _on(instances: int, *times: Expression) -> str:
    """Say on which host it is so, if it depends on that."""
    if all(each.is_constant for each in times):
        return ""
    return f" on a host with {instances} instances"


def unreadable(path: doc.Path, value: Any, error: ValueError) -> Iterator[Finding]:
    """A parameter without a value is C302's or C402's affair."""
    if not (isinstance(value, str) and parameters.uses(value)):
        yield Finding("C603", point(*path), str(error), f"write {duration.SHAPES}")
