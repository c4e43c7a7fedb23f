"""Agents' reports: applied by compare-and-set on (step, fence, state).

Source: architecture section 3, rules 3 to 5; E-2.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import guard, inquiring, rehearsing
from escalator.db import session, work
from escalator.domain import campaign as rules
from escalator.domain import draining, events, holding, restoring, states

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Results:
    """Applies reports in batches, one transaction each."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def apply(self, reports: Iterable[events.StepReported]) -> None:
        """Apply reports, at most one of a slot's step at a time.

        Idempotent: a repeated report is late and changes nothing.
        """
        for bundle in _rounds(reports):
            self._apply_bundle(bundle)

    @session.retry_on_conflict
    def _apply_bundle(self, reports: list[events.StepReported]) -> None:
        with self.engine.database.begin() as connection:
            batch = self.engine.batch(connection)
            is_held = self._apply_all(connection, batch, reports)
            guard.withdraw(connection, batch)
            batch.write(connection)
        self.engine.send(batch.messages)
        is_due = batch.freed or batch.signals or batch.is_drained or batch.is_answered
        if is_due or is_held:
            self.engine.wake()

    def _apply_all(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        reports: list[events.StepReported],
    ) -> bool:
        """Apply reports of different slots.

        :returns: whether something happened in a procedure that holds: it may have come
            to rest.
        """
        places = work.slots_of_steps(connection, [each.step_id for each in reports])
        campaigns = {
            campaign_id: work.read_campaign(connection, campaign_id, "share")
            for campaign_id in sorted({place[1] for place in places.values()})
        }
        views, rows = work.read_views(
            connection, sorted({place[0] for place in places.values()})
        )
        carriers: dict[str, engines.Carrier] = {}
        is_held = False
        for report in reports:
            if report.step_id not in places:
                if not inquiring.hear(connection, batch, report):
                    LOG.warning("Report of unknown step %s dropped", report.step_id)
                continue
            slot_id, campaign_id = places[report.step_id]
            campaign = campaigns[campaign_id]
            if campaign is None:
                continue
            if campaign_id not in carriers:
                made = self.engine.plan_of(connection, campaign)
                carriers[campaign_id] = engines.Carrier(connection, batch, made, rows)
            carrier, view = carriers[campaign_id], views[slot_id]
            is_held |= self._apply_one(carrier, campaign, view, report)
        return is_held

    def _apply_one(
        self,
        carrier: engines.Carrier,
        campaign: Row,
        slot: rules.SlotView,
        report: events.StepReported,
    ) -> bool:
        """Apply one report; say whether its procedure holds."""
        procedure = carrier.plan.procedure(slot.procedure)
        slot = restoring.judged(procedure, slot, report.failure_class)
        is_unwinding = campaign["state"] == states.CampaignState.ROLLING_BACK
        decision = rules.hear(
            slot,
            report,
            None if is_unwinding else procedure.ladder,
            engines.is_open_to(
                campaign,
                slot.host,
                carrier.standing(slot.host).rack,
                slot.procedure,
            ),
        )
        report, decision = rehearsing.judge(
            carrier.connection, procedure, slot, report, decision
        )
        row = carrier.rows[report.step_id]
        if decision.is_late:
            _journal_late(carrier.batch, row, report)
            return False
        self._keep(carrier.batch, row, procedure, report)
        if row["action"] in draining.ACTIONS and report.outcome == events.Outcome.DONE:
            carrier.batch.is_drained |= bool(draining.budgets(carrier.plan.budgets))
        carrier.carry_out(campaign["id"], slot, decision)
        if decision.is_resent:
            carrier.cast(slot, row, row["attempt"] > 1)
        is_going = campaign["state"] == states.CampaignState.RUNNING
        return is_going and slot.procedure in holding.reasons(campaign["closed_to"])

    def _keep(
        self, batch: batches.Batch, row: Row, procedure: Any, report: Any
    ) -> None:
        """Keep what the report brings: progress, result, checkpoint, lease."""
        change = batch.steps.setdefault(row["id"], {})
        change["agent"] = report.agent
        change["lease_until"] = batch.now + self.engine.settings.lease_s
        if report.outcome == events.Outcome.FAILED:
            change["result"] = report.result
        if report.outcome == events.Outcome.RUNNING and report.result:
            change["result"] = {**(row["result"] or {}), **report.result}
        if report.outcome != events.Outcome.DONE:
            return
        change["result"] = report.result
        if row["kind"] == "checkpoint" and row["intent"] == "run":
            spec = next(each for each in procedure.steps if each.id == row["name"])
            batch.checkpoints.append(
                {
                    "step_id": row["id"],
                    "campaign_id": row["campaign_id"],
                    "slot_id": row["slot_id"],
                    "host": row["host"],
                    "checkpoint": spec.checkpoint,
                    "content": report.result,
                    "created_at": batch.now,
                }
            )


def _journal_late(batch: batches.Batch, row: Row, report: events.StepReported) -> None:
    if report.outcome == events.Outcome.RUNNING:
        return
    batch.journal(
        row["campaign_id"],
        "report",
        row["id"],
        row["state"],
        "late",
        _why_late(row, report),
        slot_id=row["slot_id"],
        host=row["host"],
        name=row["name"],
        intent=row["intent"],
        attempt=report.attempt,
        fence=report.fence,
    )


def _why_late(row: Row, report: events.StepReported) -> str:
    told = f"outcome {report.outcome} of attempt {report.attempt}"
    if report.fence != row["fence"]:
        why = f"its fence {report.fence} is not the present one, {row['fence']}"
    else:
        why = f"the step was {row['state']} already"
    return f"{told} came late and changed nothing: {why}"


def _rounds(
    reports: Iterable[events.StepReported],
) -> list[list[events.StepReported]]:
    """Split reports so that no bundle has two of the same host and campaign.

    A progress report is dropped if a later one of the same step follows.
    """
    latest: dict[tuple[str, int], events.StepReported] = {}
    kept: list[events.StepReported] = []
    for report in reports:
        key = (report.step_id, report.fence)
        earlier = latest.get(key)
        if earlier is not None and earlier.outcome == events.Outcome.RUNNING:
            kept = [each for each in kept if each is not earlier]
        latest[key] = report
        kept.append(report)
    bundles: list[list[events.StepReported]] = []
    depth: dict[tuple[str, str], int] = {}
    for report in kept:
        at = depth.get((report.campaign_id, report.host), 0)
        depth[(report.campaign_id, report.host)] = at + 1
        if at == len(bundles):
            bundles.append([])
        bundles[at].append(report)
    return bundles
