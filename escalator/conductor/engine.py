"""What every part of the engine shares, and how a decision becomes rows."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import orders
from escalator.db import session, tokens, work
from escalator.domain import campaign as rules
from escalator.domain import events, plan, rollback, states
from escalator.objects import fields

Row = Mapping[str, Any]

PLAN_CODEC = fields.RecordCodec(plan.Plan, is_trusted=True)

_UNDO_SEQ = 1000
"""Undo rows of round n are numbered from n times this; files have fewer steps."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Seconds and counts of ``[conductor]``."""

    lease_s: float
    probe_interval_s: float
    batch: int
    outbox_retry_s: float
    agent_silent_s: float


class Engine:
    """Database, settings and plans; one per conductor process.

    :param owner: unique name of this conductor.
    :param send: gets the messages of a transaction after its commit.
    :param wake: asks for a look at the campaigns now.
    """

    def __init__(
        self,
        database: session.Database,
        settings: Settings,
        owner: str,
        send: Callable[[list[dict[str, Any]]], None],
        wake: Callable[[], None],
    ) -> None:
        self.database = database
        self.settings = settings
        self.owner = owner
        self.send = send
        self.wake = wake
        self._plans: dict[tuple[str, int], plan.Plan] = {}

    def batch(self, connection: session.Connection) -> batches.Batch:
        """Begin a batch at the database's present time."""
        return batches.Batch(
            self.database.now(connection),
            self.owner,
            self.settings.lease_s,
            self.settings.outbox_retry_s,
        )

    def plan_of(self, connection: session.Connection, campaign: Row) -> plan.Plan:
        """Return the campaign's plan; revisions never change once stored."""
        key = (campaign["id"], campaign["plan_rev"])
        if key not in self._plans:
            row = work.read_plan(connection, *key)
            if row is None:
                raise errors.NotFound(kind="plan revision", id=f"{key[0]}/{key[1]}")
            self._plans[key] = PLAN_CODEC.decode(row["plan"])
        return self._plans[key]

    def move_campaign(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        to: states.CampaignState,
        reason: str,
        **values: Any,
    ) -> dict[str, Any]:
        """Move a campaign and owe its owner the news; returns the new row.

        :raises IllegalMove: ``to`` cannot follow the present state.
        """
        state = states.CampaignState(campaign["state"])
        states.check_move("campaign", states.CAMPAIGN_MOVES, state, to)
        if to in states.ENDED:
            values["ended_at"] = batch.now
        return self._note_campaign(connection, batch, campaign, to, reason, values)

    def tell_campaign(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        reason: str,
    ) -> None:
        """Owe its owner news of a campaign that stays in its state."""
        state = states.CampaignState(campaign["state"])
        self._note_campaign(connection, batch, campaign, state, reason, {})

    def _note_campaign(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        to: states.CampaignState,
        reason: str,
        values: dict[str, Any],
    ) -> dict[str, Any]:
        changed = {"state": to.value, "state_reason": reason, **values}
        work.update_campaign(connection, campaign["id"], batch.now, **changed)
        batch.journal(
            campaign["id"],
            "campaign",
            campaign["id"],
            campaign["state"],
            to.value,
            reason,
        )
        batch.publish(
            events.CampaignChanged(
                event_id=str(uuid.uuid4()),
                campaign_id=campaign["id"],
                name=campaign["name"],
                project_id=campaign["project_id"],
                from_state=campaign["state"],
                to_state=to.value,
                reason=reason,
                hosts=(),
                occurred_at=batch.now,
            )
        )
        return {**campaign, **changed}


class Carrier:
    """Carries out decisions on the slots of one campaign in one transaction.

    :param rows: step id -> row, of every slot in question.
    """

    def __init__(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        made: plan.Plan,
        rows: Mapping[str, Row],
    ) -> None:
        self.connection = connection
        self.batch = batch
        self.plan = made
        self.rows = dict(rows)

    def carry_out(
        self, campaign_id: str, slot: rules.SlotView, decision: rules.Decision
    ) -> None:
        """Apply one decision."""
        for move in decision.moves:
            self._move(slot, move)
        if decision.slot_to is not None:
            self.batch.move_slot(slot, decision.slot_to, campaign_id, decision.reason)
        if decision.is_undo_due:
            self.begin_undo(campaign_id, slot, states.SlotState.UNDOING)
        if decision.is_rerun_due:
            self.rerun(campaign_id, slot)
        if decision.is_quarantine:
            self.quarantine(slot, decision.reason)
        if decision.escalation is not None:
            self.batch.signals.append((campaign_id, decision.escalation))

    def _move(self, slot: rules.SlotView, move: rules.Move) -> None:
        row = self.rows[move.step_id]
        self.batch.move_step(row, move)
        if move.is_order:
            self.order(slot, row, move.is_resumed)

    def order(self, slot: rules.SlotView, row: Row, is_resumed: bool = False) -> None:
        """Claim a step that was just moved, and owe its order to the agent."""
        claimed = self.batch.order_step(row)
        self.cast(slot, claimed, is_resumed or claimed["attempt"] > 1)

    def cast(self, slot: rules.SlotView, row: Row, is_resumed: bool) -> None:
        """Owe the order of a claimed step to its agent."""
        undone = None
        checkpoints: Mapping[str, Any] = {}
        if row["undo_of"]:
            undone = self.rows[row["undo_of"]]
            found = work.checkpoints_of(self.connection, [slot.id])
            checkpoints = found.get(slot.id, {})
        procedure = self.plan.procedure(slot.procedure)
        rerun = slot.compensations
        self.batch.cast(
            orders.command_for(row, procedure, undone, checkpoints, is_resumed, rerun)
        )

    def begin_undo(
        self, campaign_id: str, slot: rules.SlotView, slot_state: states.SlotState
    ) -> None:
        """Write the undo of a slot from its journal and order its first step."""
        rows = self._undo_rows(slot)
        if not rows:
            undoing = dataclasses.replace(slot, state=slot_state)
            self.carry_out(campaign_id, slot, rules.finish_undo(undoing, (), False))
            return
        for row in rows:
            self.batch.new_steps.append(row)
            self.rows[row["id"]] = row
        first = rows[0]
        self.batch.move_step(first, rules.Move(first["id"], states.StepState.READY))
        undone = self.rows[first["undo_of"]]
        self.batch.move_step(
            undone, rules.Move(undone["id"], states.StepState.REVERTING)
        )
        self.batch.move_step(
            first, rules.Move(first["id"], states.StepState.DISPATCHED)
        )
        self.order(slot, first)

    def _undo_rows(self, slot: rules.SlotView) -> list[dict[str, Any]]:
        procedure = self.plan.procedure(slot.procedure)
        specs = {step.id: step for step in procedure.steps}
        undoable = {
            step.id
            for step in slot.steps
            if step.intent == "run" and step.is_mutating and specs[step.name].undo
        }
        lines = [
            rollback.Line(row["seq"], row["slot_id"], row["object_id"], row["to_state"])
            for row in work.step_lines(self.connection, [slot.id])
        ]
        top = max((line.seq for line in lines), default=0)
        lines += [
            rollback.Line(top + at, slot.id, line["object_id"], line["to_state"])
            for at, line in enumerate(self.batch.lines, start=1)
            if line["slot_id"] == slot.id and line["intent"] == "run"
        ]
        rounds = sum(1 for step in slot.steps if step.intent == "revert") + 1
        start = rounds * _UNDO_SEQ
        undo = rollback.steps_to_undo(lines, undoable)
        return [
            batches.undo_row(
                specs[self.rows[step_id]["name"]],
                self.rows[step_id],
                start + at,
                self.batch.now,
            )
            for at, step_id in enumerate(undo)
        ]

    def rerun(self, campaign_id: str, slot: rules.SlotView) -> None:
        """Run an undone slot again from its first step."""
        first: Row | None = None
        for step in slot.steps:
            if step.intent != "run":
                continue
            row = self.rows[step.id]
            state = self.batch.steps.get(step.id, {}).get("state", row["state"])
            if state not in ("reverted", "blocked"):
                self.batch.move_step(
                    row, rules.Move(step.id, states.StepState.REVERTED, "runs again")
                )
            if state != "blocked":
                self.batch.move_step(row, rules.Move(step.id, states.StepState.BLOCKED))
            self.batch.steps.setdefault(step.id, {})["retries"] = 0
            first = first or row
        slot = dataclasses.replace(
            slot, state=states.SlotState.UNDONE, compensations=slot.compensations + 1
        )
        self.batch.slots.setdefault(slot.id, {})["compensations"] = slot.compensations
        self.batch.move_slot(
            slot,
            states.SlotState.ACTIVE,
            campaign_id,
            f"run again after compensation {slot.compensations}",
        )
        if first is not None:
            self._move(
                slot,
                rules.Move(first["id"], states.StepState.DISPATCHED, is_order=True),
            )

    def quarantine(self, slot: rules.SlotView, reason: str) -> None:
        """End every open step of a slot and keep its host out."""
        for step in slot.steps:
            row = self.rows[step.id]
            state = states.StepState(
                str(self.batch.steps.get(step.id, {}).get("state", row["state"]))
            )
            if states.StepState.QUARANTINED in states.STEP_MOVES[state] and (
                state not in _SETTLED
            ):
                self.batch.move_step(
                    row, rules.Move(step.id, states.StepState.QUARANTINED, reason)
                )
        tokens.quarantine(self.connection, slot.host, reason)


_SETTLED = frozenset(
    {
        states.StepState.DONE,
        states.StepState.FAILED,
        states.StepState.REVERTED,
        states.StepState.SUPERSEDED,
        states.StepState.SKIPPED,
        states.StepState.REVERT_FAILED,
    }
)


def is_open_to(campaign: Row, host: str, rack: str = "") -> bool:
    """Tell whether new orders may go to a target of this campaign."""
    if campaign["state"] != states.CampaignState.RUNNING:
        return False
    return not any(
        entry.get("host") == host or (rack and entry.get("rack") == rack)
        for entry in campaign["closed_to"]
    )
