"""Starting and resuming: nothing begins that a preflight refuses (V-3, V-5)."""

from escalator import errors
from escalator.conductor import changing, closing, drift, pausing, preflight
from escalator.conductor import engine as engines
from escalator.conductor import execution as executions
from escalator.conductor.wishing import Wish
from escalator.domain import states

State = states.CampaignState


class Beginning:
    """Lets campaigns begin, or go on, once the system is fit for it."""

    def __init__(
        self,
        engine: engines.Engine,
        execution: executions.Execution,
        changes: changing.Changing,
    ) -> None:
        self.engine = engine
        self.execution = execution
        self.changes = changes

    def start(self, wish: Wish) -> None:
        """Start a campaign, or start one again that was rolled back.

        If the preflight refuses, it goes back to where it was.  While agents are
        asked it stays in preflight.

        :raises Conflict: its change windows are all over.
        """
        was_undone = wish.campaign["started_at"] is not None
        if not wish.is_again:
            closing.check_start(self.engine, wish)
            wish.move(self.engine, State.PREFLIGHT, "started by an operator")
        situation = self.execution.admission.read(
            wish.connection, wish.campaign, wish.batch.now
        )
        wish.campaign = drift.note(
            wish.connection, wish.batch, wish.campaign, situation
        )
        refusal = drift.awaited(wish.connection, wish.campaign) or self._refusal(
            wish, "start"
        )
        wish.arguments = {}
        if preflight.is_wait(refusal):
            self._say(wish, refusal)
            return
        if refusal:
            back = State.ROLLED_BACK if was_undone else State.VALIDATED
            wish.move(self.engine, back, refusal)
        else:
            times = {"started_at": wish.batch.now, "ended_at": None}
            wish.move(self.engine, State.RUNNING, "preflight passed", **times)
            pausing.open_again(wish, pausing.meant_by({}))

    def resume(self, wish: Wish) -> None:
        """Open a whole campaign again, or leave it where it was.

        After a hold what failed is tried again, and procedures that hold go on; if
        the wish names the procedure that is left, it alone.
        """
        state = State(wish.campaign["state"])
        states.check_move("campaign", states.CAMPAIGN_MOVES, state, State.RUNNING)
        if state is State.HOLDING:
            self.changes.check_approved(wish)
        if refusal := self._refusal(wish, "resume"):
            self._say(wish, refusal)
            return
        wish.move(self.engine, State.RUNNING, "resumed by an operator")
        if state is State.HOLDING:
            pausing.open_again(wish, pausing.meant_by(wish.arguments))
            self.execution.continuing.revive(wish.connection, wish.batch, wish.campaign)

    def preflight(self, wish: Wish) -> None:
        """Make a report and move nothing.

        :raises Conflict: the campaign is over.
        """
        if wish.campaign["state"] in states.ENDED - {State.ROLLED_BACK}:
            raise errors.Conflict("The campaign is over: there is nothing to judge.")
        asked = wish.asked("preflight")
        self.execution.preflights.make(
            wish.connection, wish.batch, wish.campaign, asked
        )

    def _refusal(self, wish: Wish, verb: str) -> str:
        return self.execution.preflights.admit(
            wish.connection, wish.batch, wish.campaign, wish.asked(verb)
        )

    def _say(self, wish: Wish, reason: str) -> None:
        if reason != wish.campaign["state_reason"]:
            self.engine.tell_campaign(
                wish.connection, wish.batch, wish.campaign, reason
            )
