"""Giving a host up for one campaign (P-4c, R-2)."""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.db import session, tokens, work
from escalator.domain import campaign as rules
from escalator.domain import states

Row = Mapping[str, Any]

_SETTLED = frozenset(
    {
        states.StepState.DONE,
        states.StepState.FAILED,
        states.StepState.REVERTED,
        states.StepState.SUPERSEDED,
        states.StepState.SKIPPED,
        states.StepState.REVERT_FAILED,
        states.StepState.QUARANTINED,
    }
)


def give_up(
    connection: session.Connection,
    batch: batches.Batch,
    campaign_id: str,
    host: str,
    reason: str,
) -> None:
    """End every slot of the campaign on a host, and keep the host out.

    Idempotent, within one batch too.
    """
    slots = tokens.active_slots_on(connection, [host])
    own = [row["id"] for row in slots if row["campaign_id"] == campaign_id]
    views, rows = work.read_views(connection, own)
    for view in views.values():
        known = batch.slots.get(view.id, {}).get("state", view.state)
        if states.SlotState.QUARANTINED in states.SLOT_MOVES[known]:
            batch.move_slot(view, states.SlotState.QUARANTINED, campaign_id, reason)
        for step in view.steps:
            state = batch.steps.get(step.id, {}).get("state", step.state)
            if state not in _SETTLED:
                move = rules.Move(step.id, states.StepState.QUARANTINED, reason)
                batch.move_step(rows[step.id], move)
    tokens.quarantine(connection, host, reason)
