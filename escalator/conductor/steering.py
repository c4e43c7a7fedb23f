"""What operators ask of a campaign: start, pause, resume, commit, roll back, cancel.

Source: E-0, V-5, A-0; architecture section 3, rule 7.
"""

from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import (
    awaiting,
    beginning,
    changing,
    finishing,
    inquiring,
    pausing,
    preflight,
    releasing,
)
from escalator.conductor import engine as engines
from escalator.conductor import execution as executions
from escalator.conductor.wishing import Wish
from escalator.db import preflight_orders, session, signals, tokens, work
from escalator.domain import states

Row = Mapping[str, Any]
State = states.CampaignState

_CANCELLABLE_SLOTS = ("done", "quarantined", "reverted", "skipped")


class Steering:
    """Moves campaigns at an operator's wish."""

    def __init__(self, engine: engines.Engine, execution: executions.Execution) -> None:
        self.engine = engine
        self.execution = execution
        self.changing = changing.Changing(engine, execution)
        self.beginning = beginning.Beginning(engine, execution, self.changing)
        self.pausing = pausing.Pausing(engine)
        execution.go_on = awaiting.Awaiting(engine, self.carry_on).look_at

    @session.retry_on_conflict
    def act(
        self,
        campaign_id: str,
        action: str,
        arguments: Mapping[str, Any],
        actor: str,
        request_key: str | None,
    ) -> None:
        """Carry out one of the verbs of :meth:`carry_out`.

        Idempotent by ``request_key``.

        :raises NotFound: there is no such campaign.
        :raises Conflict: it is committed, or hosts are midway.
        :raises IllegalMove: its state does not allow the action.
        :raises InvalidInput: unknown action or arguments.
        """
        with self.engine.database.begin() as connection:
            campaign = work.read_campaign(connection, campaign_id, "write")
            if campaign is None:
                raise errors.NotFound(kind="campaign", id=campaign_id)
            key = request_key
            if key and signals.find_signal(connection, campaign_id, key):
                return
            batch = self.engine.batch(connection)
            batch.owner = actor or batch.owner
            wish = Wish(connection, batch, campaign, arguments, actor)
            self.carry_out(wish, action, actor, request_key)
            batch.write(connection)
        self.engine.send(batch.messages)
        self.engine.wake()

    def carry_out(
        self, wish: Wish, action: str, actor: str, request_key: str | None = None
    ) -> None:
        """Do what :meth:`act` does, in the transaction of the wish.

        ``hold``, which alarms ask for, pauses a campaign, and stops one that
        soaks.  The caller writes the batch.
        """
        verbs = {
            "preflight": self.beginning.preflight,
            "start": self.beginning.start,
            "pause": self.pausing.pause,
            "hold": self.pausing.hold,
            "resume": self._resume,
            "commit": self._commit,
            "rollback": self._roll_back,
            "cancel": self._cancel,
            "change": self.changing.change,
            "approve": self.changing.approve,
        }
        if action not in verbs:
            raise errors.InvalidInput(
                kind="action", summary=f"{action}; known: {', '.join(sorted(verbs))}"
            )
        arguments = wish.arguments  # A verb may clear them.
        verbs[action](wish)
        _note(wish, action, arguments, actor, request_key)

    def carry_on(self, wish: Wish, action: str) -> None:
        """Carry out a verb of which the preflight is over."""
        verbs = {
            "preflight": self.beginning.preflight,
            "start": self.beginning.start,
            "resume": self.beginning.resume,
            "approve": self.changing.approve,
        }
        verbs[action](wish)

    def _resume(self, wish: Wish) -> None:
        if self.pausing.reopen(wish):
            return
        self.beginning.resume(wish)

    def _commit(self, wish: Wish) -> None:
        reason = wish.arguments.get("reason") or "committed by an operator"
        wish.campaign = self.execution.finishing.commit_as_asked(
            wish.connection, wish.batch, wish.campaign, reason
        )

    def _roll_back(self, wish: Wish) -> None:
        finishing.check_way_back(wish.campaign)
        without = wish.arguments.get("without", [])
        _check_lost(wish, without)
        again = self.execution.unwinding.try_again(
            wish.connection, wish.batch, wish.campaign
        )
        if wish.campaign["state"] == State.ROLLING_BACK and (without or again):
            self.engine.tell_campaign(
                wish.connection, wish.batch, wish.campaign, _news(without, again)
            )
            return
        wish.move(
            self.engine,
            State.ROLLING_BACK,
            "asked for by an operator",
            rollback_scope="campaign",
            rollback_procedure="",
        )

    def _cancel(self, wish: Wish) -> None:
        if midway := _midway(wish):
            raise errors.Conflict(
                f"Hosts are midway: {', '.join(midway)}; resume or roll back instead."
            )
        inquiring.check_idle(wish.connection, wish.campaign)
        if preflight_orders.read_wait(wish.connection, wish.campaign["id"]):
            why = "the campaign is cancelled"
            preflight.abandon(wish.connection, wish.batch, wish.campaign, why)
        reason = wish.arguments.get("reason") or "cancelled by an operator"
        reason = releasing.with_held(
            self.engine, wish.connection, wish.campaign, reason
        )
        wish.campaign = self.engine.move_campaign(
            wish.connection, wish.batch, wish.campaign, State.CANCELLED, reason
        )
        releasing.let_go(wish.connection, wish.batch, wish.campaign)


def _midway(wish: Wish) -> list[str]:
    slots = work.read_slots(wish.connection, wish.campaign["id"])
    return [row["host"] for row in slots if row["state"] not in _CANCELLABLE_SLOTS]


def _news(without: list[str], again: list[str]) -> str:
    if without:
        return f"goes on without {', '.join(without)}"
    return f"tries {', '.join(again)} again"


def _check_lost(wish: Wish, names: list[str]) -> None:
    """Refuse to write off a host that works.

    :raises InvalidInput: it is unknown, or neither down nor quarantined.
    """
    if not names:
        return
    targets = tokens.read_targets(wish.connection, wish.campaign["id"], 0.0)
    lost = {t.name for t in targets if not t.is_up or t.is_quarantined}
    sound = sorted(set(names) - lost)
    if sound:
        raise errors.InvalidInput(
            kind="argument",
            summary=f"without: {', '.join(sound)}: unknown, or neither down nor"
            " quarantined; only a lost host can be left out",
        )


def _note(
    wish: Wish, action: str, arguments: Row, actor: str, request_key: str | None
) -> None:
    """Keep what was asked, as done; a repeat of the request finds it."""
    signals.add_signal(
        wish.connection,
        wish.campaign["id"],
        action,
        arguments,
        actor,
        wish.batch.now,
        request_key,
        handled_at=wish.batch.now,
    )
