"""Steps in flight that nobody hears of: probe, do not repeat.

Source: architecture section 3, rules 1 and 5; P-4e.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import guard, orders
from escalator.db import session, work
from escalator.domain import campaign as rules
from escalator.domain import states

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
            hung = [row for row in expired if row["hard_at"] + grace < batch.now]
            for row in expired:
                if row not in hung:
                    self._probe(batch, row)
            self._give_up(connection, batch, hung)
            guard.withdraw(connection, batch)
            batch.write(connection)
        self.engine.send(batch.messages)
        if batch.signals or batch.freed:
            self.engine.wake()
        return len(expired)

    def _probe(self, batch: batches.Batch, row: Row) -> None:
        batch.cast(orders.probe_for(row))
        change = batch.steps.setdefault(row["id"], {})
        change["lease_until"] = batch.now + self.engine.settings.probe_interval_s
        change["reason"] = "waits: silent, its agent is asked"

    def _give_up(
        self, connection: session.Connection, batch: batches.Batch, hung: list[Row]
    ) -> None:
        if not hung:
            return
        views, rows = work.read_views(
            connection, sorted({row["slot_id"] for row in hung})
        )
        for row in hung:
            campaign = work.read_campaign(connection, row["campaign_id"])
            if campaign is None:
                continue
            made = self.engine.plan_of(connection, campaign)
            view = views[row["slot_id"]]
            is_unwinding = campaign["state"] == states.CampaignState.ROLLING_BACK
            decision = rules.fail(
                view,
                view.step(row["id"]),
                "lost",
                f"no word from the agent for {row['timeout_s']:g} s",
                None if is_unwinding else made.procedure(view.procedure).ladder,
                states.StepState.HUNG,
            )
            carrier = engines.Carrier(connection, batch, made, rows)
            carrier.carry_out(row["campaign_id"], view, decision)
