"""C602 to C604, C613: each step says how long it takes, and that makes sense (P-4e)."""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import duration, parameters
from escalator.domain.finding import Finding, point


def find(path: doc.Path, step: Mapping[str, Any]) -> Iterator[Finding]:
    """Find times of a step that are missing, unreadable or at odds."""
    seconds: dict[str, float] = {}
    for key in ("expected", "timeout", "progress"):
        if key == "progress" and key not in step:
            continue
        if key not in step:
            yield Finding(
                "C602",
                point(*path),
                f"the step has no {key}",
                f"write {key}: {duration.SHAPES}",
            )
            continue
        try:
            seconds[key] = duration.parse(step[key])
        except ValueError as error:
            yield from unreadable((*path, key), step[key], error)
    if seconds.get("timeout") == 0:
        yield Finding(
            "C603",
            point(*path, "timeout"),
            "a timeout of zero ends the step before it begins",
            "allow more time than is expected",
        )
    elif seconds.get("timeout", 0) < seconds.get("expected", 0) and (
        "timeout" in seconds
    ):
        yield Finding(
            "C604",
            point(*path, "timeout"),
            f"timeout {step['timeout']} is below expected {step['expected']}",
            "allow more time than is expected",
        )


def find_progress(path: doc.Path, step: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a limit of time without progress that the timeout comes before."""
    try:
        limit_s = duration.parse(step.get("progress", 0))
        timeout_s = duration.parse(step.get("timeout", 0))
    except ValueError:
        return
    if "progress" in step and "timeout" in step and limit_s >= timeout_s:
        yield Finding(
            "C613",
            point(*path, "progress"),
            f"progress {step['progress']} is not below timeout {step.get('timeout')}",
            "allow less time without progress than for the whole step",
        )


def unreadable(path: doc.Path, value: Any, error: ValueError) -> Iterator[Finding]:
    """A parameter without a value is C302's or C402's affair."""
    if not (isinstance(value, str) and parameters.uses(value)):
        yield Finding("C603", point(*path), str(error), f"write {duration.SHAPES}")
