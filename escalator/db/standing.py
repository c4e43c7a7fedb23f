"""What stands still in a campaign, and reports that came too late."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models

Row = Mapping[str, Any]

_STUCK = ("failed", "hung", "lost")
_OVER = ("done", "reverted", "quarantined", "skipped")


def stuck_steps(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return the failed, hung and lost steps of slots that a person has to mend."""
    step, slot = models.step.c, models.slot.c
    query = (
        sa.select(
            step.host,
            step.procedure,
            step.name,
            step.state,
            step.reason,
            step.failure_class,
        )
        .join(models.slot, slot.id == step.slot_id)
        .where(
            step.campaign_id == campaign_id,
            step.state.in_(_STUCK),
            slot.state == "failed",
        )
        .order_by(step.host, step.seq)
    )
    return fetching.fetch(connection, query)


def late_reports(connection: sa.Connection, campaign_id: str) -> list[Row]:
    """Return the newest late report of each step of slots that are not over."""
    line, slot = models.journal.c, models.slot.c
    newest = (
        sa.select(sa.func.max(line.seq))
        .join(models.slot, slot.id == line.slot_id)
        .where(
            line.campaign_id == campaign_id,
            line.object_type == "report",
            line.to_state == "late",
            slot.state.not_in(_OVER),
        )
        .group_by(line.object_id)
        .correlate(None)
    )
    query = (
        sa.select(line.host, slot.procedure, line.name, line.detail)
        .join(models.slot, slot.id == line.slot_id)
        .where(line.seq.in_(newest))
        .order_by(line.seq)
    )
    return fetching.fetch(connection, query)
