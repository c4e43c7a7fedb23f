"""Slots that are under way: due retries, reruns, and what a hold left behind.

Source: architecture section 3; P-4c.
"""

from collections.abc import Collection, Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import session, work
from escalator.domain import campaign as rules
from escalator.domain import holding, states

Row = Mapping[str, Any]

_LIVE = (states.SlotState.ACTIVE, states.SlotState.UNDOING)
_UNDER_WAY = (states.SlotState.UNDOING, states.SlotState.REVERTING)


class Continuing:
    """Orders what open slots have to do next."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def go_on(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        """Order due retries and steps that waited for an open campaign."""
        due = self._due(connection, batch, campaign)
        undone = [
            row["id"]
            for row in work.read_slots(
                connection, campaign["id"], states.SlotState.UNDONE
            )
        ]
        slot_ids = sorted({row["slot_id"] for row in due} | set(undone))
        views, rows = work.read_views(connection, slot_ids)
        carrier = engines.Carrier(
            connection, batch, self.engine.plan_of(connection, campaign), rows
        )
        for row in due:
            view = views[row["slot_id"]]
            if view.state not in _LIVE:
                continue
            if self._is_open(carrier, campaign, view):
                _order(carrier, view, row["id"])
            else:
                reason = admissions.shut(campaign, view.procedure)
                carrier.hold(carrier.rows[row["id"]], reason)
        for slot_id in undone:
            if self._is_open(carrier, campaign, views[slot_id]):
                carrier.rerun(campaign["id"], views[slot_id])

    def _is_open(
        self, carrier: engines.Carrier, campaign: Row, view: rules.SlotView
    ) -> bool:
        rack = carrier.standing(view.host).rack
        return engines.is_open_to(campaign, view.host, rack, view.procedure)

    def _due(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> list[Row]:
        return work.ready_steps(
            self.engine.database,
            connection,
            campaign["id"],
            batch.now,
            self.engine.settings.batch,
        )

    def go_back(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        """Order due retries of undo steps."""
        due = self._due(connection, batch, campaign)
        views, rows = work.read_views(
            connection, sorted({row["slot_id"] for row in due})
        )
        carrier = engines.Carrier(
            connection, batch, self.engine.plan_of(connection, campaign), rows
        )
        for row in due:
            view = views[row["slot_id"]]
            step = view.step(row["id"])
            if step.intent != "run" and view.state in _UNDER_WAY:
                _order(carrier, view, row["id"])

    def revive(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        hosts: Collection[str] | None = None,
        procedure: str = "",
    ) -> None:
        """Let failed slots try their failed step again after a hold.

        What belongs to a procedure that holds stays as it is.

        :param hosts: those on them only; None: all.
        :param procedure: those of it only; empty: all.
        """
        held = holding.reasons(campaign["closed_to"])
        failed = [
            row["id"]
            for row in work.read_slots(
                connection, campaign["id"], states.SlotState.FAILED
            )
            if (hosts is None or row["host"] in hosts)
            and procedure in ("", row["procedure"])
            and row["procedure"] not in held
        ]
        views, rows = work.read_views(connection, failed)
        for slot_id in failed:
            view = views[slot_id]
            batch.move_slot(view, states.SlotState.ACTIVE, campaign["id"], "resumed")
            for step in view.steps:
                if step.intent == "run" and step.state in states.BROKEN:
                    batch.move_step(
                        rows[step.id],
                        rules.Move(step.id, states.StepState.READY, "resumed"),
                    )


def _order(carrier: engines.Carrier, view: rules.SlotView, step_id: str) -> None:
    step = view.step(step_id)
    if step.undo_of and carrier.rows[step.undo_of]["state"] != "reverting":
        carrier.batch.move_step(
            carrier.rows[step.undo_of],
            rules.Move(step.undo_of, states.StepState.REVERTING),
        )
    carrier.dispatch(view, carrier.rows[step_id])
