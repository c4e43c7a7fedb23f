"""C801 to C803: every failure finds a rung, and every ladder ends (P-4c).

C811: what ends the campaign does not contradict itself.  C812: a rehearsal of the
undo has a checkpoint to be judged by.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Commit, Try
from escalator.domain.reading import ON_FAULT, WAIVED

FAILURES = {
    "action": frozenset({"transient", "permanent", "timeout"}),
    "verify": frozenset({"transient", "verification", "timeout"}),
    "checkpoint": frozenset({"transient", "permanent", "timeout"}),
}
"""Failure classes by kind of step."""

_LAST = frozenset({Try.QUARANTINE, Try.HOLD, Try.PAGE, Try.ROLLBACK})
_LAST_NAMES = "quarantine, hold, page or rollback"


def find(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Find ladders without an end, with gaps, and with rungs out of reach."""
    recovery = doc.table(filled, "recovery")
    for name in recovery:
        if name != ON_FAULT:
            yield from _ladder(name, doc.rows(recovery, "recovery", name))
    for path, body in doc.rows(filled, "procedures"):
        yield from _gaps(path, body, recovery)
        yield from _rehearsal(path, body)
    yield from _finish(doc.table(filled, "finish"))


def _rehearsal(path: doc.Path, procedure: Mapping[str, Any]) -> Iterator[Finding]:
    steps = doc.rows(procedure, *path, "steps")
    is_known = any(step.get("checkpoint", WAIVED) != WAIVED for _, step in steps)
    if procedure.get("rehearse_undo") is True and not is_known:
        yield Finding(
            "C812",
            point(*path, "rehearse_undo"),
            "without a checkpoint nothing tells whether the undo brought all back",
            "add a checkpoint before the first change, or take rehearse_undo out",
        )


def _finish(finish: Mapping[str, Any]) -> Iterator[Finding]:
    if "commit_after" in finish and finish.get("commit") == Commit.AUTO:
        yield Finding(
            "C811",
            point("finish", "commit_after"),
            "commit: auto commits at once; there is nothing to wait for",
            "take out one of the two, or write commit: manual",
        )


def _ladder(name: str, rungs: list[doc.Row]) -> Iterator[Finding]:
    if not any(doc.text(rung, "try") in _LAST for _, rung in rungs):
        yield Finding(
            "C801",
            point("recovery", name),
            f"ladder {name} does not say what happens in the end",
            f"add a last rung: {_LAST_NAMES}",
        )
    ended = False
    for path, rung in rungs:
        if ended:
            yield Finding(
                "C803",
                point(*path),
                "an earlier last rung answers every failure",
                "move it up, or take it out",
                severity="warning",
            )
        ended = ended or (doc.text(rung, "try") in _LAST and not rung.get("classes"))


def _gaps(
    path: doc.Path, procedure: Mapping[str, Any], recovery: Mapping[str, Any]
) -> Iterator[Finding]:
    ladder = doc.text(procedure, "on_failure")
    last = [
        rung
        for _, rung in doc.rows(recovery, "recovery", ladder)
        if doc.text(rung, "try") in _LAST
    ]
    if not last or any(not rung.get("classes") for rung in last):
        return
    answered = {name for rung in last for name in doc.texts(rung.get("classes"))}
    kinds = {
        kind
        for _, step in doc.rows(procedure, *path, "steps")
        for kind in FAILURES
        if kind in step
    }
    used = frozenset[str]().union(*(FAILURES[kind] for kind in kinds))
    if missing := sorted(used - answered):
        yield Finding(
            "C802",
            point(*path, "on_failure"),
            f"no last rung of {ladder} answers {', '.join(missing)}",
            f"name these classes at {_LAST_NAMES}, or name none to answer all",
        )
