"""Preflight: is the system fit for the plan now? (V-3 to V-7)

Rules: ``domain.preflight``.  A report is rows; the campaign points at its present
one, and the hosts that it leaves out are not begun.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import inquiring, sighting
from escalator.db import fetching, preflights, session, work
from escalator.db import preflight_orders as stored
from escalator.domain import collection, commands, remedies, states
from escalator.domain import preflight as rules

Row = Mapping[str, Any]
State = states.CampaignState

VALID_S = 900.0
"""A report holds that long between stages if the file does not say."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Collected:
    """What was collected for a report (V-6)."""

    kinds: Sequence[str] = ()
    readings: Sequence[collection.Reading] = ()
    is_baseline: bool = False


class Preflights:
    """Makes, keeps and heeds reports."""

    def __init__(self, engine: engines.Engine, admission: admissions.Admission) -> None:
        self.engine = engine
        self.admission = admission

    def make(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        asked: inquiring.Asked,
    ) -> str:
        """Look at everything, store a report, and return its refusal or "".

        While agents are asked, or mend something, that is a sentence of its own,
        see :func:`is_wait`; the verb is carried out again by ``conductor.awaiting``.

        :raises Conflict: another verb waits for the preflight.
        """
        orders = inquiring.take(connection, batch, campaign, asked)
        under_way = inquiring.open_of(orders or ())
        if orders is None or under_way:
            return remedies.told(under_way)
        situation = self.admission.read(connection, campaign, batch.now)
        sight = sighting.look(
            self.engine, connection, batch, campaign, situation, orders
        )
        at_once = remedies.at_once(situation.plan, len(sight.selected()))
        due = _due(sight, orders)
        if any(due.values()):
            inquiring.begin(connection, batch, campaign, asked, at_once)
            inquiring.ask(connection, batch, campaign, due, int(bool(orders)))
            return self._wait(connection, batch, campaign)
        verdict = rules.judge(sight)
        wanted = remedies.due(situation.plan, verdict.findings)
        if wanted and not verdict.refusal and asked.verb != "preflight":
            inquiring.begin(connection, batch, campaign, asked, at_once)
            inquiring.mend(connection, batch, campaign, wanted)
            return self._wait(connection, batch, campaign)
        inquiring.forget(connection, campaign)
        verdict = _with_left_out(connection, campaign, verdict)
        collected = collection.readings(sight.alarms, sight.faults, sight.answers)
        kinds = [collection.ALARMS, *collection.wanted(situation.plan.preflight)]
        is_baseline = sight.is_first and not verdict.refusal
        _store(
            connection,
            batch,
            campaign,
            verdict,
            orders,
            _Collected(kinds, collected, is_baseline),
        )
        return verdict.refusal

    def _wait(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> str:
        """Order what may be ordered; return what the campaign waits for."""
        rows = inquiring.send(connection, batch, campaign)
        text = remedies.told(inquiring.open_of(rows))
        _store(connection, batch, campaign, _unchanged(connection, campaign, text), ())
        return text

    def admit(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        asked: inquiring.Asked,
    ) -> str:
        """Return why a campaign may not start or go on at an operator's wish.

        With ``valid`` in the file a report must have been asked for, and be fresh;
        in any case everything is looked at once more.
        """
        made = self.engine.plan_of(connection, campaign)
        if made.preflight.valid_s > 0 and not asked.is_again:
            lacking = self._lacking(
                connection, campaign, batch.now - made.preflight.valid_s
            )
            if lacking:
                return (
                    f"preflight refused: {lacking}; make one:"
                    f" openstack upgrade campaign preflight {campaign['id']}"
                )
        return self.make(connection, batch, campaign, asked)

    def ensure(
        self, connection: session.Connection, batch: batches.Batch, campaign: Row
    ) -> str:
        """Return why a running campaign may not begin its next stage, or "".

        A fresh report that passed is enough; otherwise another one is made, and
        what its agents answer is heeded at a later look.
        """
        made = self.engine.plan_of(connection, campaign)
        oldest = batch.now - (made.preflight.valid_s or VALID_S)
        lacking = self._lacking(connection, campaign, oldest)
        if not lacking and not preflights.is_to_mend(connection, campaign["id"]):
            return ""
        gate = inquiring.Asked(inquiring.GATE)
        return self.make(connection, batch, campaign, gate)

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
        if is_wait(report["refusal"]):
            return str(report["refusal"])
        if report["refusal"]:
            return "the report has findings that block"
        return ""


def _store(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    verdict: rules.Verdict,
    orders: Sequence[Row],
    collected: _Collected | None = None,
) -> None:
    """Store a report, and the campaign's journal line.

    :param orders: rows of questions and remedies, for what the report keeps.
    """
    collected = collected or _Collected()
    report_id = work.new_id()
    report = {
        "id": report_id,
        "campaign_id": campaign["id"],
        "plan_rev": campaign["plan_rev"],
        "refusal": verdict.refusal,
        "remedies": [_told(row) for row in orders if row["intent"] == commands.REMEDY],
        "collected": list(collected.kinds),
        "baseline_id": report_id
        if collected.is_baseline
        else _baseline(connection, campaign),
        "made_at": batch.now,
    }
    preflights.store(connection, report, verdict.findings, collected.readings)
    left_out = sorted(rules.excluded(verdict.findings))
    detail = verdict.refusal or f"{len(verdict.findings)} findings"
    if left_out:
        detail += f"; left out: {', '.join(left_out)}"
    batch.journal(
        campaign["id"],
        "preflight",
        report_id,
        "",
        _outcome(verdict.refusal),
        detail,
    )


def _baseline(connection: session.Connection, campaign: Row) -> str | None:
    """Return the report that let the campaign start, if there is one."""
    known = campaign["preflight_id"]
    report = preflights.read_report(connection, known) if known else None
    return report["baseline_id"] if report else None


def _unchanged(
    connection: session.Connection, campaign: Row, refusal: str
) -> rules.Verdict:
    """Return a verdict that leaves out whom the present report leaves out."""
    known = campaign["preflight_id"]
    found = preflights.read_findings(connection, known, rules.EXCLUDE) if known else []
    return rules.Verdict(tuple(found), refusal)


def _with_left_out(
    connection: session.Connection, campaign: Row, verdict: rules.Verdict
) -> rules.Verdict:
    """Keep whom a campaign left out that begins nobody any more (V-7).

    A host that is well by now is not upgraded for that.
    """
    if State(campaign["state"]) not in states.NOT_COMMITTED:
        return verdict
    known = _unchanged(connection, campaign, "").findings
    again = rules.excluded(verdict.findings)
    kept = [each for each in known if each.host not in again]
    return dataclasses.replace(verdict, findings=(*verdict.findings, *kept))


def abandon(
    connection: session.Connection, batch: batches.Batch, campaign: Row, why: str
) -> None:
    """End a preflight that nobody waits for any more, and say so in the report."""
    orders = stored.read_orders(connection, campaign["id"])
    inquiring.forget(connection, campaign)
    refusal = f"preflight refused: it was given up: {why}"
    verdict = _unchanged(connection, campaign, refusal)
    _store(connection, batch, campaign, verdict, orders)


def _due(
    sight: rules.Sight, orders: Sequence[Row]
) -> dict[str, Mapping[str, rules.Question]]:
    """Return who is asked what now: first all, then the agents of hosts mended.

    The VIM is not asked where none of its agents would answer.
    """
    if not orders:
        drains = {} if sight.is_vim_silent else sight.drains
        return {"node": sight.questions, "vim": drains}
    if any(row["round"] for row in orders):
        return {}
    mended = {row["host"] for row in orders if row["intent"] == commands.REMEDY}
    return {"node": {host: sight.questions.get(host, {}) for host in mended}}


def _told(row: Row) -> dict[str, Any]:
    """Return what a report keeps of a remedy."""
    times = {key: fetching.instant(row[key]) for key in ("started_at", "ended_at")}
    return {
        "host": row["host"],
        "check": row["about"],
        "action": row["action"],
        "state": row["state"],
        "detail": row["detail"],
        **{key: at.isoformat() if at else "" for key, at in times.items()},
    }


def _outcome(refusal: str) -> str:
    if is_wait(refusal):
        return "waits"
    return "refused" if refusal else "passed"


def is_wait(refusal: str) -> bool:
    """Say whether a preflight is not over: its agents have not answered."""
    return remedies.is_told(refusal)


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
