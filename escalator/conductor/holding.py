"""Procedures that hold while the rest of their campaign goes on.

A hold of one procedure is an entry of ``closed_to`` with its reason, written by the
look that takes the slot's or the fault's signal.  Source: P-4c, E-0, E-4.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import pausing
from escalator.conductor.situation import OPEN
from escalator.conductor.wishing import Wish
from escalator.db import session, work
from escalator.domain import events, holding, plan, states

Row = Mapping[str, Any]
State = states.CampaignState

_GOING = (State.RUNNING, State.PAUSING, State.PAUSED, State.HOLDING)
_KINDS = (plan.Try.HOLD, plan.Try.PAGE)


def heed(
    engine: engines.Engine,
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    note: Row,
) -> Row | None:
    """Let one procedure hold if a signal asks for it; return the campaign's row.

    A rollback under way takes the procedure with it: there the signal is ignored.

    :returns: None if the signal concerns the whole campaign.
    """
    arguments, state = note["arguments"], State(campaign["state"])
    name, why = arguments.get("procedure", ""), arguments.get("reason", "")
    is_meant = arguments.get("scope") == holding.PROCEDURE and name
    if note["kind"] not in _KINDS or not is_meant:
        return None
    if state not in (*_GOING, State.ROLLING_BACK):
        return None
    is_known = name in holding.reasons(campaign["closed_to"])
    is_page = note["kind"] == plan.Try.PAGE
    if state is State.ROLLING_BACK or (is_known and not is_page):
        own, number = campaign["id"], str(note["id"])
        told = f"{note['kind']}: {why}"
        batch.journal(own, "signal", number, state.value, "ignored", told)
        return campaign
    if not is_known:
        wish = Wish(connection, batch, campaign, {"procedure": name})
        pausing.Pausing(engine).hold_procedure(wish, why)
        campaign = wish.campaign
    severity = arguments.get("severity", events.INFO)
    if is_page:
        severity = events.Severity.CRITICAL.value
    told = f"procedure {name} holds: {why}"
    engine.tell_campaign(connection, batch, campaign, told, severity)
    return {**campaign, "state_reason": told}


def judge(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
) -> str:
    """Return why the campaign has to hold because nothing else is left, or "".

    Steps under way end first.
    """
    held = situation.held
    if not held or batch.orders:
        return ""
    midway = {
        name
        for name in held
        if any(row["state"] in OPEN for row in situation.slots.get(name, {}).values())
    }
    made = situation.plan.procedures
    if not holding.are_left(made, situation.done(), held, midway):
        return ""
    if work.count_in_flight(connection, campaign["id"]):
        return ""
    return holding.left(held)
