"""Opening slots: late selection, budgets, and a reason for every wait.

Source: architecture section 3, rules 2, 7 and 8; P-4a, P-4b, E-0, E-1.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import learning, rehearsing, window_report
from escalator.conductor import sharing as sharings
from escalator.conductor.situation import CLOSED as CLOSED
from escalator.conductor.situation import OPEN as OPEN
from escalator.conductor.situation import Situation as Situation
from escalator.conductor.situation import Wait as Wait
from escalator.conductor.situation import choose as choose
from escalator.conductor.situation import explain as explain
from escalator.conductor.situation import is_waiting as is_waiting
from escalator.conductor.situation import shut as shut
from escalator.db import gates as stored
from escalator.db import preflight_orders, preflights, session, signals, tokens, work
from escalator.domain import (
    ability,
    budget,
    change_window,
    holding,
    ordering,
    selector,
    stages,
    states,
    timing,
)
from escalator.domain import campaign as rules
from escalator.domain import plan as plans

Row = Mapping[str, Any]


class Admission:
    """Opens slots for the targets whose turn it is."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine
        self.learning = learning.Learning()

    def read(
        self, connection: session.Connection, campaign: Row, now: float
    ) -> Situation:
        """Read inventory, slots and tokens."""
        made = self.engine.plan_of(connection, campaign)
        silent_before = now - self.engine.settings.agent_silent_s
        targets = tokens.read_targets(
            connection,
            campaign["id"],
            silent_before,
            with_projects=selector.uses(made.selectors, "project"),
        )
        slots: dict[str, dict[str, Row]] = {}
        for row in work.read_slots(connection, campaign["id"]):
            slots.setdefault(row["procedure"], {})[row["host"]] = row
        others = sharings.read(self.engine, connection, campaign["id"], made)
        counted = targets
        if campaign["state"] == states.CampaignState.ROLLING_BACK:
            gone = _written_off(connection, campaign)
            counted = [t for t in targets if t.name not in gone or _is_sound(t)]
        holds = sharings.read_holds(connection, campaign["id"], made, others, targets)
        ledger = budget.Ledger((*made.budgets, *others.budgets), counted, holds)
        excluded = preflights.read_excluded(connection, campaign)
        needs_vim = any(ability.needs_vim(each) for each in made.procedures)
        is_vim_silent = needs_vim and preflight_orders.are_vim_agents_silent(
            connection, silent_before
        )
        hours = change_window.Hours(made.windows)
        is_asked = bool(made.windows) and not hours.closed(now)
        return Situation(
            made,
            targets,
            slots,
            ledger,
            excluded,
            _gates(connection, campaign, made),
            counted,
            is_vim_silent,
            others,
            now,
            hours,
            self.learning.read(connection, now) if is_asked else {},
            holding.reasons(campaign["closed_to"]),
            _mended(connection, campaign, made),
            window_report.unchecked(connection, campaign, hours, now)
            if is_asked
            else "",
        )

    def admit(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        situation: Situation,
    ) -> list[Wait]:
        """Open every slot that may be opened now; return who waits, and why."""
        waits: list[Wait] = []
        ordinal = sum(len(each) for each in situation.slots.values())
        opened: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        for procedure in ordering.next_procedures(
            situation.plan.procedures, situation.done()
        ):
            stage = situation.standing(procedure).stage
            slots = situation.slots.setdefault(procedure.id, {})
            is_rehearsed = rehearsing.is_due(procedure, slots)
            for target, reason in choose(campaign, procedure, situation):
                if reason:
                    waits.append(Wait(target.name, procedure.id, reason))
                    continue
                hosted = what_is_on(target)
                if target.name in slots:
                    row = {**slots[target.name], "state": "active", "ended_at": None}
                    row["rehearsal"] = rehearsing.of_slot(row, is_rehearsed)
                    row["stage"] = stage
                    batch.slots.setdefault(row["id"], {}).update(hosted)
                    again.append(row)
                else:
                    row = slot_row(campaign["id"], procedure.id, target.name, ordinal)
                    row.update(opened_at=batch.now, stage=stage, **hosted)
                    row["rehearsal"] = rehearsing.of_slot(None, is_rehearsed)
                    opened.append(row)
                    ordinal += 1
                slots[target.name] = row
        self._store(connection, batch, campaign, situation, opened)
        self._reopen(connection, batch, situation, again)
        return waits

    def _reopen(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        situation: Situation,
        again: Sequence[Row],
    ) -> None:
        """Run slots again that a rollback of their procedure undid."""
        if not again:
            return
        targets = {target.name: target for target in situation.targets}
        views, rows = work.read_views(connection, [row["id"] for row in again])
        carrier = engines.Carrier(connection, batch, situation.plan, rows)
        for row in again:
            own = row["campaign_id"]
            procedure = situation.plan.procedure(row["procedure"])
            tokens.occupy_hosts(connection, own, [row["host"]])
            holds = token_rows(situation.plan, procedure, targets[row["host"]], row)
            tokens.take_tokens(connection, holds)
            batch.slots.setdefault(row["id"], {})["stage"] = row["stage"]
            view = dataclasses.replace(views[row["id"]], rehearsal=row["rehearsal"])
            carrier.rerun(own, view)

    def _store(
        self,
        connection: session.Connection,
        batch: batches.Batch,
        campaign: Row,
        situation: Situation,
        opened: Sequence[dict[str, Any]],
    ) -> None:
        if not opened:
            return
        targets = {target.name: target for target in situation.targets}
        work.insert_slots(connection, opened)
        tokens.occupy_hosts(connection, campaign["id"], [row["host"] for row in opened])
        carrier = engines.Carrier(connection, batch, situation.plan, {})
        holds: list[dict[str, Any]] = []
        for row in opened:
            procedure = situation.plan.procedure(row["procedure"])
            holds += token_rows(situation.plan, procedure, targets[row["host"]], row)
            batch.journal(
                campaign["id"],
                "slot",
                row["id"],
                "",
                row["state"],
                slot_id=row["id"],
                host=row["host"],
            )
            timed = timing.of_host(procedure, targets[row["host"]])
            _open_first_step(carrier, batch, timed, campaign["id"], row)
        tokens.take_tokens(connection, holds)


def _open_first_step(
    carrier: engines.Carrier,
    batch: batches.Batch,
    procedure: plans.Procedure,
    campaign_id: str,
    row: Mapping[str, Any],
) -> None:
    steps = batches.step_rows(procedure, campaign_id, row["id"], row["host"], batch.now)
    batch.new_steps.extend(steps)
    first = steps[0]
    carrier.rows[first["id"]] = first
    slot = rules.SlotView(
        row["id"], procedure.id, row["host"], states.SlotState.ACTIVE, 0, ()
    )
    batch.move_step(first, rules.Move(first["id"], states.StepState.DISPATCHED))
    carrier.order(slot, first)


def token_rows(
    made: plans.Plan, procedure: plans.Procedure, target: plans.Target, slot: Row
) -> list[dict[str, Any]]:
    """Return the rows of the tokens a slot needs."""
    return [
        {
            "slot_id": slot["id"],
            "budget": each.id,
            "key": key,
            "campaign_id": slot["campaign_id"],
            "target": target.name,
        }
        for each in made.budgets
        if each.id in procedure.budgets
        for key in budget.keys(each, target)
    ]


def heed_report(
    connection: session.Connection, campaign: Row, situation: Situation
) -> tuple[Row, Situation]:
    """Return both as the preflight of a gate or window leaves them (V-7).

    Whom it leaves out or has mended is not begun in the look that made it, either.
    """
    if not (situation.gates or situation.hours.windows):
        return campaign, situation
    present = work.read_campaign(connection, campaign["id"])
    if present is None or present["preflight_id"] == campaign["preflight_id"]:
        return campaign, situation
    campaign = {**campaign, "preflight_id": present["preflight_id"]}
    return campaign, dataclasses.replace(
        situation,
        excluded=preflights.read_excluded(connection, campaign),
        mended=_mended(connection, campaign, situation.plan),
        unchecked=window_report.unchecked(
            connection, campaign, situation.hours, situation.now
        ),
    )


def _written_off(connection: session.Connection, campaign: Row) -> set[str]:
    """Return the lost hosts that an operator wants a rollback not to count."""
    asked = signals.read_handled(connection, campaign["id"], "rollback")
    return {name for note in asked for name in note["arguments"].get("without", ())}


def _mended(
    connection: session.Connection, campaign: Row, made: plans.Plan
) -> Collection[str]:
    if not made.preflight.remedies:
        return ()
    return preflight_orders.to_mend(connection, campaign["id"])


def _gates(
    connection: session.Connection, campaign: Row, made: plans.Plan
) -> dict[str, dict[str, stages.Gate]]:
    """Return procedure -> stage -> its gate."""
    found: dict[str, dict[str, stages.Gate]] = {}
    has_stages = any(each.stages for each in made.procedures)
    for row in stored.read(connection, campaign["id"]) if has_stages else ():
        gate = stages.Gate(
            row["id"],
            states.GateState(row["state"]),
            row["take"],
            row["opens_at"],
            row["reason"],
        )
        found.setdefault(row["procedure"], {})[row["stage"]] = gate
    return found


def _is_sound(target: plans.Target) -> bool:
    return target.is_up and not target.is_quarantined


def what_is_on(target: plans.Target) -> dict[str, Any]:
    """Return what a slot keeps of its target: a drain takes it elsewhere."""
    return {
        "server_groups": list(target.server_groups),
        "declared": [list(each) for each in target.declared],
    }


def slot_row(
    campaign_id: str, procedure: str, host: str, ordinal: int
) -> dict[str, Any]:
    """Return the row of a slot that opens; its time is still missing."""
    return {
        "id": work.new_id(),
        "campaign_id": campaign_id,
        "procedure": procedure,
        "host": host,
        "stage": "",
        "server_groups": [],
        "declared": [],
        "ordinal": ordinal,
        "state": states.SlotState.ACTIVE.value,
        "reason": "",
        "compensations": 0,
        "reruns": 0,
        "rehearsal": "",
        "opened_at": 0.0,
        "ended_at": None,
    }
