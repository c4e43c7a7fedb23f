"""From the journal of what was done to what must be undone, in reverse.

Pure.  Undo rests on the journal, never on the plan: a step that was never
ordered has nothing to undo, one that may have acted has.  Source: R-2.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from escalator.domain import ordering, plan, states

_ACTED = frozenset(state.value for state in states.MAY_HAVE_ACTED)


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A journal line of one step."""

    seq: int
    slot_id: str
    step_id: str
    to_state: str


def steps_to_undo(lines: Iterable[Line], undoable: Collection[str]) -> list[str]:
    """Return the steps of one slot to undo, last done first.

    :param lines: the slot's lines of steps with intent ``run``, any order.
    :param undoable: ids of steps that change their target and have an undo.
    """
    order: dict[str, int] = {}
    for line in sorted(lines, key=lambda each: each.seq):
        if line.to_state in _ACTED:
            order[line.step_id] = line.seq
        elif line.to_state == "reverted":
            order.pop(line.step_id, None)
    acted = sorted(order, key=lambda step_id: order[step_id], reverse=True)
    return [step_id for step_id in acted if step_id in undoable]


def slots_to_undo(
    lines: Iterable[Line],
    levels: Mapping[str, int],
    procedures: Mapping[str, str],
) -> list[str]:
    """Return slots in the order of their undo: last one worked on first.

    :param levels: procedure -> level; a higher level is undone before a
        lower one begins.
    :param procedures: slot id -> procedure; every slot is returned once.
    """
    last: dict[str, int] = dict.fromkeys(procedures, 0)
    for line in lines:
        if line.slot_id in last and line.to_state in _ACTED:
            last[line.slot_id] = max(last[line.slot_id], line.seq)
    return sorted(
        last, key=lambda slot_id: (-levels[procedures[slot_id]], -last[slot_id])
    )


def held_back(
    procedures: Iterable[plan.Procedure], left: Collection[str]
) -> dict[str, str]:
    """Return the procedures that must wait, each with one to be undone before.

    Levels and ``after`` edges hold in reverse (P-4b, R-2).

    :param left: procedures with slots that are not undone yet.
    """
    known = list(procedures)
    before = ordering.earlier({each.id: each.after for each in known})
    found: dict[str, str] = {}
    for late in (each for each in known if each.id in left):
        for each in known:
            if each.level < late.level or each.id in before[late.id]:
                found.setdefault(each.id, late.id)
    return found
