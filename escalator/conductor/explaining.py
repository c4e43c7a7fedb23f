"""A reason for every wait (architecture section 3, rule 7)."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from escalator import errors
from escalator.conductor import admission as admissions
from escalator.conductor import engine as engines
from escalator.conductor import rehearsing, resting, unwinding
from escalator.db import preflight_orders, standing, work
from escalator.domain import commands, holding, preflight_finding, remedies, states
from escalator.domain import reason as reasons

_CLOSED = "waits: admission is closed"


class Explaining:
    """Says what a campaign, and each of its targets, waits for."""

    def __init__(self, engine: engines.Engine, admission: admissions.Admission) -> None:
        self.engine = engine
        self.admission = admission

    def explain(self, campaign_id: str) -> list[dict[str, Any]]:
        """Say what the campaign waits for, then every target that is not done.

        What is said of the campaign itself names no host.

        :raises NotFound: there is no such campaign.
        """
        with self.engine.database.begin() as connection:
            campaign = work.read_campaign(connection, campaign_id)
            if campaign is None:
                raise errors.NotFound(kind="campaign", id=campaign_id)
            now = self.engine.database.now(connection)
            situation = self.admission.read(connection, campaign, now)
            open_steps = work.open_steps(connection, campaign_id)
            stuck = standing.stuck_steps(connection, campaign_id)
            late = standing.late_reports(connection, campaign_id)
            errands = preflight_orders.read_orders(connection, campaign_id)
            whole = resting.explain(connection, campaign, situation)
            found = resting.findings(connection, campaign, situation)
            if campaign["state"] == states.CampaignState.ROLLING_BACK:
                waits = unwinding.explain(connection, campaign, situation)
                open_steps = _without_given_up(open_steps, waits)
            else:
                waits = admissions.explain(campaign, situation)
        is_going = campaign["state"] == states.CampaignState.RUNNING
        held = situation.held if is_going else {}
        told = {(wait.host, wait.procedure) for wait in waits}
        waits += _rehearsed(campaign, situation, told)
        told |= {(each["host"], each["procedure"]) for each in [*open_steps, *stuck]}
        told |= {(wait.host, wait.procedure) for wait in waits}
        waits += [
            each
            for each in _stopped(situation, held)
            if (each.host, each.procedure) not in told
        ]
        racks = _racks(situation)
        idle = "over" if campaign["state"] in states.FINAL else "waiting"
        return [
            *(
                _tell(dataclasses.asdict(wait), campaign["state"], wait.reason)
                for wait in whole
            ),
            *map(_refused, found),
            *_errands(errands),
            *(
                _tell(
                    {**row, "failure_class": ""},
                    row["state"],
                    _why_open(row, campaign, racks),
                )
                for row in open_steps
            ),
            *(_tell(row, row["state"], _why_stuck(row, held)) for row in stuck),
            *(_tell(row, "late", row["detail"]) for row in late),
            *(_tell(dataclasses.asdict(wait), idle, wait.reason) for wait in waits),
        ]


def _refused(finding: preflight_finding.Finding) -> dict[str, Any]:
    """Say what a preflight found, by the finding's own code."""
    return {
        "host": finding.host,
        "procedure": "",
        "step": "",
        "state": "refused",
        "code": finding.code,
        "reason": finding.text,
        "remedy": finding.remedy,
    }


def _errands(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say what a preflight waits for, host by host."""
    found = []
    for row in rows:
        if row["state"] not in remedies.OPEN:
            continue
        reason = f"waits: preflight: mended by {row['action']}"
        if row["intent"] == commands.ASK:
            reason = "waits: preflight: its agent is asked"
            if row["executor"] == "vim":
                reason = "waits: preflight: the VIM is asked whether it can be drained"
        if row["state"] == remedies.READY:
            reason = "waits: preflight: as many hosts as may be are under way already"
        place = {"host": row["host"], "procedure": "", "name": row["action"]}
        found.append(_tell(place, row["state"], reason))
    return found


def _tell(row: Mapping[str, Any], state: str, reason: str) -> dict[str, Any]:
    found = reasons.of_step(state, reason, row.get("failure_class", ""))
    return {
        "host": row["host"],
        "procedure": row["procedure"],
        "step": row.get("name", ""),
        "state": state,
        "code": found.code,
        "reason": reason or state,
        "remedy": found.remedy,
    }


def _without_given_up(
    rows: Iterable[Mapping[str, Any]], waits: Iterable[admissions.Wait]
) -> list[Mapping[str, Any]]:
    """Return the open steps that may still be run.

    :param waits: slots that are to be undone: what waits to run there never will.
    """
    undone = {(wait.host, wait.procedure) for wait in waits}
    return [
        row
        for row in rows
        if row["state"] in states.IN_FLIGHT
        or row["intent"] != "run"
        or (row["host"], row["procedure"]) not in undone
    ]


def _why_open(
    row: Mapping[str, Any], campaign: Mapping[str, Any], racks: Mapping[str, str]
) -> str:
    """Return why a step waits now; its row says why it did when it was written."""
    told, shut = str(row["reason"]), _shut_part(row, campaign, racks)
    is_idle = admissions.shut(campaign) if _is_at_rest(row, campaign) else ""
    if told.startswith(_CLOSED):
        return shut or is_idle or told
    if reasons.of_step(row["state"], told).remedy != reasons.NOTHING:
        return told
    is_going = campaign["state"] == states.CampaignState.RUNNING
    is_waiting = is_going and row["state"] not in states.IN_FLIGHT
    return is_idle or (shut if is_waiting else "") or told


def _shut_part(
    row: Mapping[str, Any], campaign: Mapping[str, Any], racks: Mapping[str, str]
) -> str:
    """Return why no order goes to a host, procedure or rack, or ""."""
    running = {**campaign, "state": states.CampaignState.RUNNING}
    host, procedure = row["host"], row["procedure"]
    if engines.is_open_to(running, host, racks.get(host, ""), procedure):
        return ""
    return admissions.shut(running, procedure)


def _is_at_rest(row: Mapping[str, Any], campaign: Mapping[str, Any]) -> bool:
    """Say whether a step is not ordered as long as its campaign is in this state."""
    going: tuple[str, ...] = (states.CampaignState.RUNNING,)
    if row["intent"] != "run":
        going += (states.CampaignState.ROLLING_BACK,)
    return row["state"] not in states.IN_FLIGHT and campaign["state"] not in going


def _why_stuck(row: Mapping[str, Any], held: Mapping[str, str]) -> str:
    sentence = f"waits: {row['state']}: {row['reason']}"
    return _within(held, row["procedure"], sentence)


def _within(held: Mapping[str, str], procedure: str, sentence: str) -> str:
    """Return why a slot stands still, and that its procedure holds if it does."""
    if procedure not in held:
        return sentence
    return holding.told(procedure, sentence.removeprefix("waits: "))


def _rehearsed(
    campaign: Mapping[str, Any],
    situation: admissions.Situation,
    told: Collection[tuple[str, str]],
) -> list[admissions.Wait]:
    """Return slots that are done, and of which the undo is about to be rehearsed.

    :param told: (host, procedure) of slots that a rollback undoes anyway.
    """
    racks = _racks(situation)
    return [
        admissions.Wait(
            row["host"],
            procedure,
            "is undone next, to rehearse it"
            if engines.is_open_to(
                campaign, row["host"], racks.get(row["host"], ""), procedure
            )
            else admissions.shut(campaign, procedure),
        )
        for procedure, slots in situation.slots.items()
        for row in slots.values()
        if rehearsing.is_ready(row) and (row["host"], procedure) not in told
    ]


def _racks(situation: admissions.Situation) -> dict[str, str]:
    return {target.name: target.rack for target in situation.targets}


_STOPPED = {
    states.SlotState.UNDONE: "waits: undone, and to be run again",
    states.SlotState.FAILED: "waits: failed",
    states.SlotState.UNDO_FAILED: "waits: undo failed",
}


def _stopped(
    situation: admissions.Situation, held: Mapping[str, str]
) -> list[admissions.Wait]:
    """Return slots that stand still between two steps.

    :param held: the procedures that hold, and why: a resume of them takes such slots
        up again, but not one of which the undo failed.
    """
    return [
        admissions.Wait(
            row["host"],
            procedure,
            _within(
                {} if row["state"] == states.SlotState.UNDO_FAILED else held,
                procedure,
                f"{_STOPPED[row['state']]}: {row['reason']}",
            ),
        )
        for procedure, slots in situation.slots.items()
        for row in slots.values()
        if row["state"] in _STOPPED
    ]
