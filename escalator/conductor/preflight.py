"""Preflight: is the system fit for the plan now? (V-3 to V-7)

Rules: ``domain.preflight``.  A report is rows; the campaign points at its present
one, and the hosts that it leaves out are not begun.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import preflights, session, work
from escalator.domain import ordering, states
from escalator.domain import preflight as rules

Row = Mapping[str, Any]

VALID_S = 900.0
"""A report holds that long between stages if the file does not say."""

SERVICE_SILENT_S = 60.0

_BEFORE = frozenset(
    {
        states.CampaignState.VALIDATED,
        states.CampaignState.APPROVED,
        states.CampaignState.SCHEDULED,
        states.CampaignState.PREFLIGHT,
        states.CampaignState.ROLLED_BACK,
    }
)
"""States in which a campaign has nothing under way."""

_SETTLED = frozenset({states.SlotState.DONE.value, states.SlotState.QUARANTINED.value})


class Preflights:
    """Makes, keeps and heeds reports."""

    def __init__(self, engine: engines.Engine, admission: admissions.Admission) -> None:
        self.engine = engine
        self.admission = admission

    def make(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> str:
        """Look at everything, store a report, and return its refusal or ""."""
        situation = self.admission.read(connection, campaign, batch.now)
        verdict = rules.judge(self._look(connection, batch, campaign, situation))
        report = {
            "id": work.new_id(),
            "campaign_id": campaign["id"],
            "plan_rev": campaign["plan_rev"],
            "refusal": verdict.refusal,
            "made_at": batch.now,
        }
        preflights.store(connection, report, verdict.findings)
        left_out = sorted(rules.excluded(verdict.findings))
        detail = verdict.refusal or f"{len(verdict.findings)} findings"
        if left_out:
            detail += f"; left out: {', '.join(left_out)}"
        batch.journal(
            campaign["id"],
            "preflight",
            report["id"],
            "",
            "refused" if verdict.refusal else "passed",
            detail,
        )
        return verdict.refusal

    def admit(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> str:
        """Return why a campaign may not start or go on at an operator's wish.

        With ``valid`` in the file a report must have been asked for, and be fresh;
        in any case everything is looked at once more.
        """
        made = self.engine.plan_of(connection, campaign)
        if made.preflight.valid_s > 0:
            lacking = self._lacking(
                connection, campaign, batch.now - made.preflight.valid_s
            )
            if lacking:
                return (
                    f"preflight refused: {lacking}; make one:"
                    f" openstack upgrade campaign preflight {campaign['id']}"
                )
        return self.make(connection, batch, campaign)

    def ensure(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> str:
        """Return why a running campaign may not begin its next stage, or "".

        A fresh report that passed is enough; otherwise another one is made.
        """
        made = self.engine.plan_of(connection, campaign)
        oldest = batch.now - (made.preflight.valid_s or VALID_S)
        if not self._lacking(connection, campaign, oldest):
            return ""
        return self.make(connection, batch, campaign)

    def _lacking(
        self, connection: session.Connection, campaign: Row, oldest: float
    ) -> str:
        """Say what is wrong with the present report, or ""."""
        current = work.read_campaign(connection, campaign["id"])
        report_id = current["preflight_id"] if current else None
        report = preflights.read_report(connection, report_id) if report_id else None
        if report is None:
            return "there is no report"
        if report["plan_rev"] != campaign["plan_rev"]:
            return f"the report is of plan revision {report['plan_rev']}"
        if report["made_at"] < oldest:
            return "the report is too old"
        if report["refusal"]:
            return "the report has findings that block"
        return ""

    def _look(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        situation: admissions.Situation,
    ) -> rules.Sight:
        todo = {
            procedure.id: [
                target
                for target in situation.matching(procedure)
                if not _is_settled(situation, procedure.id, target.name)
            ]
            for procedure in situation.plan.procedures
        }
        names = {target.name for row in todo.values() for target in row}
        following = ordering.next_procedures(
            situation.plan.procedures, situation.done()
        )
        return rules.Sight(
            made=situation.plan,
            targets=situation.targets,
            todo=todo,
            begun=situation.begun(),
            busy=preflights.busy_hosts(connection, campaign["id"]),
            faults=preflights.open_faults(connection, names),
            alarms=preflights.open_alarms(connection, campaign["id"]),
            vim_trouble=self.engine.vim_trouble,
            services=preflights.lost_services(connection, batch.now - SERVICE_SILENT_S),
            is_first=campaign["state"] in _BEFORE,
            next_ids=frozenset(each.id for each in following),
        )


def _is_settled(situation: admissions.Situation, procedure: str, host: str) -> bool:
    row = situation.slots.get(procedure, {}).get(host)
    return row is not None and row["state"] in _SETTLED


def outcome(connection: session.Connection, campaign: Row) -> str:
    """Say what a finished campaign did, and which hosts were left out, and why."""
    begun = {
        row["host"]
        for row in work.read_slots(connection, campaign["id"])
        if row["state"] != states.SlotState.REVERTED
    }
    told = [
        text
        for host, text in sorted(preflights.read_excluded(connection, campaign).items())
        if host not in begun
    ]
    rest = f"; not upgraded: {'; '.join(told)}" if told else ""
    return f"all targets are done{rest}"
