"""Faults as the engine sees them: expected or not, and what to do about it.

Source: architecture section 4, step 6; DR-9; issue of the first thread.
"""

import dataclasses
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from escalator.conductor import attributing, quarantining
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import facts, session, tokens, work
from escalator.domain import campaign as rules
from escalator.domain import events, holding, impact, plan, selector, states

LOG = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Faults:
    """Applies what the inspector and the notifier tell."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    @session.retry_on_conflict
    def apply_down(self, event: events.HostMarkedDown) -> None:
        """Store the faults, close admission, quarantine, roll back or hold.

        Idempotent by fault id; one that is over already is no news.
        """
        self._apply(event.impacts, facts.complete_fault)

    @session.retry_on_conflict
    def apply_corroborated(self, event: events.ImpactCorroborated) -> None:
        """Keep what the most probes found; what is known causes nothing (DR-4).

        A beginning that this overtook begins now, and its checkpoints come later.
        """
        found = (
            dataclasses.replace(each, times=each.fault.times) for each in event.impacts
        )
        self._apply(found, facts.corroborate_fault)

    def _apply(
        self,
        impacts: Iterable[events.Impact],
        amend: Callable[[session.Connection, events.Impact], None],
    ) -> None:
        """Take in what is new of ``impacts`` in one transaction, amend the rest."""
        with self.engine.database.begin() as connection:
            batch = self.engine.batch(connection)
            fresh = []
            for each in impacts:
                if facts.is_new_fault(connection, each.fault):
                    fresh.append(each)
                else:
                    amend(connection, each)
            down = [i for i in fresh if i.fault.fault_type in impact.TAKES_HOST_DOWN]
            touched, expected = self._react(connection, batch, down)
            for each in fresh:
                facts.add_fault(
                    connection,
                    each,
                    touched.get(each.fault.host, []),
                    is_expected=each.fault.id in expected,
                )
            batch.write(connection)
        self.engine.send(batch.messages)
        self.engine.wake()

    def _react(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        impacts: list[events.Impact],
    ) -> tuple[dict[str, list[str]], set[str]]:
        """Return host -> campaigns that it concerns, and faults their steps explain."""
        touched: dict[str, list[str]] = {}
        expected: set[str] = set()
        if not impacts:
            return touched, expected
        failing = {each.fault.host for each in impacts}
        for campaign_id in work.list_active(connection):
            campaign = work.read_campaign(connection, campaign_id, "share")
            if campaign is None or campaign["state"] == states.CampaignState.COMPLETED:
                continue  # Its soak is over: what becomes of it is a person's affair.
            for each in impacts:
                told = self._concern(connection, batch, campaign, each.fault, failing)
                if told:
                    touched.setdefault(each.fault.host, []).append(campaign_id)
                if told == "expected":
                    expected.add(each.fault.id)
        for each in impacts:
            facts.mark_down(connection, each.fault.host, each.fault.id)
        return touched, expected

    def _concern(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        fault: events.Fault,
        failing: Collection[str],
    ) -> str:
        """Let one campaign react; return what it takes the fault for, "" if for none.

        ``expected``, ``unexpected``, ``related`` or ``unrelated``.
        """
        made = self.engine.plan_of(connection, campaign)
        slots = [
            row
            for row in tokens.active_slots_on(connection, [fault.host])
            if row["campaign_id"] == campaign["id"]
        ]
        own = {row["procedure"] for row in slots}
        at_rest = own or _selecting(connection, campaign, made, fault.host)
        if not at_rest:
            return ""
        if slots and all(s["state"] == states.SlotState.SKIPPED for s in slots):
            return ""
        views, rows = work.read_views(connection, [row["id"] for row in slots])
        if any(_is_expected(row, batch.now) for row in rows.values()):
            told = f"{fault.fault_type}: our own step may reboot the host"
            return _note(batch, campaign, fault, "expected", told)
        verdict = attributing.judge(
            connection, campaign, made, slots, failing, batch.now
        )
        reason = f"{fault.host}: {fault.fault_type}"
        kind = "unexpected"
        if verdict is not None:
            reason = f"{reason}: {verdict.reason}"
            kind = "related" if verdict.is_related else "unrelated"
        quarantining.give_up(connection, batch, campaign["id"], fault.host, reason)
        if made.on_fault.do != "ignore" and kind != "unrelated":
            asked = _escalation(made.on_fault, views.values(), at_rest, reason)
            batch.signals.append((campaign["id"], asked))
        return _note(batch, campaign, fault, kind, reason)

    @session.retry_on_conflict
    def apply_up(self, event: events.HostMarkedUp) -> None:
        """Clear the faults; hosts that no other fault takes down are up.

        A quarantine stays until an operator lifts it.
        """
        hosts = impact.hosts_to_mark(each.fault for each in event.impacts)
        with self.engine.database.begin() as connection:
            facts.lock_hosts(connection, hosts)
            for each in event.impacts:
                facts.clear_fault(connection, each, event.cleared_at)
            facts.settle_hosts(connection, hosts)
        self.engine.wake()

    @session.retry_on_conflict
    def apply_reached(self, reached: Iterable[events.CheckpointReached]) -> None:
        """Store checkpoints that followed the notices (DR-9)."""
        with self.engine.database.begin() as connection:
            for each in reached:
                facts.note_checkpoint(connection, each)

    @session.retry_on_conflict
    def apply_settled(self, settled: Iterable[events.NoticeSettled]) -> None:
        """Store how notices ended (DR-9)."""
        with self.engine.database.begin() as connection:
            now = self.engine.database.now(connection)
            facts.settle_notices(connection, settled, now)


def _selecting(
    connection: session.Connection, campaign: Row, made: plan.Plan, host: str
) -> set[str]:
    """Return the procedures that select a host."""
    targets = [
        target
        for target in tokens.read_targets(connection, campaign["id"], 0.0)
        if target.name == host
    ]
    return {
        each.id
        for each in made.procedures
        if selector.select(made.selector(each.selector), targets)
    }


def _note(
    batch: batches.Batch, campaign: Row, fault: events.Fault, kind: str, told: str
) -> str:
    """Journal what a campaign takes a fault for, and return that."""
    own = campaign["id"]
    batch.journal(own, "fault", fault.id, "", kind, told, host=fault.host)
    return kind


def _escalation(
    policy: plan.FaultPolicy,
    slots: Iterable[rules.SlotView],
    at_rest: Collection[str],
    reason: str,
) -> rules.Escalation:
    """Say what the campaign is asked for.

    A host that no single procedure was at work on concerns the whole campaign, or,
    if it is a hold, the only procedure that it belongs to.
    """
    busy = {s.procedure for s in slots if s.state is not states.SlotState.DONE}
    scope, procedure = holding.of_fault(policy, busy, at_rest)
    return rules.Escalation(policy.do, scope, procedure, reason)


def _is_expected(row: Row, now: float) -> bool:
    return bool(
        row["may_reboot"]
        and row["state"] in states.IN_FLIGHT
        and (row["hard_at"] or 0.0) > now
    )
