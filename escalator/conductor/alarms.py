"""Reports of alarms: from a token to a fault, or to a campaign that stops.

The observation, its effect and the messages that it owes are one transaction:
what was answered is safe, and what is repeated does nothing twice.
Source: DR-4; architecture section 3, rule 2.
"""

import dataclasses
import logging
import uuid
from collections.abc import Mapping
from typing import Any, NoReturn

from escalator import errors
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import steering, wishing
from escalator.db import alarms, session, tokens, work
from escalator.domain import alarm as rules
from escalator.domain import events, states

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]
State = states.CampaignState

_ACTIONS = {
    rules.Reaction.HOLD: ("hold", frozenset({State.RUNNING, *states.NOT_COMMITTED})),
    rules.Reaction.ROLLBACK: (
        "rollback",
        frozenset(
            {
                State.RUNNING,
                State.PAUSING,
                State.PAUSED,
                State.HOLDING,
                *states.NOT_COMMITTED,
            }
        ),
    ),
}
"""What a reaction asks of a campaign, and in which states that changes anything."""


class Alarms:
    """Judges reports and carries out what follows from them."""

    def __init__(self, engine: engines.Engine, steers: steering.Steering) -> None:
        self.engine = engine
        self.steers = steers

    @session.retry_on_conflict
    def report(self, report: events.AlarmReported) -> None:
        """Take one report; idempotent by its event, its state or its id.

        :raises NotFound: no alarm has that token, or it is revoked.
        :raises InvalidInput: the token belongs to another alarm of Aodh.
        """
        with self.engine.database.begin() as connection:
            alarm = alarms.lock_by_token(connection, report.token_digest)
            if alarm is None:
                raise errors.NotFound("No alarm has this token.")
            if alarm["aodh_alarm_id"] not in ("", report.alarm_id):
                _refuse_stranger(alarm, report)
            batch = self.engine.batch(connection)
            batch.owner = f"alarm:{alarm['id']}"
            self._take(connection, batch, alarm, report)
            batch.write(connection)
        if batch.messages:
            self.engine.send(batch.messages)
            self.engine.wake()

    @session.retry_on_conflict
    def revoke(self, alarm_id: str) -> None:
        """Take no more reports of an alarm, and end its fault; idempotent.

        :raises NotFound: there is none of that id.
        """
        with self.engine.database.begin() as connection:
            alarm = alarms.lock(connection, alarm_id)
            if alarm["revoked_at"] is not None:
                return
            batch = self.engine.batch(connection)
            _clear(batch, alarm, batch.now)
            alarms.update(connection, alarm_id, revoked_at=batch.now, fault={})
            batch.write(connection)
        LOG.info("Alarm %s is revoked", alarm_id)
        self.engine.send(batch.messages)

    def _take(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        alarm: Row,
        report: events.AlarmReported,
    ) -> None:
        report_key = rules.key(report)
        is_told = alarms.is_observed(connection, alarm["id"], report_key)
        latest = alarm["reported_at"] or 0.0
        known = rules.Known(alarm["state"], latest, is_told)
        verdict = rules.judge(report, known)
        changes = {
            "aodh_alarm_id": report.alarm_id,
            "reports": alarm["reports"] + 1,
            "reported_at": max(latest, report.reported_at),
        }
        if report.reported_at >= latest:
            changes["state"] = report.current
        if verdict is rules.Verdict.REPEATED:
            changes["repeats"] = alarm["repeats"] + 1
        else:
            outcome, more = self._react(connection, batch, alarm, report, verdict)
            changes |= more
            alarms.observe(
                connection,
                alarm["id"],
                report_key=report_key,
                at=report.reported_at,
                previous=report.previous,
                state=report.current,
                reason=report.reason[: rules.MAX_TEXT],
                verdict=verdict.value,
                outcome=outcome,
            )
            LOG.info("Alarm %s is %s: %s", alarm["id"], verdict.value, outcome)
        alarms.update(connection, alarm["id"], **changes)

    def _react(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        alarm: Row,
        report: events.AlarmReported,
        verdict: rules.Verdict,
    ) -> tuple[str, dict[str, Any]]:
        """Return what was done, and what it changes of the alarm."""
        if verdict in rules.ACTING:
            if alarm["host"]:
                return self._raise(connection, batch, alarm, report)
            if alarm["campaign_id"]:
                return self._stop(connection, batch, alarm, report), {}
        if verdict is rules.Verdict.CLEARED and alarm["fault"]:
            _clear(batch, alarm, report.reported_at)
            return f"fault {alarm['fault']['id']} is over", {"fault": {}}
        return "observed", {}

    def _raise(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        alarm: Row,
        report: events.AlarmReported,
    ) -> tuple[str, dict[str, Any]]:
        """Tell of a fault; of one that lasts already nothing new is told."""
        if alarm["fault"]:
            return f"fault {alarm['fault']['id']} lasts", {}
        if tokens.read_host(connection, alarm["host"]) is None:
            LOG.warning(
                "Alarm %s: host %s is in no inventory; its fault is told all the same",
                alarm["id"],
                alarm["host"],
            )
        fault = _fault(alarm, report)
        batch.publish(events.FaultConfirmed(str(uuid.uuid4()), (fault,)))
        return f"fault {fault.id} is raised", {"fault": dataclasses.asdict(fault)}

    def _stop(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        alarm: Row,
        report: events.AlarmReported,
    ) -> str:
        """Do to the campaign what the alarm is for; return what was done."""
        campaign_id = alarm["campaign_id"]
        reaction = rules.Reaction(alarm["reaction"])
        if reaction not in _ACTIONS:
            return "observed"
        action, states_concerned = _ACTIONS[reaction]
        campaign = work.read_campaign(connection, campaign_id, "write")
        state = State(campaign["state"]) if campaign else None
        if campaign is None or state not in states_concerned:
            told = state.value if state else "gone"
            return f"campaign {campaign_id} is {told}: nothing to {action}"
        arguments = {"reason": rules.reason(report)}
        wish = wishing.Wish(connection, batch, campaign, arguments)
        self.steers.carry_out(wish, action, batch.owner)
        return f"campaign {campaign_id}: {action}"


def _fault(alarm: Row, report: events.AlarmReported) -> events.Fault:
    """Return the fault that a report raises."""
    at = report.reported_at
    return events.Fault(
        str(uuid.uuid4()),
        alarm["host"],
        alarm["fault_type"],
        rules.severity(alarm["severity"], report.severity),
        {"T0": at, "T1": at},
        {
            "alarm_id": alarm["id"],
            "alarm_name": alarm["name"],
            "aodh_alarm_id": report.alarm_id,
            "aodh_alarm_name": report.alarm_name,
            "reason": report.reason[: rules.MAX_TEXT],
        },
    )


def _clear(batch: batches.Batch, alarm: Row, at: float) -> None:
    """Owe the end of the alarm's fault, if one lasts.

    :param at: epoch seconds; never before the beginning.
    """
    if alarm["fault"]:
        fault = events.Fault(**alarm["fault"])
        ended_at = max(at, fault.times["T1"])
        batch.publish(events.FaultCleared(str(uuid.uuid4()), (fault,), ended_at))


def _refuse_stranger(alarm: Row, report: events.AlarmReported) -> NoReturn:
    """Refuse a report of another alarm of Aodh than the token's.

    :raises InvalidInput: always.
    """
    LOG.warning(
        "Alarm %s: a report of Aodh's alarm %r is refused: the token belongs to %r",
        alarm["id"],
        report.alarm_id,
        alarm["aodh_alarm_id"],
    )
    detail = "This token belongs to another alarm."
    finding: dict[str, object] = {
        "rule": "alarm.other",
        "pointer": "/alarm_id",
        "detail": detail,
        "remedy": "Make a token for each alarm.",
    }
    raise errors.InvalidInput(kind="report", summary=detail, findings=(finding,))
