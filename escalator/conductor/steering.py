"""What operators ask of a campaign: start, pause, resume, roll back, cancel.

Source: E-0, V-5, A-0; architecture section 3, rule 7.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import execution as executions
from escalator.conductor import gates, preflight
from escalator.db import session, signals, tokens, work
from escalator.domain import states

Row = Mapping[str, Any]
State = states.CampaignState

_CANCELLABLE_SLOTS = ("done", "quarantined", "reverted")


@dataclasses.dataclass(slots=True)
class Wish:
    """What an operator asks, in the transaction that carries it out."""

    connection: session.Connection
    batch: batches.Batch
    campaign: Row
    arguments: Row


class Steering:
    """Moves campaigns at an operator's wish."""

    def __init__(self, engine: engines.Engine, execution: executions.Execution) -> None:
        self.engine = engine
        self.execution = execution

    @session.retry_on_conflict
    def act(
        self,
        campaign_id: str,
        action: str,
        arguments: Mapping[str, Any],
        actor: str,
        request_key: str | None,
    ) -> None:
        """Start, pause, resume, roll back, cancel a campaign, or approve a gate.

        Idempotent by ``request_key``.

        :raises NotFound: there is no such campaign.
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
            wish = Wish(connection, batch, campaign, arguments)
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
        verbs: dict[str, Callable[[Wish], None]] = {
            "start": self._start,
            "pause": self._pause,
            "hold": self._hold,
            "resume": self._resume,
            "rollback": self._roll_back,
            "cancel": self._cancel,
            "approve": functools.partial(_approve, self.engine),
        }
        if action not in verbs:
            raise errors.InvalidInput(
                kind="action", summary=f"{action}; known: {', '.join(sorted(verbs))}"
            )
        arguments = wish.arguments  # A verb may clear them.
        verbs[action](wish)
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

    def _move(self, wish: Wish, to: State, reason: str, **values: Any) -> None:
        wish.campaign = self.engine.move_campaign(
            wish.connection,
            wish.batch,
            wish.campaign,
            to,
            wish.arguments.get("reason") or reason,
            **values,
        )

    def _start(self, wish: Wish) -> None:
        self._move(wish, State.PREFLIGHT, "started by an operator")
        situation = self.execution.admission.read(
            wish.connection, wish.campaign, wish.batch.now
        )
        refusal = preflight.refusal(situation)
        wish.arguments = {}
        if refusal:
            self._move(wish, State.VALIDATED, refusal)
        else:
            self._move(
                wish, State.RUNNING, "preflight passed", started_at=wish.batch.now
            )

    def _pause(self, wish: Wish) -> None:
        entry = _closed_entry(wish.arguments)
        if entry:
            self._close(wish, [*_others(wish, entry), entry], "closed")
        else:
            self._move(wish, State.PAUSING, "paused by an operator")

    def _hold(self, wish: Wish) -> None:
        is_soaking = wish.campaign["state"] == State.SOAKING
        self._move(wish, State.HOLDING if is_soaking else State.PAUSING, "held")

    def _resume(self, wish: Wish) -> None:
        entry = _closed_entry(wish.arguments)
        if entry:
            self._close(wish, _others(wish, entry), "reopened")
            return
        was_holding = wish.campaign["state"] == State.HOLDING
        self._move(wish, State.RUNNING, "resumed by an operator")
        if was_holding:
            self.execution.continuing.revive(wish.connection, wish.batch, wish.campaign)

    def _close(self, wish: Wish, closed: list[Any], verb: str) -> None:
        own = wish.campaign["id"]
        work.update_campaign(wish.connection, own, wish.batch.now, closed_to=closed)
        wish.batch.journal(own, "admission", own, "", verb, json.dumps(closed))

    def _roll_back(self, wish: Wish) -> None:
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
        self._move(
            wish,
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
        self._move(wish, State.CANCELLED, "cancelled by an operator")
        self.execution.release(wish.connection, wish.campaign)


def _approve(engine: engines.Engine, wish: Wish) -> None:
    gates.approve(engine, wish.connection, wish.batch, wish.campaign, wish.arguments)


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


def _others(wish: Wish, entry: dict[str, str]) -> list[Any]:
    return [each for each in wish.campaign["closed_to"] if each != entry]


def _closed_entry(arguments: Row) -> dict[str, str]:
    if arguments.get("target"):
        return {"host": str(arguments["target"])}
    if arguments.get("rack"):
        return {"rack": str(arguments["rack"])}
    return {}
