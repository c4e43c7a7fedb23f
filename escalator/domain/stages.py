"""Stages: a few targets show whether the others may follow.  Pure (P-4d, E-1).

A stage takes so many targets, in the selector's order.  Behind it stands a gate:
nothing of the procedure is begun beyond it until it opens.
"""

import dataclasses
import datetime
import math
from collections.abc import Collection, Mapping, Sequence

from escalator.domain.plan import Opening, Procedure, Stage
from escalator.domain.states import GateState, SlotState


@dataclasses.dataclass(frozen=True, slots=True)
class Gate:
    """A gate's row.

    :ivar id: of the row.
    :ivar take: targets of its stage, as counted when the stage began.
    :ivar opens_at: epoch seconds, while it soaks.
    """

    id: str
    state: GateState
    take: int
    opens_at: float | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """Where a procedure is.

    :ivar stage: id of the stage whose turn it is, "" behind the last gate.
    :ivar room: targets that may still be begun in it; None: no limit.
    :ivar reason: why no more are.
    """

    stage: str
    room: int | None
    reason: str = ""


def size(stage: Stage, population: int) -> int:
    """Return how many targets a stage takes.

    :param population: targets that the procedure chooses now, done ones included.
    """
    if not stage.take_percent:
        return stage.take
    return max(1, math.floor(population * stage.take_percent / 100))


def standing(
    procedure: Procedure,
    gates: Mapping[str, Gate],
    members: Mapping[str, int],
    population: int,
) -> Standing:
    """Return the stage whose turn it is.

    :param gates: stage -> its gate, of stages that began.
    :param members: stage -> targets that were begun in it, reverted ones apart.
    """
    for stage in procedure.stages:
        gate = gates.get(stage.id)
        if gate is not None and gate.state is GateState.OPEN:
            continue
        take = size(stage, population) if gate is None else gate.take
        room = max(0, take - members.get(stage.id, 0))
        return Standing(stage.id, room, _reason(name(procedure, stage.id), gate))
    return Standing("", None)


def name(procedure: Procedure, stage_id: str) -> str:
    """Return how operators name a gate."""
    return f"{procedure.id}/{stage_id}"


def _reason(gate_name: str, gate: Gate | None) -> str:
    """Say why nobody goes through."""
    what = f"waits: gate {gate_name}"
    if gate is None or gate.state is GateState.CLOSED:
        return f"{what}: its stage is not done"
    if gate.state is GateState.SOAKING:
        at = datetime.datetime.fromtimestamp(gate.opens_at or 0.0, datetime.UTC)
        return f"{what} opens at {at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{what}: {gate.reason}"


def judge(
    stage: Stage,
    gate: Gate,
    slots: Collection[tuple[str, SlotState]],
    waiting: int,
    now: float,
) -> Gate:
    """Return the gate as it has to be now.

    :param slots: (host, state) of the targets of the stage.
    :param waiting: targets that were not begun yet.  Without any a gate is not
        asked: there is nobody to go through.
    :param now: epoch seconds.
    """
    if gate.state in (GateState.OPEN, GateState.WAITING) or not waiting:
        return gate
    lost = sorted(host for host, state in slots if state is SlotState.QUARANTINED)
    settled = (SlotState.DONE, SlotState.QUARANTINED)
    if len(slots) < gate.take or any(state not in settled for _, state in slots):
        return dataclasses.replace(gate, state=GateState.CLOSED, opens_at=None)
    if lost:
        return asking(gate, f"{', '.join(lost)} quarantined")
    if stage.gate == Opening.APPROVE:
        return asking(gate, "its stage is done")
    if stage.gate == Opening.AUTO:
        return dataclasses.replace(gate, state=GateState.OPEN)
    if gate.state is GateState.CLOSED:
        opens_at = now + stage.wait_s
        return dataclasses.replace(gate, state=GateState.SOAKING, opens_at=opens_at)
    if now >= (gate.opens_at or 0.0):
        return dataclasses.replace(gate, state=GateState.OPEN)
    return gate


def asking(gate: Gate, why: str) -> Gate:
    """Return the gate as one that waits for an operator."""
    reason = f"{why}; an operator has to approve"
    return dataclasses.replace(
        gate, state=GateState.WAITING, opens_at=None, reason=reason
    )


def unreached(procedure: Procedure, population: int) -> Sequence[Stage]:
    """Return stages whose gate is never asked: nobody is left behind it."""
    taken, found = 0, []
    for stage in procedure.stages:
        taken += size(stage, population)
        if taken >= population:
            found.append(stage)
    return found
