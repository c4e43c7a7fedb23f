"""One look at one campaign: signals, admission, completion.

Source: architecture section 3; E-0.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import (
    closing,
    continuing,
    drift,
    failure_budget,
    finishing,
    gates,
    guard,
    holding,
    opening,
    preflight,
    rehearsing,
    releasing,
    unwinding,
)
from escalator.conductor import engine as engines
from escalator.db import preflight_orders, session, signals, tokens, work
from escalator.domain import events, states

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]
State = states.CampaignState

REST_SHARE = 2.0
"""After a look its campaign's reports go first for so many times what it took."""

LONGEST_REST_S = 5.0
"""A rest beyond it is one of a clock that was set back."""


class Execution:
    """Drives campaigns; several conductors may look at the same one."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine
        self.admission = admissions.Admission(engine)
        self.unwinding = unwinding.Unwinding(engine)
        self.continuing = continuing.Continuing(engine)
        self.finishing = finishing.Finishing(engine)
        self.preflights = preflight.Preflights(engine, self.admission)
        self.go_on: Callable[[str], None] = _pass
        """Carries on with a verb that waits for a preflight; set by ``steering``."""

    def look_at_all(self) -> None:
        """Look at every campaign that is not over, or waits for a preflight."""
        _, active, waiting = self._read_those()
        self._look_at_these(active, waiting)

    def look_in_turn(self) -> float:
        """Look at those that were not looked at just now, by whomsoever.

        A campaign's reports wait while somebody looks at it.  Several conductors
        whose reports each ask for a look would make them wait most of the time.

        :returns: seconds after which the next of those left out has its turn, or 0.
        """
        now, active, waiting = self._read_those()
        rests = {name: until - now for name, until in active.items()}
        resting = {n: left for n, left in rests.items() if 0 < left <= LONGEST_REST_S}
        self._look_at_these(active.keys() - resting.keys(), waiting)
        return min(resting.values(), default=0.0)

    def _read_those(self) -> tuple[float, dict[str, float], list[str]]:
        with self.engine.database.begin() as connection:
            return (
                self.engine.database.now(connection),
                work.list_active(connection),
                preflight_orders.list_waiting(connection),
            )

    def _look_at_these(self, active: Iterable[str], waiting: Iterable[str]) -> None:
        for campaign_id in active:
            self.look_at(campaign_id)
        for campaign_id in waiting:
            self.go_on(campaign_id)

    def look_at(self, campaign_id: str) -> None:
        """Move one campaign on; reports of its steps wait for the end of it."""
        try:
            self._look_at(campaign_id)
        except guard.Breach as breach:
            LOG.critical("Campaign %s is stopped: %s", campaign_id, breach)
            guard.hold(self.engine, campaign_id, breach)

    @session.retry_on_conflict
    def _look_at(self, campaign_id: str) -> None:
        with self.engine.database.begin() as connection:
            if not tokens.take_admission(self.engine.database, connection):
                self.engine.wake()
                return
            campaign = work.read_campaign(connection, campaign_id, "write")
            if campaign is None:
                return
            began = time.monotonic()
            batch = self.engine.batch(connection)
            campaign = self._take_signals(connection, batch, campaign)
            situation = self._move_on(connection, batch, campaign)
            guard.withdraw(connection, batch)
            batch.write(connection)
            if situation is not None:
                guard.check(connection, batch, campaign, situation)
            if batch.lines:
                rest_s = (time.monotonic() - began) * (1 + REST_SHARE)
                until = batch.now + min(rest_s, LONGEST_REST_S)
                work.rest(connection, campaign_id, until)
        self.engine.send(batch.messages)
        if batch.freed:
            self.engine.wake()

    def _take_signals(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> Row:
        notes = signals.read_signals(connection, campaign["id"])
        for note in notes:
            campaign = _heed(self.engine, connection, batch, campaign, note)
        if notes:
            signals.close_signals(connection, [note["id"] for note in notes], batch.now)
        return campaign

    def _move_on(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> admissions.Situation | None:
        """Do what the state asks for; return what was seen if hosts may go out."""
        match State(campaign["state"]):
            case State.RUNNING:
                return self._run(connection, batch, campaign)
            case State.PAUSING:
                if not work.count_in_flight(connection, campaign["id"]):
                    to, reason = State.PAUSED, campaign["state_reason"]
                    self.engine.move_campaign(connection, batch, campaign, to, reason)
            case State.SOAKING | State.COMPLETED:
                self.finishing.go_on(connection, batch, campaign)
            case State.ROLLING_BACK:
                return self._unwind(connection, batch, campaign)
        return None

    def _run(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> admissions.Situation:
        self.continuing.go_on(connection, batch, campaign)
        situation = self.admission.read(connection, campaign, batch.now)
        campaign = drift.note(connection, batch, campaign, situation)
        broken = (
            drift.judge(connection, campaign)
            or failure_budget.judge(connection, campaign, situation)
            or closing.judge(situation)
        )
        if broken is not None:
            to, reason = broken
            whole = {"rollback_scope": "campaign", "rollback_procedure": ""}
            self.engine.move_campaign(connection, batch, campaign, to, reason, **whole)
            return situation
        campaign, situation = opening.look(
            self.preflights, connection, batch, campaign, situation
        )
        if campaign["state"] != State.RUNNING:
            return situation
        campaign = gates.look(self.preflights, connection, batch, campaign, situation)
        campaign, situation = admissions.heed_report(connection, campaign, situation)
        rehearsing.go_on(connection, batch, campaign, situation.plan, situation.slots)
        self.admission.admit(connection, batch, campaign, situation)
        if not batch.messages and situation.is_over():
            self.finishing.begin(connection, batch, campaign)
        elif left := holding.judge(connection, batch, campaign, situation):
            self.engine.move_campaign(connection, batch, campaign, State.HOLDING, left)
        return situation

    def _unwind(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> admissions.Situation:
        self.continuing.go_back(connection, batch, campaign)
        situation = self.admission.read(connection, campaign, batch.now)
        campaign = self.unwinding.go_on(connection, batch, campaign, situation)
        releasing.let_go(connection, batch, campaign)
        return situation


def _pass(campaign_id: str) -> None:
    """Nobody is there to carry it on."""


def _heed(
    engine: engines.Engine,
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    note: Row,
) -> Row:
    """Do what a slot or a fault asks, if the campaign's state allows it."""
    held = holding.heed(engine, connection, batch, campaign, note)
    if held is not None:
        return held
    arguments = note["arguments"]
    to = State.ROLLING_BACK if note["kind"] == "rollback" else State.HOLDING
    state = State(campaign["state"])
    if note["kind"] == "page" and state is State.HOLDING:
        told, critical = arguments["reason"], events.Severity.CRITICAL.value
        engine.tell_campaign(connection, batch, campaign, told, critical)
        return {**campaign, "state_reason": told}
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
    severity = arguments.get("severity", events.INFO)
    if note["kind"] == "page":
        severity = events.Severity.CRITICAL.value
    reason = arguments.get("reason", "")
    return engine.move_campaign(
        connection, batch, campaign, to, reason, severity, **values
    )
