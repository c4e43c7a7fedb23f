"""Why a campaign as a whole does not go on (architecture section 3, rule 7).

Source: P-4b, P-4d, E-0, V-5.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import drift, preflight
from escalator.db import preflight_orders, preflights, session, signals, work
from escalator.domain import holding, ordering, states
from escalator.domain import reason as reasons
from escalator.domain.preflight_finding import BLOCK, Finding

Row = Mapping[str, Any]
State = states.CampaignState

_REVISION = ("W127", "W128")
_REFUSED = "preflight refused: "
_NOT_STARTED = frozenset(
    {State.DRAFT, State.VALIDATED, State.APPROVED, State.SCHEDULED, State.PREFLIGHT}
)
_TO_BEGIN = _NOT_STARTED | {State.ROLLED_BACK, State.PAUSED, State.HOLDING}
"""An operator's start or resume is next, and a preflight may refuse it."""

_ASKED_GATES = (states.GateState.WAITING, states.GateState.SOAKING)


def explain(
    connection: session.Connection, campaign: Row, situation: admissions.Situation
) -> list[admissions.Wait]:
    """Return what keeps the campaign itself, without a host; first the main thing.

    A running one waits for its change window, at gates, or for procedures that hold:
    these name their procedure.
    """
    state, own, told = campaign["state"], campaign["id"], campaign["state_reason"]
    is_asking = preflight.is_wait(told) and preflight_orders.read_wait(connection, own)
    found = [told] if is_asking else []
    if state == State.RUNNING:
        closed = situation.hours.closed(situation.now) or situation.unchecked
        found += [closed] if closed and situation.waiting() else []
        whole = [admissions.Wait("", "", each) for each in found]
        return [*whole, *_held(situation), *_gates(situation)]
    if not (is_asking and state == State.PREFLIGHT):
        found += _SENTENCES[State(state)](connection, campaign)
    return [admissions.Wait("", "", each) for each in found]


def findings(
    connection: session.Connection, campaign: Row, situation: admissions.Situation
) -> list[Finding]:
    """Return what the latest preflight has against a start, a resume or a gate."""
    report_id = campaign["preflight_id"]
    is_asked = campaign["state"] in _TO_BEGIN or (
        campaign["state"] == State.RUNNING and _gates(situation)
    )
    if report_id is None or not is_asked:
        return []
    report = preflights.read_report(connection, report_id)
    if report is None or not report["refusal"] or preflight.is_wait(report["refusal"]):
        return []
    return preflights.read_findings(connection, report_id, BLOCK)


def _held(situation: admissions.Situation) -> list[admissions.Wait]:
    return [
        admissions.Wait("", name, holding.told(name, why))
        for name, why in sorted(situation.held.items())
    ]


def _gates(situation: admissions.Situation) -> list[admissions.Wait]:
    found = []
    procedures = situation.plan.procedures
    for procedure in ordering.next_procedures(procedures, situation.done()):
        at = situation.standing(procedure)
        gate = situation.gates.get(procedure.id, {}).get(at.stage)
        if gate is None or gate.state not in _ASKED_GATES:
            continue
        is_due = gate.opens_at is not None and gate.opens_at <= situation.now
        if not (is_due and situation.hours.closed(situation.now)):
            found.append(admissions.Wait("", procedure.id, at.reason))
    return found


def _not_started(connection: session.Connection, campaign: Row) -> list[str]:
    refusal = _refusal(connection, campaign)
    awaited = drift.awaited(connection, campaign)
    found = [f"waits: the preflight refused the start: {refusal}"] if refusal else []
    found += [awaited] if awaited else []
    return found or ["waits: the campaign was not started"]


def _pausing(connection: session.Connection, campaign: Row) -> list[str]:
    count = work.count_in_flight(connection, campaign["id"])
    steps = "1 step is" if count == 1 else f"{count} steps are"
    asked = _asked(connection, campaign)
    return [f"waits: the campaign pauses, {asked}; {steps} under way"]


def _paused(connection: session.Connection, campaign: Row) -> list[str]:
    asked = _asked(connection, campaign)
    return [
        f"waits: the campaign was paused, {asked}",
        *_refused(connection, campaign),
    ]


def _holding(connection: session.Connection, campaign: Row) -> list[str]:
    told = campaign["state_reason"]
    cause = work.last_move_reason(connection, campaign["id"], State.HOLDING) or told
    awaited = drift.awaited(connection, campaign)
    found = [awaited] if awaited else []
    if not _is_of_revision(cause):
        found.insert(0, f"waits: the campaign holds: {cause}")
    elif not awaited:
        rev = campaign["plan_rev"]
        found = [f"waits: revision {rev} needs no approval; resume"]
    is_old = told == cause or told.startswith(_REFUSED) or preflight.is_wait(told)
    if not is_old and not _is_of_revision(told):
        found.append(f"waits: the campaign holds, and since then: {told}")
    return [*found, *_refused(connection, campaign)]


def _soaking(connection: session.Connection, campaign: Row) -> list[str]:
    until = _time(campaign["soak_until"])
    return [f"waits: the campaign soaks until {until}, all its targets are done"]


def _completed(connection: session.Connection, campaign: Row) -> list[str]:
    at = campaign["commit_at"]
    itself = "" if at is None else f", or it commits itself at {_time(at)}"
    return [f"waits: an operator has to commit the campaign{itself}"]


def _rolling_back(connection: session.Connection, campaign: Row) -> list[str]:
    told = campaign["state_reason"]
    stuck = told.removeprefix("stuck: ")
    if stuck != told and not work.count_in_flight(connection, campaign["id"]):
        return [f"waits: the rollback is stuck: {stuck}"]
    why = work.last_move_reason(connection, campaign["id"], campaign["state"])
    return [f"waits: the campaign is being rolled back: {why or told}"]


def _restoring(connection: session.Connection, campaign: Row) -> list[str]:
    return [f"waits: the campaign is being restored: {campaign['state_reason']}"]


def _rolled_back(connection: session.Connection, campaign: Row) -> list[str]:
    told = campaign["state_reason"]
    if refusal := _refusal(connection, campaign):
        return [f"waits: the preflight refused the start: {refusal}"]
    if _is_of_revision(told):
        return _not_started(connection, campaign)
    if told.startswith(_REFUSED):
        told = "it can be started again, the latest preflight passed"
    return [f"the rollback is over: {told}"]


def _failed(connection: session.Connection, campaign: Row) -> list[str]:
    return [f"the rollback failed: {campaign['state_reason']}"]


def _over(connection: session.Connection, campaign: Row) -> list[str]:
    return [f"the campaign is {campaign['state']}: {campaign['state_reason']}"]


_SENTENCES: Mapping[State, Callable[[session.Connection, Row], list[str]]] = {
    **dict.fromkeys(_NOT_STARTED, _not_started),
    State.PAUSING: _pausing,
    State.PAUSED: _paused,
    State.HOLDING: _holding,
    State.SOAKING: _soaking,
    State.COMPLETED: _completed,
    State.ROLLING_BACK: _rolling_back,
    State.RESTORING: _restoring,
    State.ROLLED_BACK: _rolled_back,
    State.FAILED: _failed,
    **dict.fromkeys(states.FINAL, _over),
}


def _refused(connection: session.Connection, campaign: Row) -> list[str]:
    refusal = _refusal(connection, campaign)
    if not refusal:
        return []
    return [f"waits: the preflight refused to let the campaign go on: {refusal}"]


def _refusal(connection: session.Connection, campaign: Row) -> str:
    """Return why a preflight refused an order, or "": none did, or one passed since."""
    told = campaign["state_reason"]
    if not told.startswith(_REFUSED):
        return ""
    report_id = campaign["preflight_id"]
    report = preflights.read_report(connection, report_id) if report_id else None
    if report is not None and not report["refusal"]:
        if report["made_at"] > campaign["updated_at"]:
            return ""
    return str(told.removeprefix(_REFUSED))


def _is_of_revision(text: str) -> bool:
    return reasons.find(text).code in _REVISION


def _asked(connection: session.Connection, campaign: Row) -> str:
    """Say who asked for the pause of the whole campaign, and why."""
    notes = [
        note
        for kind in ("pause", "hold")
        for note in signals.read_handled(connection, campaign["id"], kind)
        if not {"target", "rack", "procedure"} & note["arguments"].keys()
    ]
    nobody: Row = {"id": 0, "sender": "", "arguments": {}}
    latest = max(notes, key=lambda note: int(note["id"]), default=nobody)
    why = latest["arguments"].get("reason")
    asked = f"asked for by {latest['sender'] or 'an operator'}"
    return f"{asked}: {why}" if why else asked


def _time(at: float) -> str:
    found = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC"
