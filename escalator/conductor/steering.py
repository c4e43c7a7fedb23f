"""What operators ask of a campaign: start, pause, resume, roll back, cancel.

Source: E-0, V-5, A-0; architecture section 3, rule 7.
"""

import json
from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import execution as executions
from escalator.conductor import preflight
from escalator.db import session, signals, work
from escalator.domain import states

Row = Mapping[str, Any]
State = states.CampaignState

_CANCELLABLE_SLOTS = ("done", "quarantined", "reverted")


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
        """Start, pause, resume, roll back or cancel a campaign.

        Idempotent by ``request_key``.

        :raises NotFound: there is no such campaign.
        :raises IllegalMove: its state does not allow the action.
        :raises InvalidInput: unknown action or arguments.
        """
        verbs = {
            "start": self._start,
            "pause": self._pause,
            "resume": self._resume,
            "rollback": self._roll_back,
            "cancel": self._cancel,
        }
        if action not in verbs:
            raise errors.InvalidInput(
                kind="action", summary=f"{action}; known: {', '.join(sorted(verbs))}"
            )
        with self.engine.database.begin() as connection:
            campaign = work.read_campaign(connection, campaign_id, "write")
            if campaign is None:
                raise errors.NotFound(kind="campaign", id=campaign_id)
            if request_key and signals.find_signal(
                connection, campaign_id, request_key
            ):
                return
            batch = self.engine.batch(connection)
            batch.owner = actor or batch.owner
            verbs[action](connection, batch, campaign, arguments)
            signals.add_signal(
                connection,
                campaign_id,
                action,
                arguments,
                actor,
                batch.now,
                request_key,
                handled_at=batch.now,
            )
            batch.write(connection)
        self.engine.send(batch.messages)
        self.engine.wake()

    def _start(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        arguments: Row,
    ) -> None:
        campaign = self.engine.move_campaign(
            connection, batch, campaign, State.PREFLIGHT, "started by an operator"
        )
        situation = self.execution.admission.read(connection, campaign, batch.now)
        refusal = preflight.refusal(situation)
        if refusal:
            self.engine.move_campaign(
                connection, batch, campaign, State.VALIDATED, refusal
            )
            return
        self.engine.move_campaign(
            connection,
            batch,
            campaign,
            State.RUNNING,
            "preflight passed",
            started_at=batch.now,
        )

    def _pause(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        arguments: Row,
    ) -> None:
        entry = _closed_entry(arguments)
        if entry:
            closed = [each for each in campaign["closed_to"] if each != entry]
            self._close(connection, batch, campaign, [*closed, entry], "closed")
            return
        self.engine.move_campaign(
            connection,
            batch,
            campaign,
            State.PAUSING,
            arguments.get("reason") or "paused by an operator",
        )

    def _resume(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        arguments: Row,
    ) -> None:
        entry = _closed_entry(arguments)
        if entry:
            closed = [each for each in campaign["closed_to"] if each != entry]
            self._close(connection, batch, campaign, closed, "reopened")
            return
        was_holding = campaign["state"] == State.HOLDING
        self.engine.move_campaign(
            connection, batch, campaign, State.RUNNING, "resumed by an operator"
        )
        if was_holding:
            self.execution.continuing.revive(connection, batch, campaign)

    def _close(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        closed: list[Any],
        verb: str,
    ) -> None:
        work.update_campaign(connection, campaign["id"], batch.now, closed_to=closed)
        batch.journal(
            campaign["id"], "admission", campaign["id"], "", verb, json.dumps(closed)
        )

    def _roll_back(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        arguments: Row,
    ) -> None:
        self.engine.move_campaign(
            connection,
            batch,
            campaign,
            State.ROLLING_BACK,
            arguments.get("reason") or "asked for by an operator",
            rollback_scope="campaign",
            rollback_procedure="",
        )

    def _cancel(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        arguments: Row,
    ) -> None:
        midway = [
            row["host"]
            for row in work.read_slots(connection, campaign["id"])
            if row["state"] not in _CANCELLABLE_SLOTS
        ]
        if midway:
            raise errors.Conflict(
                f"Hosts are midway: {', '.join(midway)}; resume or roll back instead."
            )
        self.engine.move_campaign(
            connection,
            batch,
            campaign,
            State.CANCELLED,
            arguments.get("reason") or "cancelled by an operator",
        )


def _closed_entry(arguments: Row) -> dict[str, str]:
    if arguments.get("target"):
        return {"host": str(arguments["target"])}
    if arguments.get("rack"):
        return {"rack": str(arguments["rack"])}
    return {}
