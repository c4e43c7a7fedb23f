"""The end of a campaign on which everything is done: soak, wait, commit.

Source: P-4, R-2, S-7.  Committed is the point of no return; before it the whole
campaign can be rolled back, after it no host of it is touched any more.
"""

from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import preflight, releasing
from escalator.db import session
from escalator.domain import plan, states

Row = Mapping[str, Any]
State = states.CampaignState


class Finishing:
    """Moves a campaign from its last step to its commit."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def begin(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        """Go on from the last step: to the soak, or past it if there is none."""
        made = self.engine.plan_of(connection, campaign)
        if made.soak_s <= 0:
            self._complete(connection, batch, campaign, made)
            return
        done = preflight.outcome(connection, campaign)
        self.engine.move_campaign(
            connection,
            batch,
            campaign,
            State.SOAKING,
            f"{done}; watched for {made.soak_s:g} s",
            soak_until=batch.now + made.soak_s,
        )

    def go_on(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> None:
        """End what is due: the soak, or the time for a rollback."""
        if campaign["state"] == State.SOAKING:
            if campaign["soak_until"] <= batch.now:
                made = self.engine.plan_of(connection, campaign)
                self._complete(connection, batch, campaign, made)
        elif campaign["commit_at"] is not None and campaign["commit_at"] <= batch.now:
            self.commit(connection, batch, campaign, "nobody rolled it back in time")

    def _complete(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        made: plan.Plan,
    ) -> None:
        done = preflight.outcome(connection, campaign)
        if made.commit == plan.Commit.AUTO:
            self.commit(connection, batch, campaign, done)
            return
        after_s = made.commit_after_s
        reason = f"{done}; waits: an operator has to commit it"
        if after_s is not None:
            reason += f", or it commits itself after {after_s:g} s"
        self.engine.move_campaign(
            connection,
            batch,
            campaign,
            State.COMPLETED,
            reason,
            commit_at=None if after_s is None else batch.now + after_s,
        )

    def commit(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        reason: str,
    ) -> Row:
        """Take the step after which there is no way back; return the new row."""
        to = State.COMMITTED
        reason = releasing.with_held(self.engine, connection, campaign, reason)
        moved = self.engine.move_campaign(connection, batch, campaign, to, reason)
        releasing.let_go(connection, batch, moved)
        return moved

    def commit_as_asked(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        reason: str,
    ) -> Row:
        """Commit at an operator's wish; a soak ends with it.

        :raises IllegalMove: there is something left to do, or nothing to commit.
        """
        state = State(campaign["state"])
        if state not in states.NOT_COMMITTED:
            known = sorted(each.value for each in states.NOT_COMMITTED)
            raise errors.IllegalMove(
                kind="campaign",
                state=state.value,
                to=f"{State.COMMITTED} by an operator",
                allowed=f"from {' and '.join(known)}",
            )
        return self.commit(connection, batch, campaign, reason)


def check_way_back(campaign: Row) -> None:
    """Refuse a rollback after the commit.

    :raises Conflict: the campaign is committed.
    """
    if campaign["state"] == State.COMMITTED:
        raise errors.Conflict(
            f"The campaign is committed ({campaign['state_reason']}): what its undo"
            " would need is gone; run a campaign of the earlier version."
        )
