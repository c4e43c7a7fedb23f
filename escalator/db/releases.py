"""What a campaign keeps for its undo, and gives up at its end."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models

Row = Mapping[str, Any]


def read_fences(
    connection: sa.Connection, campaign_id: str
) -> dict[str, dict[str, int]]:
    """Return host -> step id -> fence, of steps that will never be undone.

    Of slots that are done or reverted: what a quarantined host carries is unknown
    until somebody looks, and its own records may help.
    """
    step, slot = models.step.c, models.slot.c
    query = (
        sa.select(step.host, step.id, step.fence)
        .join_from(models.step, models.slot, step.slot_id == slot.id)
        .where(
            step.campaign_id == campaign_id,
            step.executor == "node",
            step.intent == "run",
            step.kind == "action",
            step.fence > 0,
            slot.state.in_(("done", "reverted")),
        )
        .order_by(step.host, step.id)
    )
    found: dict[str, dict[str, int]] = {}
    for host, step_id, fence in connection.execute(query):
        found.setdefault(host, {})[step_id] = fence
    return found


def forget_checkpoints(connection: sa.Connection, campaign_id: str) -> None:
    """Delete the checkpoints of a campaign; idempotent."""
    table = models.checkpoint
    connection.execute(sa.delete(table).where(table.c.campaign_id == campaign_id))


def begun_steps(
    connection: sa.Connection, campaign_id: str, actions: Sequence[str]
) -> list[Row]:
    """Return the steps of some actions that were begun, in that order."""
    column = models.step.c
    query = (
        sa.select(models.step)
        .where(
            column.campaign_id == campaign_id,
            column.action.in_(actions),
            column.started_at.is_not(None),
        )
        .order_by(column.started_at, column.id)
    )
    return fetching.fetch(connection, query)
