"""C616, C617: what holds scaling is followed by what releases it (S-7)."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from escalator.domain import document as doc
from escalator.domain import ordering
from escalator.domain.finding import Finding, point
from escalator.domain.plan import Try
from escalator.domain.reading import ON_FAULT
from escalator.domain.scaling import HOLD, RELEASE


@dataclasses.dataclass(frozen=True, slots=True)
class _Procedure:
    """:ivar before: ids of what its ``after`` edges name, directly or not.
    :ivar held: places of its holds that no later step of it releases.
    """

    id: str
    path: doc.Path
    ladder: str
    level: int
    before: frozenset[str]
    held: tuple[doc.Path, ...]
    is_releasing: bool

    def follows(self, other: "_Procedure") -> bool:
        """Say whether it is begun only when the other is done."""
        return self.level > other.level or other.id in self.before


def find(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Find holds that would last when the campaign is over, or half undone.

    One that names its ``holder`` is left to whoever releases that one.
    """
    procedures = list(_read(filled))
    releasing = [each for each in procedures if each.is_releasing]
    holding = [each for each in procedures if each.held]
    for each in holding:
        if not any(later.follows(each) for later in releasing):
            yield from map(_lasting, each.held)
    under = [
        each
        for each in procedures
        if any(each.id != one.id and not one.follows(each) for one in holding)
        and not any(each.follows(one) for one in releasing)
    ]
    recovery = doc.table(filled, "recovery")
    for each in under:
        rungs = doc.rows(recovery, "recovery", each.ladder)
        if any(_is_partial(rung, "try", "procedure") for _, rung in rungs):
            yield _left(point(*each.path, "on_failure"))
    if under and _is_partial(doc.table(recovery, ON_FAULT), "do", "campaign"):
        yield _left(point("recovery", ON_FAULT, "scope"))


def _read(filled: Mapping[str, Any]) -> Iterator[_Procedure]:
    found = doc.rows(filled, "procedures")
    after = {doc.text(body, "id"): doc.texts(body.get("after")) for _, body in found}
    earlier = ordering.earlier(after)
    for path, body in found:
        steps = doc.rows(body, *path, "steps")
        actions = [doc.text(step, "action") for _, step in steps]
        held = [
            place
            for at, (place, step) in enumerate(steps)
            if actions[at] == HOLD
            and not doc.text(doc.table(step, "with"), "holder")
            and RELEASE not in actions[at:]
        ]
        yield _Procedure(
            id=doc.text(body, "id"),
            path=path,
            ladder=doc.text(body, "on_failure"),
            level=doc.number(body, "level") or 0,
            before=frozenset(earlier[doc.text(body, "id")]),
            held=tuple(held),
            is_releasing=RELEASE in actions,
        )


def _is_partial(body: Mapping[str, Any], key: str, default: str) -> bool:
    """Say whether a rung, or what a fault does, undoes one procedure alone."""
    is_rollback = doc.text(body, key) == Try.ROLLBACK
    return is_rollback and body.get("scope", default) == "procedure"


def _lasting(place: doc.Path) -> Finding:
    return Finding(
        "C616",
        point(*place),
        "scaling is held, and no later step releases it",
        f"put a step with {RELEASE} into the last procedure",
    )


def _left(pointer: str) -> Finding:
    return Finding(
        "C617",
        pointer,
        "a rollback of one procedure alone leaves scaling held by another one",
        "roll back with scope: campaign, or end the ladder with page",
        severity="warning",
    )
