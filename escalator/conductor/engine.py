"""What every part of the engine shares, and how a decision becomes rows."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import (
    evacuating,
    orders,
    quarantining,
    reckoning,
    restoring,
    undoing,
)
from escalator.db import revisions, session, tokens, work
from escalator.domain import campaign as rules
from escalator.domain import events, plan, rounds, states
from escalator.objects import fields

Row = Mapping[str, Any]

PLAN_CODEC = fields.RecordCodec(plan.Plan, is_trusted=True)


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
        self.vim_trouble = ""
        """Why the VIM did not answer this process the last time, or ""."""
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
            row = revisions.read(connection, *key)
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
        severity: str = events.INFO,
        **values: Any,
    ) -> dict[str, Any]:
        """Move a campaign and owe its owner the news; returns the new row.

        :param severity: of the news; ``critical`` pages its owner.
        :raises IllegalMove: ``to`` cannot follow the present state.
        """
        state = states.CampaignState(campaign["state"])
        states.check_move("campaign", states.CAMPAIGN_MOVES, state, to)
        if to in states.ENDED:
            values["ended_at"] = batch.now
        return self._note_campaign(
            connection, batch, campaign, to, reason, values, severity
        )

    def tell_campaign(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        reason: str,
        severity: str = events.INFO,
    ) -> None:
        """Owe its owner news of a campaign that stays in its state."""
        state = states.CampaignState(campaign["state"])
        self._note_campaign(connection, batch, campaign, state, reason, {}, severity)

    def _note_campaign(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        to: states.CampaignState,
        reason: str,
        values: dict[str, Any],
        severity: str = events.INFO,
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
                severity=severity,
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
        self._standings: dict[str, tokens.Standing] = {}

    def carry_out(
        self, campaign_id: str, slot: rules.SlotView, decision: rules.Decision
    ) -> None:
        """Apply one decision."""
        if decision.is_restored:
            procedure = self.plan.procedure(slot.procedure)
            restoring.settle(self.batch, procedure, slot, self.rows)
        for move in decision.moves:
            self._move(slot, move)
        if decision.slot_to is not None:
            self.batch.move_slot(slot, decision.slot_to, campaign_id, decision.reason)
        if decision.rehearsal is not None:
            change = self.batch.slots.setdefault(slot.id, {})
            change["rehearsal"] = decision.rehearsal
        if decision.is_undo_due or decision.is_restore_due:
            made = restoring.rows_of if decision.is_restore_due else undoing.rows_of
            to = decision.slot_to or slot.state
            self.begin_undo(campaign_id, slot, to, made)
        if decision.is_evacuation_due:
            row = evacuating.add_step(self.batch, campaign_id, slot)
            self.rows[row["id"]] = row
            self.dispatch(slot, row)
        if decision.is_rerun_due:
            self.rerun(campaign_id, slot)
        if decision.is_quarantine:
            quarantining.give_up(
                self.connection, self.batch, campaign_id, slot.host, decision.reason
            )
        if decision.escalation is not None:
            self.batch.signals.append((campaign_id, decision.escalation))

    def _move(self, slot: rules.SlotView, move: rules.Move) -> None:
        row = self.rows[move.step_id]
        if move.is_order:
            self.dispatch(slot, row, move.is_resumed)
        else:
            self.batch.move_step(row, move)

    def dispatch(
        self, slot: rules.SlotView, row: Row, is_resumed: bool = False
    ) -> None:
        """Order a step, or hold it while its host is not in the inventory."""
        if self.standing(slot.host).is_listed:
            self.batch.move_step(
                row, rules.Move(row["id"], states.StepState.DISPATCHED)
            )
            self.order(slot, row, is_resumed)
        else:
            self.hold(row, "waits: the host left the inventory")

    def hold(self, row: Row, reason: str) -> None:
        """Let a step wait for its host, or for admission; idempotent."""
        known = self.batch.steps.get(row["id"], {}).get("state", row["state"])
        if known not in ("ready", "held"):
            self.batch.move_step(row, rules.Move(row["id"], states.StepState.READY))
        if known != "held":
            self.batch.move_step(
                row, rules.Move(row["id"], states.StepState.HELD, reason)
            )

    def standing(self, host: str) -> tokens.Standing:
        """Return how a host stands in the inventory at this moment."""
        if host not in self._standings:
            names = {host, *(row["host"] for row in self.rows.values())}
            self._standings = tokens.read_standings(self.connection, names)
        return self._standings[host]

    def order(self, slot: rules.SlotView, row: Row, is_resumed: bool = False) -> None:
        """Claim a step that was just moved, and owe its order to the agent."""
        change = self.batch.steps.setdefault(row["id"], {})
        procedure = self.plan.procedure(slot.procedure)
        step = reckoning.scaled_step({**row, **change}, procedure)
        if step is not None:
            change.update(reckoning.times(step, self.standing(slot.host).instances))
        claimed = self.batch.order_step(row)
        self.cast(slot, claimed, is_resumed or claimed["attempt"] > 1)

    def cast(self, slot: rules.SlotView, row: Row, is_resumed: bool) -> None:
        """Owe the order of a claimed step to its agent."""
        procedure = self.plan.procedure(slot.procedure)
        undone, checkpoints = restoring.taken_along(
            self.connection, procedure, row, self.rows
        )
        rerun = slot.reruns
        self.batch.cast(
            orders.command_for(row, procedure, undone, checkpoints, is_resumed, rerun)
        )
        self.batch.orders.append((row, self.batch.messages[-1]))

    def begin_undo(
        self,
        campaign_id: str,
        slot: rules.SlotView,
        slot_state: states.SlotState,
        rows_of: Callable[..., list[dict[str, Any]]] = undoing.rows_of,
    ) -> None:
        """Write the undo of a slot from its journal and order its first step."""
        procedure = self.plan.procedure(slot.procedure)
        rows = rows_of(self.connection, self.batch, procedure, slot, self.rows)
        if not rows:
            slot = dataclasses.replace(slot, state=slot_state)
            self.carry_out(campaign_id, slot, rules.finish_undo(slot, (), False))
            return
        for row in rows:
            self.batch.new_steps.append(row)
            self.rows[row["id"]] = row
        first = rows[0]
        self.batch.move_step(first, rules.Move(first["id"], states.StepState.READY))
        if first["undo_of"]:
            to = states.StepState.REVERTING
            undone = self.rows[first["undo_of"]]
            self.batch.move_step(undone, rules.Move(undone["id"], to))
        self.dispatch(slot, first)

    def rerun(self, campaign_id: str, slot: rules.SlotView) -> None:
        """Run an undone or reverted slot again from its first step."""
        first = undoing.reset(self.batch, slot, self.rows)
        if slot.state is states.SlotState.REVERTED:
            restoring.forget(self.batch, slot, self.rows)
        slot, reason = rounds.next_round(slot)
        self.batch.slots.setdefault(slot.id, {}).update(
            compensations=slot.compensations,
            reruns=slot.reruns,
            rehearsal=slot.rehearsal,
        )
        self.batch.move_slot(slot, states.SlotState.ACTIVE, campaign_id, reason)
        if first is not None:
            self._move(
                slot,
                rules.Move(first["id"], states.StepState.DISPATCHED, is_order=True),
            )


def is_open_to(campaign: Row, host: str, rack: str = "", procedure: str = "") -> bool:
    """Tell whether new orders may go to a target of this campaign."""
    if campaign["state"] != states.CampaignState.RUNNING:
        return False
    return not any(
        entry.get("host") == host
        or (rack and entry.get("rack") == rack)
        or (procedure and entry.get("procedure") == procedure)
        for entry in campaign["closed_to"]
    )
