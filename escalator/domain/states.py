"""All states and all legal moves, as data.

The pictures in the documentation are drawn from the tables below.
"""

import enum
from collections.abc import Mapping
from typing import TypeVar

from escalator import errors


class CampaignState(enum.StrEnum):
    DRAFT = "draft"
    VALIDATED = "validated"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    PREFLIGHT = "preflight"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    HOLDING = "holding"
    SOAKING = "soaking"
    COMPLETED = "completed"
    COMMITTED = "committed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    RESTORING = "restoring"
    RESTORED = "restored"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SlotState(enum.StrEnum):
    """One slot is one target's way through one procedure."""

    ACTIVE = "active"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"
    REVERTING = "reverting"
    REVERTED = "reverted"
    FAILED = "failed"
    UNDO_FAILED = "undo_failed"
    QUARANTINED = "quarantined"
    SKIPPED = "skipped"


class GateState(enum.StrEnum):
    """A gate stands behind each stage of a procedure."""

    CLOSED = "closed"
    SOAKING = "soaking"
    WAITING = "waiting"
    OPEN = "open"


class StepState(enum.StrEnum):
    BLOCKED = "blocked"
    READY = "ready"
    HELD = "held"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    HUNG = "hung"
    LOST = "lost"
    REVERTING = "reverting"
    REVERTED = "reverted"
    REVERT_FAILED = "revert_failed"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    QUARANTINED = "quarantined"


C, SL, ST = CampaignState, SlotState, StepState

CAMPAIGN_MOVES: Mapping[CampaignState, frozenset[CampaignState]] = {
    C.DRAFT: frozenset({C.VALIDATED, C.CANCELLED}),
    C.VALIDATED: frozenset({C.APPROVED, C.SCHEDULED, C.PREFLIGHT, C.CANCELLED}),
    C.APPROVED: frozenset({C.SCHEDULED, C.PREFLIGHT, C.CANCELLED}),
    C.SCHEDULED: frozenset({C.PREFLIGHT, C.CANCELLED}),
    C.PREFLIGHT: frozenset({C.RUNNING, C.VALIDATED, C.ROLLED_BACK, C.CANCELLED}),
    C.RUNNING: frozenset(
        {
            C.PAUSING,
            C.HOLDING,
            C.SOAKING,
            C.COMPLETED,
            C.COMMITTED,
            C.ROLLING_BACK,
        }
    ),
    C.PAUSING: frozenset({C.PAUSED, C.RUNNING, C.HOLDING, C.ROLLING_BACK}),
    C.PAUSED: frozenset({C.RUNNING, C.ROLLING_BACK, C.HOLDING, C.CANCELLED}),
    C.HOLDING: frozenset(
        {C.RUNNING, C.ROLLING_BACK, C.RESTORING, C.FAILED, C.CANCELLED}
    ),
    C.SOAKING: frozenset({C.COMPLETED, C.COMMITTED, C.ROLLING_BACK, C.HOLDING}),
    C.COMPLETED: frozenset({C.COMMITTED, C.ROLLING_BACK, C.HOLDING}),
    C.ROLLING_BACK: frozenset({C.ROLLED_BACK, C.HOLDING, C.FAILED}),
    C.ROLLED_BACK: frozenset({C.PREFLIGHT, C.RESTORING}),
    C.FAILED: frozenset({C.ROLLING_BACK, C.RESTORING}),
    C.RESTORING: frozenset({C.RESTORED, C.FAILED}),
    C.COMMITTED: frozenset(),
    C.RESTORED: frozenset(),
    C.CANCELLED: frozenset(),
}
"""A refused preflight leaves a campaign as it was, validated or rolled back: no
partial entry.  Committed is the point of no return; completed is just before it."""

SLOT_MOVES: Mapping[SlotState, frozenset[SlotState]] = {
    SL.ACTIVE: frozenset(
        {SL.DONE, SL.UNDOING, SL.REVERTING, SL.FAILED, SL.QUARANTINED}
    ),
    SL.UNDOING: frozenset({SL.UNDONE, SL.REVERTING, SL.UNDO_FAILED, SL.QUARANTINED}),
    SL.UNDONE: frozenset({SL.ACTIVE, SL.REVERTED, SL.REVERTING, SL.QUARANTINED}),
    SL.DONE: frozenset({SL.REVERTING, SL.QUARANTINED}),
    SL.REVERTING: frozenset({SL.REVERTED, SL.UNDO_FAILED, SL.QUARANTINED}),
    SL.FAILED: frozenset({SL.UNDOING, SL.REVERTING, SL.QUARANTINED, SL.ACTIVE}),
    SL.UNDO_FAILED: frozenset({SL.FAILED, SL.REVERTING, SL.QUARANTINED}),
    SL.REVERTED: frozenset({SL.ACTIVE, SL.QUARANTINED, SL.SKIPPED}),
    SL.SKIPPED: frozenset({SL.REVERTED, SL.QUARANTINED}),
    SL.QUARANTINED: frozenset(),
}
"""Skipped: an operator leaves a target out that was not begun, or is undone."""

GATE_MOVES: Mapping[GateState, frozenset[GateState]] = {
    GateState.CLOSED: frozenset({GateState.SOAKING, GateState.WAITING, GateState.OPEN}),
    GateState.SOAKING: frozenset({GateState.WAITING, GateState.OPEN, GateState.CLOSED}),
    GateState.WAITING: frozenset({GateState.OPEN, GateState.CLOSED}),
    GateState.OPEN: frozenset({GateState.CLOSED}),
}
"""A gate closes again when its procedure is rolled back."""

_GONE = frozenset({ST.SUPERSEDED, ST.QUARANTINED})

STEP_MOVES: Mapping[StepState, frozenset[StepState]] = {
    ST.BLOCKED: frozenset({ST.READY, ST.DISPATCHED, ST.SKIPPED}) | _GONE,
    ST.READY: frozenset({ST.HELD, ST.DISPATCHED, ST.SKIPPED}) | _GONE,
    ST.HELD: frozenset({ST.READY, ST.DISPATCHED}) | _GONE,
    ST.DISPATCHED: frozenset(
        {ST.RUNNING, ST.VERIFYING, ST.DONE, ST.FAILED, ST.HUNG, ST.LOST, ST.READY}
    )
    | _GONE,
    ST.RUNNING: frozenset(
        {ST.VERIFYING, ST.DONE, ST.FAILED, ST.HUNG, ST.LOST, ST.READY}
    )
    | _GONE,
    ST.VERIFYING: frozenset({ST.DONE, ST.FAILED, ST.HUNG, ST.LOST, ST.READY}) | _GONE,
    ST.DONE: frozenset({ST.REVERTING, ST.REVERTED}) | _GONE,
    ST.FAILED: frozenset({ST.READY, ST.REVERTING, ST.REVERTED}) | _GONE,
    ST.HUNG: frozenset({ST.READY, ST.REVERTING, ST.REVERTED}) | _GONE,
    ST.LOST: frozenset({ST.READY, ST.DONE, ST.FAILED, ST.REVERTING, ST.REVERTED})
    | _GONE,
    ST.REVERTING: frozenset({ST.REVERTED, ST.REVERT_FAILED}) | _GONE,
    ST.REVERTED: frozenset({ST.READY, ST.BLOCKED}) | _GONE,
    ST.REVERT_FAILED: frozenset({ST.REVERTING, ST.REVERTED}) | _GONE,
    ST.SKIPPED: frozenset({ST.BLOCKED, ST.READY}) | _GONE,
    ST.SUPERSEDED: frozenset({ST.BLOCKED, ST.REVERTING, ST.REVERTED, ST.QUARANTINED}),
    ST.QUARANTINED: frozenset(),
}
"""An undo is a step row of its own (``intent=revert``, ``undo_of``); while it
runs, the row that it undoes is ``reverting``.  A restore (``intent=restore``) reverts
all the rows that its checkpoint covers at once."""

IN_FLIGHT = frozenset({ST.DISPATCHED, ST.RUNNING, ST.VERIFYING})
"""The agent may be acting: a lease is held and a deadline is set."""

BROKEN = frozenset({ST.FAILED, ST.HUNG, ST.LOST})
"""The last attempt did not succeed, as far as anybody knows."""

MAY_HAVE_ACTED = IN_FLIGHT | {ST.DONE, ST.FAILED, ST.HUNG, ST.LOST, ST.REVERT_FAILED}
"""The target may have been changed: the step has something to undo."""

NOT_COMMITTED = frozenset({C.SOAKING, C.COMPLETED})
"""Everything is done, and an operator may commit it."""

ENDED = frozenset({C.COMMITTED, C.ROLLED_BACK, C.RESTORED, C.FAILED, C.CANCELLED})
"""No engine work is left for a campaign in one of these states."""

FINAL = frozenset(state for state, to in CAMPAIGN_MOVES.items() if not to)
"""Nothing leads out of these."""

_Move = TypeVar("_Move", CampaignState, SlotState, StepState, GateState)


def check_move(
    kind: str,
    moves: Mapping[_Move, frozenset[_Move]],
    state: _Move,
    to: _Move,
) -> None:
    """Refuse an illegal move.

    :param kind: noun for the message, e.g. ``campaign``.
    :param moves: one of the tables of this module.
    :raises IllegalMove: ``to`` cannot follow ``state``.
    """
    allowed = moves[state]
    if to not in allowed:
        raise errors.IllegalMove(
            kind=kind,
            state=state.value,
            to=to.value,
            allowed=", ".join(sorted(s.value for s in allowed)) or "none",
        )
