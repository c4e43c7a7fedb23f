"""Steps in flight that nobody hears of: probe, do not repeat.

Source: architecture section 3, rules 1 and 5; P-4e.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import guard, orders
from escalator.db import facts, session, work
from escalator.domain import campaign as rules
from escalator.domain import restoring, states

Row = Mapping[str, Any]


class Leases:
    """Looks after steps whose lease has run out."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    @session.retry_on_conflict
    def sweep(self) -> int:
        """Probe silent steps; give up those past their deadline.

        A step past its deadline gets one more lease first, for the agent's own
        report of the timeout.

        :returns: number of steps looked at.
        """
        with self.engine.database.begin() as connection:
            batch = self.engine.batch(connection)
            expired = work.expired_steps(
                self.engine.database,
                connection,
                batch.now,
                self.engine.settings.batch,
            )
            grace = self.engine.settings.lease_s
            overdue = [row for row in expired if row["hard_at"] + grace < batch.now]
            for row in expired:
                if row not in overdue:
                    self._probe(batch, row)
            self._give_up(connection, batch, overdue)
            guard.withdraw(connection, batch)
            batch.write(connection)
        self.engine.send(batch.messages)
        if batch.signals or batch.freed:
            self.engine.wake()
        return len(expired)

    def _verdict(
        self, connection: session.Connection, batch: batches.Batch, row: Row
    ) -> tuple[states.StepState, str, str]:
        """Tell a step that hangs on a live agent from one that is lost with it."""
        seen_at = facts.read_agent_seen(connection, _agent_host(row))
        told = f"its deadline was {row['timeout_s']:g} s after its order"
        if seen_at is None:
            silence = "its agent was never heard of"
        else:
            silence = f"its agent was last heard of {batch.now - seen_at:.1f} s ago"
            if seen_at >= batch.now - self.engine.settings.agent_silent_s:
                reason = f"its agent lives but says nothing of it; {told}"
                return states.StepState.HUNG, rules.HUNG, reason
        return states.StepState.LOST, rules.LOST, f"{silence}; {told}"

    def _probe(self, batch: batches.Batch, row: Row) -> None:
        batch.cast(orders.probe_for(row))
        change = batch.steps.setdefault(row["id"], {})
        change["lease_until"] = batch.now + self.engine.settings.probe_interval_s
        change["reason"] = "waits: silent, its agent is asked"

    def _give_up(
        self, connection: session.Connection, batch: batches.Batch, overdue: list[Row]
    ) -> None:
        if not overdue:
            return
        views, rows = work.read_views(
            connection, sorted({row["slot_id"] for row in overdue})
        )
        for row in overdue:
            campaign = work.read_campaign(connection, row["campaign_id"])
            known = batch.steps.get(row["id"], {}).get("state", row["state"])
            if campaign is None or known not in states.IN_FLIGHT:
                continue
            made = self.engine.plan_of(connection, campaign)
            procedure = made.procedure(row["procedure"])
            view = views[row["slot_id"]]
            is_unwinding = campaign["state"] == states.CampaignState.ROLLING_BACK
            to, failure_class, reason = self._verdict(connection, batch, row)
            step = view.step(row["id"])
            view = restoring.judged(procedure, view, failure_class)
            decision = rules.fail(
                view,
                step,
                failure_class,
                reason,
                None if is_unwinding else procedure.ladder,
                to,
            )
            carrier = engines.Carrier(connection, batch, made, rows)
            carrier.carry_out(row["campaign_id"], view, decision)


def _agent_host(row: Row) -> str:
    """Return the host of the agent that has the step; it is named host:instance."""
    if row["executor"] == "node":
        return str(row["host"])
    return str(row["agent"]).rpartition(":")[0]
