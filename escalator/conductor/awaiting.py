"""Verbs that wait for a preflight's agents are carried out again once these answered.

Source: architecture section 3, rules 1 and 2; V-5, V-7.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import inquiring, preflight
from escalator.conductor.wishing import Wish
from escalator.db import preflight_orders as stored
from escalator.db import session, work
from escalator.domain import states

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]
State = states.CampaignState

KEPT_S = 3600.0
"""What a gate asked for, and did not heed, is forgotten after that long."""


class Awaiting:
    """Looks at campaigns whose preflight is under way; any conductor may.

    :param carry_on: carries out a verb in the transaction of the wish.
    """

    def __init__(
        self, engine: engines.Engine, carry_on: Callable[[Wish, str], None]
    ) -> None:
        self.engine = engine
        self.carry_on = carry_on

    def look_at(self, campaign_id: str) -> None:
        """Order what may be ordered, or carry the verb out if all is answered."""
        try:
            self._look_at(campaign_id)
        except errors.EscalatorError as error:
            if error.retryable:
                LOG.info("Campaign %s waits on: %s", campaign_id, error)
                return
            LOG.info("Campaign %s goes on no more: %s", campaign_id, error)
            self._drop(campaign_id, str(error))

    @session.retry_on_conflict
    def _look_at(self, campaign_id: str) -> None:
        with self.engine.database.begin() as connection:
            campaign = work.read_campaign(connection, campaign_id, "write")
            wait = stored.read_wait(connection, campaign_id)
            if campaign is None or wait is None:
                return
            batch = self.engine.batch(connection)
            self._go_on(connection, batch, campaign, wait)
            batch.write(connection)
        self.engine.send(batch.messages)
        if batch.lines:
            self.engine.wake()

    def _go_on(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        wait: Row,
    ) -> None:
        if inquiring.open_of(stored.read_orders(connection, campaign["id"])):
            # If the last of them end here, that is kept whatever becomes of the verb.
            inquiring.send(connection, batch, campaign)
            return
        if wait["verb"] == inquiring.GATE:
            is_old = wait["begun_at"] + KEPT_S < batch.now
            if campaign["state"] != State.RUNNING or is_old:
                why = "its gate did not come back to it"
                preflight.abandon(connection, batch, campaign, why)
            return
        wish = Wish(
            connection,
            batch,
            campaign,
            wait["arguments"],
            wait["actor"],
            is_again=True,
        )
        batch.owner = wait["actor"] or batch.owner
        self.carry_on(wish, wait["verb"])

    @session.retry_on_conflict
    def _drop(self, campaign_id: str, why: str) -> None:
        """Nobody waits any more: the campaign has gone another way."""
        with self.engine.database.begin() as connection:
            campaign = work.read_campaign(connection, campaign_id, "write")
            wait = stored.read_wait(connection, campaign_id)
            if campaign is None or wait is None:
                return
            batch = self.engine.batch(connection)
            batch.journal(
                campaign_id,
                "preflight",
                campaign_id,
                "waits",
                "dropped",
                f"{wait['verb']}: {why}",
            )
            preflight.abandon(connection, batch, campaign, why)
            batch.write(connection)
