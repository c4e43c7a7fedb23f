"""One look at one campaign: signals, admission, completion.

Source: architecture section 3; E-0.
"""

import logging
from collections.abc import Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import unwinding
from escalator.db import session, signals, tokens, work
from escalator.domain import campaign as rules
from escalator.domain import states

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]
State = states.CampaignState


class Execution:
    """Drives campaigns; several conductors may look at the same one."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine
        self.admission = admissions.Admission(engine)
        self.unwinding = unwinding.Unwinding(engine)

    def look_at_all(self) -> None:
        """Look at every campaign that is not over."""
        with self.engine.database.begin() as connection:
            active = work.list_active(connection)
        for campaign_id in active:
            self.look_at(campaign_id)

    @session.retry_on_conflict
    def look_at(self, campaign_id: str) -> None:
        """Move one campaign on; reports of its steps wait for the end of it."""
        with self.engine.database.begin() as connection:
            if not tokens.take_admission(self.engine.database, connection):
                self.engine.wake()
                return
            campaign = work.read_campaign(connection, campaign_id, "write")
            if campaign is None:
                return
            batch = self.engine.batch(connection)
            campaign = self._take_signals(connection, batch, campaign)
            self._move_on(connection, batch, campaign)
            batch.write(connection)
        self.engine.send(batch.messages)
        if batch.freed:
            self.engine.wake()

    def _take_signals(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> Row:
        notes = signals.read_signals(connection, campaign["id"])
        for note in notes:
            campaign = self._heed(connection, batch, campaign, note)
        if notes:
            signals.close_signals(connection, [note["id"] for note in notes], batch.now)
        return campaign

    def _heed(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        note: Row,
    ) -> Row:
        """Do what a slot or a fault asks, if the campaign's state allows it."""
        arguments = note["arguments"]
        to = State.ROLLING_BACK if note["kind"] == "rollback" else State.HOLDING
        state = State(campaign["state"])
        if to not in states.CAMPAIGN_MOVES[state]:
            batch.journal(
                campaign["id"],
                "signal",
                str(note["id"]),
                campaign["state"],
                "ignored",
                f"{note['kind']}: {arguments.get('reason', '')}",
            )
            return campaign
        values: dict[str, Any] = {}
        if to is State.ROLLING_BACK:
            values = {
                "rollback_scope": arguments.get("scope", "campaign"),
                "rollback_procedure": arguments.get("procedure", ""),
            }
        return self.engine.move_campaign(
            connection, batch, campaign, to, arguments.get("reason", ""), **values
        )

    def _move_on(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        match State(campaign["state"]):
            case State.RUNNING:
                self._run(connection, batch, campaign)
            case State.PAUSING:
                if not work.count_in_flight(connection, campaign["id"]):
                    self.engine.move_campaign(
                        connection,
                        batch,
                        campaign,
                        State.PAUSED,
                        campaign["state_reason"],
                    )
            case State.SOAKING:
                if campaign["soak_until"] <= batch.now:
                    self._commit(connection, batch, campaign)
            case State.ROLLING_BACK:
                self._unwind(connection, batch, campaign)

    def _run(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        self._continue_slots(connection, batch, campaign)
        situation = self.admission.read(connection, campaign, batch.now)
        self._note_drift(connection, batch, campaign, situation)
        self.admission.admit(connection, batch, campaign, situation)
        procedures = {each.id for each in situation.plan.procedures}
        if batch.messages or situation.done() != procedures:
            return
        soak_s = situation.plan.soak_s
        if soak_s > 0:
            self.engine.move_campaign(
                connection,
                batch,
                campaign,
                State.SOAKING,
                f"all targets are done; watched for {soak_s:g} s",
                soak_until=batch.now + soak_s,
            )
        else:
            self._commit(connection, batch, campaign)

    def _commit(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        moved = self.engine.move_campaign(
            connection, batch, campaign, State.COMMITTED, "all targets are done"
        )
        self._release(connection, moved)

    def _unwind(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        self._continue_reverts(connection, batch, campaign)
        situation = self.admission.read(connection, campaign, batch.now)
        self.unwinding.go_on(connection, batch, campaign, situation)
        self._release(connection, campaign)

    def _release(self, connection: session.Connection, campaign: Row) -> None:
        """Let go of hosts whose slots have ended."""
        over = [
            row["host"]
            for row in work.read_slots(connection, campaign["id"])
            if row["ended_at"] is not None
        ]
        if over:
            tokens.release_hosts(connection, campaign["id"], over)

    def _continue_slots(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        """Order due retries and steps that waited for an open campaign."""
        due = work.ready_steps(
            self.engine.database,
            connection,
            campaign["id"],
            batch.now,
            self.engine.settings.batch,
        )
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
            if engines.is_open_to(campaign, view.host) and view.state in _LIVE:
                _order(carrier, view, row["id"])
        for slot_id in undone:
            if engines.is_open_to(campaign, views[slot_id].host):
                carrier.rerun(campaign["id"], views[slot_id])

    def _continue_reverts(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        """Order due retries of undo steps."""
        due = work.ready_steps(
            self.engine.database,
            connection,
            campaign["id"],
            batch.now,
            self.engine.settings.batch,
        )
        views, rows = work.read_views(
            connection, sorted({row["slot_id"] for row in due})
        )
        carrier = engines.Carrier(
            connection, batch, self.engine.plan_of(connection, campaign), rows
        )
        for row in due:
            view = views[row["slot_id"]]
            step = view.step(row["id"])
            if step.intent == "revert" and view.state in _UNDER_WAY:
                _order(carrier, view, row["id"])

    def revive(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        """Let failed slots try their failed step again after a hold."""
        failed = [
            row["id"]
            for row in work.read_slots(
                connection, campaign["id"], states.SlotState.FAILED
            )
        ]
        views, rows = work.read_views(connection, failed)
        for slot_id in failed:
            view = views[slot_id]
            batch.move_slot(view, states.SlotState.ACTIVE, campaign["id"], "resumed")
            for step in view.steps:
                if step.state in _STUCK:
                    batch.move_step(
                        rows[step.id],
                        rules.Move(step.id, states.StepState.READY, "resumed"),
                    )

    def _note_drift(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        situation: admissions.Situation,
    ) -> None:
        """Write a plan revision when hosts joined or left (P-4a, rule 8)."""
        before = set(
            work.read_plan_targets(connection, campaign["id"], campaign["plan_rev"])
        )
        now_there = {target.name for target in situation.targets} & (
            selected_names(situation) | before
        )
        if now_there == before:
            return
        stored = work.read_plan(connection, campaign["id"], campaign["plan_rev"])
        if stored is None:
            return
        rev = campaign["plan_rev"] + 1
        diff = {
            "joined": sorted(now_there - before),
            "left": sorted(before - now_there),
        }
        work.add_plan(
            connection,
            campaign["id"],
            rev,
            stored["plan"],
            sorted(now_there),
            diff,
            batch.now,
        )
        work.update_campaign(connection, campaign["id"], batch.now, plan_rev=rev)
        batch.journal(
            campaign["id"],
            "plan",
            str(rev),
            str(rev - 1),
            str(rev),
            f"joined: {diff['joined']}; left: {diff['left']}",
        )


def selected_names(situation: admissions.Situation) -> set[str]:
    """Return the hosts that any procedure selects now."""
    return {
        target.name
        for procedure in situation.plan.procedures
        for target in situation.selected(procedure)
    }


_STUCK = (states.StepState.FAILED, states.StepState.HUNG, states.StepState.LOST)
_LIVE = (states.SlotState.ACTIVE, states.SlotState.UNDOING)
_UNDER_WAY = (states.SlotState.UNDOING, states.SlotState.REVERTING)


def _order(carrier: engines.Carrier, view: rules.SlotView, step_id: str) -> None:
    step = view.step(step_id)
    row = carrier.rows[step_id]
    carrier.batch.move_step(
        row, rules.Move(step_id, states.StepState.DISPATCHED, is_order=True)
    )
    if step.undo_of and carrier.rows[step.undo_of]["state"] != "reverting":
        carrier.batch.move_step(
            carrier.rows[step.undo_of],
            rules.Move(step.undo_of, states.StepState.REVERTING),
        )
    carrier.order(view, row)
