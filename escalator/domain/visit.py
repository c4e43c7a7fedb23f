"""One visit of a host for several procedures: what of their steps is done when.

What opens the visit (checkpoint, cordon, drain) is done once, then each procedure's
own changes in the order of the procedures, then one reboot if any of them reboots,
then all checks, then what closes the visit (scheduling enabled again), once.  Steps
with which all of them begin, or end, their changes are done once too.  Undone, all of
it goes back in reverse, as any host does.  Pure.  Source: P-1, E-0.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from escalator.domain import document as doc
from escalator.domain import expression
from escalator.domain.draining import CORDON, DRAIN, UNCORDON
from escalator.domain.expression import Expression

REBOOT = "host.reboot"

_OWN = frozenset({"id", "expected", "timeout", "reason"})
"""What may differ between steps that are the same."""

_MANY = 100
"""Instances on a host that is full: which of two timeouts is the longer there."""

WAIVED = "waived"
"""In place of a checkpoint's id: deliberately none, with a ``reason``."""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A step of one of the procedures.

    :ivar place: where the file says it.
    """

    procedure: str
    body: Mapping[str, Any]
    place: doc.Path

    @property
    def action(self) -> str:
        return doc.text(self.body, "action")

    @property
    def is_check(self) -> bool:
        return "verify" in self.body

    @property
    def opens(self) -> bool:
        return "checkpoint" in self.body or self.action in (CORDON, DRAIN)

    def is_same(self, other: "Part") -> bool:
        """Say whether doing either does both."""
        return self._deed() == other._deed()

    def _deed(self) -> dict[str, Any]:
        return {key: value for key, value in self.body.items() if key not in _OWN}

    @property
    def timeout(self) -> Expression | None:
        """None if it cannot be read: then the lints see it."""
        try:
            expression.read(self.body.get("expected"))
            return expression.read(self.body.get("timeout"))
        except ValueError:
            return None

    @property
    def timeout_s(self) -> float:
        """Seconds, on a host with many instances; infinite if it cannot be read."""
        known = self.timeout
        return known.seconds(_MANY) if known else float("inf")


@dataclasses.dataclass(frozen=True, slots=True)
class _Course:
    """The steps of one procedure.

    :ivar opening: checkpoints, cordon and drain before its first change.
    :ivar before: checks between or before those.
    :ivar later: what it changes after its reboot.
    :ivar checks: what follows its last change.
    :ivar closing: scheduling enabled again, and checks after that.
    """

    opening: list[Part]
    before: list[Part]
    changes: list[Part]
    reboots: list[Part]
    later: list[Part]
    checks: list[Part]
    closing: list[Part]


def _cut(parts: Sequence[Part], is_first: bool) -> _Course:
    head = _run(parts, lambda each: each.opens)
    rest = parts[len(head) :]
    closing = _run(rest[::-1], lambda each: each.action == UNCORDON)[::-1]
    rest = rest[: len(rest) - len(closing)]
    at = len(rest)
    while at and rest[at - 1].is_check:
        at -= 1
    middle = rest[:at]
    reboots = [index for index, each in enumerate(middle) if each.action == REBOOT]
    turn = reboots[0] if reboots else len(middle)
    return _Course(
        opening=[each for each in head if each.opens or is_first],
        before=[each for each in head if not each.opens and not is_first],
        changes=list(middle[:turn]),
        reboots=[middle[index] for index in reboots],
        later=list(middle[turn + 1 :]),
        checks=list(rest[at:]),
        closing=list(closing),
    )


def _run(parts: Sequence[Part], is_wanted: Callable[[Part], bool]) -> Sequence[Part]:
    """Return the first parts up to the last wanted one; checks may stand between."""
    end = 0
    for at, each in enumerate(parts, 1):
        if is_wanted(each):
            end = at
        elif not each.is_check:
            break
    return parts[:end]


def _courses(procedures: Sequence[Sequence[Part]]) -> list[_Course]:
    return [_cut(parts, at == 0) for at, parts in enumerate(procedures)]


def obstacle(procedures: Sequence[Sequence[Part]]) -> str:
    """Return why the procedures cannot share a visit, or "".

    :param procedures: the steps of each, none empty, in the order of the procedures.
    """
    names = [parts[0].procedure for parts in procedures]
    courses = _courses(procedures)
    for name, course in zip(names, courses, strict=True):
        if reason := _unfit(course, is_last=course is courses[-1]):
            return f"{name} {reason}"
    saved = [{doc.text(each.body, "checkpoint") for each in c.opening} for c in courses]
    saved = [found - {""} for found in saved]
    if set().union(*saved) == {WAIVED} and set() in saved:
        # What one has no need to save, another may have.
        return f"{names[saved.index(set())]} neither takes nor waives a checkpoint"
    return _differing([part for parts in procedures for part in parts])


def _unfit(course: _Course, is_last: bool) -> str:
    for each in (*course.changes, *course.later):
        if each.action in (CORDON, DRAIN, UNCORDON):
            return f"does {each.action} between its changes"
    if len(course.reboots) > 1:
        return "reboots the host more than once"
    if course.later and not is_last:
        return "changes the host after its reboot, and has to come last"
    return ""


def _differing(parts: Sequence[Part]) -> str:
    for name in (CORDON, DRAIN, REBOOT, UNCORDON):
        found = [each for each in parts if each.action == name]
        for each in found:
            if not each.is_same(found[0]):
                who = f"{found[0].procedure} and {each.procedure}"
                return f"the {name} steps of {who} differ"
    return ""


def weave(procedures: Sequence[Sequence[Part]]) -> list[Part]:
    """Return the steps of the visit; :func:`obstacle` found nothing."""
    courses = _courses(procedures)
    opening = _once(part for each in courses for part in each.opening)
    changes = [
        [part for part in each.before if not any(map(part.is_same, opening))]
        + each.changes
        for each in courses
    ]
    begin = _take_common(changes)
    for each in changes:
        each.reverse()
    end = _take_common(changes)[::-1]
    for each in changes:
        each.reverse()
    return [
        *opening,
        *begin,
        *(part for each in changes for part in each),
        *end,
        *_once(part for each in courses for part in each.reboots),
        *courses[-1].later,
        *_once(part for each in courses for part in each.checks),
        *_once(part for each in courses for part in each.closing),
    ]


def _take_common(courses: Sequence[list[Part]]) -> list[Part]:
    """Take off the steps with which all begin, and return them."""
    found: list[Part] = []
    while all(courses) and all(each[0].is_same(courses[0][0]) for each in courses):
        found.append(_longest([each.pop(0) for each in courses]))
    return found


def _once(parts: Iterable[Part]) -> list[Part]:
    """Return the parts without repeats."""
    found: list[list[Part]] = []
    for part in parts:
        known = next((each for each in found if each[0].is_same(part)), None)
        if known is None:
            found.append([part])
        else:
            known.append(part)
    return [_longest(each) for each in found]


def _longest(parts: Sequence[Part]) -> Part:
    """Return the part with the longest timeout, whatever the host."""
    longest = max(parts, key=lambda each: each.timeout_s)
    known = [each.timeout for each in parts]
    texts = list(dict.fromkeys(each.text for each in known if each))
    if None in known or len(texts) < 2 or all(e.is_constant for e in known if e):
        return longest
    body = {**longest.body, "timeout": f"max({', '.join(texts)})"}
    return dataclasses.replace(longest, body=body)
