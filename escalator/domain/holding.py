"""What a hold stops: the whole campaign, or one procedure of it.  Pure.

A procedure that holds is closed as a pause closes it, with the reason; the other
procedures go on.  Source: P-4c, E-0, E-4.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from escalator.domain import ordering
from escalator.domain.plan import FaultPolicy, Method, Procedure, Rung, Try

CAMPAIGN, PROCEDURE = "campaign", "procedure"

LEFT = "only held procedures are left: "
"""Head of the reason of a campaign that holds because nothing else is left."""

WHY = "reason"
"""Member of an entry of ``closed_to`` that a hold has and a pause has not."""


def scope_of(rung: Rung) -> str:
    """Return how far a rung reaches; a file need not say it."""
    if rung.scope:
        return rung.scope
    return PROCEDURE if rung.attempt == Try.ROLLBACK else CAMPAIGN


def scope_in_doubt(ladder: Iterable[Rung] | None, failure_class: str) -> str:
    """Return what holds if a step must not be repeated and may have acted.

    A person is asked whatever the ladder says, but of no more than the ladder's own
    hold or page would stop.

    :param ladder: None while the campaign rolls back.
    """
    for rung in ladder or ():
        is_meant = not rung.classes or failure_class in rung.classes
        if is_meant and rung.attempt in (Try.HOLD, Try.PAGE):
            return scope_of(rung)
    return CAMPAIGN


def of_fault(
    policy: FaultPolicy, busy: Collection[str], at_rest: Collection[str]
) -> tuple[str, str]:
    """Return the scope, and the procedure if it is one, that a host's fault concerns.

    :param busy: procedures that are at work on the host.
    :param at_rest: those that are done with it, or if there are none select it.  A
        hold undoes nothing: it may be of the only one of them.
    """
    names = busy or (at_rest if policy.do == Try.HOLD else ())
    if policy.scope == PROCEDURE and len(names) == 1:
        return PROCEDURE, next(iter(names))
    return CAMPAIGN, ""


def reasons(closed_to: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the procedures that hold, and why."""
    return {each["procedure"]: each[WHY] for each in closed_to if WHY in each}


def told(procedure: str, why: str) -> str:
    """Say why what belongs to a procedure that holds does not go on."""
    return f"waits: admission is closed, procedure {procedure} holds: {why}"


def left(held: Mapping[str, str]) -> str:
    """Say why a campaign holds in which nothing else is left."""
    return LEFT + "; ".join(f"{name}: {why}" for name, why in sorted(held.items()))


def awaited(procedures: Sequence[Procedure], held: Collection[str]) -> dict[str, str]:
    """Return each procedure that comes after held ones, and what to tell of it."""
    levels = {each.id: each.level for each in procedures}
    before = ordering.earlier({each.id: each.after for each in procedures})
    found = {}
    for each in procedures:
        names = [
            name
            for name in sorted(held)
            if levels.get(name, each.level) < each.level or name in before[each.id]
        ]
        if names and each.id not in held:
            found[each.id] = f"waits: an earlier procedure holds: {', '.join(names)}"
    return found


def are_left(
    procedures: Sequence[Procedure],
    done: Collection[str],
    held: Collection[str],
    midway: Collection[str] = (),
) -> bool:
    """Say whether nothing goes on before a held procedure is resumed.

    :param done: ids of the procedures that are complete; none of ``held``.
    :param midway: those of ``held`` with targets that are out.  A single step and
        anything else wait for each other.
    """
    single = {each.id for each in procedures if each.method == Method.SINGLE_STEP}
    is_shut = bool(single.intersection(midway))
    following = ordering.next_procedures(procedures, done)
    return bool(following) and all(
        each.id in held or is_shut or (each.id in single and bool(midway))
        for each in following
    )
