"""Opening slots: late selection, budgets, and a reason for every wait.

Source: architecture section 3, rules 2, 7 and 8; P-4a, P-4b, E-0, E-1.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import gates as stored
from escalator.db import session, signals, tokens, work
from escalator.domain import budget, draining, last, ordering, stages, states
from escalator.domain import campaign as rules
from escalator.domain import plan as plans

Row = Mapping[str, Any]

CLOSED = "waits: admission is closed by an operator"

_OPEN = frozenset(
    {
        states.SlotState.ACTIVE.value,
        states.SlotState.UNDOING.value,
        states.SlotState.UNDONE.value,
        states.SlotState.REVERTING.value,
        states.SlotState.FAILED.value,
    }
)


_SETTLED = (states.SlotState.DONE.value, states.SlotState.QUARANTINED.value)


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """A target that is not worked on yet, and why."""

    host: str
    procedure: str
    reason: str


@dataclasses.dataclass
class Situation:
    """What admission has to know, read in one transaction.

    :ivar targets: the whole inventory; not to be changed.
    :ivar slots: procedure -> host -> slot row.
    :ivar gates: procedure -> stage -> its gate, of stages that began.
    """

    plan: plans.Plan
    targets: list[plans.Target]
    slots: dict[str, dict[str, Row]]
    ledger: budget.Ledger
    gates: dict[str, dict[str, stages.Gate]] = dataclasses.field(default_factory=dict)

    @classmethod
    def empty(cls, made: plans.Plan, targets: list[plans.Target]) -> "Situation":
        """Return the situation before anything has begun."""
        return cls(made, targets, {}, budget.Ledger(made.budgets, targets, ()))

    def progress(self, procedure: plans.Procedure) -> rules.Progress:
        """Return how far a procedure is."""
        slots = self.slots.get(procedure.id, {})
        counts: dict[str, int] = {}
        for row in slots.values():
            if row["state"] != states.SlotState.REVERTED:
                counts[row["state"]] = counts.get(row["state"], 0) + 1
        waiting = [t for t in self.selected(procedure) if is_waiting(t, slots)]
        return rules.Progress(counts, len(waiting))

    def selected(self, procedure: plans.Procedure) -> list[plans.Target]:
        """Return the targets the procedure selects at this moment, in order."""
        return self._selections[procedure.id]

    @functools.cached_property
    def _selections(self) -> dict[str, list[plans.Target]]:
        return {
            each.id: ordering.targets_of(self.plan, each, self.targets, self.ledger)
            for each in self.plan.procedures
        }

    def standing(self, procedure: plans.Procedure) -> stages.Standing:
        """Return the stage whose turn it is."""
        members: dict[str, int] = {}
        for row in (
            self.slots.get(procedure.id, {}).values() if procedure.stages else ()
        ):
            if row["state"] != states.SlotState.REVERTED:
                members[row["stage"]] = members.get(row["stage"], 0) + 1
        gates = self.gates.get(procedure.id, {})
        population = len(self.selected(procedure))
        return stages.standing(procedure, gates, members, population)

    def is_over(self) -> bool:
        """Say whether every procedure is complete."""
        return len(self.done()) == len(self.plan.procedures)

    def done(self) -> set[str]:
        """Return the procedures that are complete."""
        return {p.id for p in self.plan.procedures if self.progress(p).is_complete}


def choose(
    campaign: Row, procedure: plans.Procedure, situation: Situation
) -> list[tuple[plans.Target, str]]:
    """Return targets not begun or reverted with the reason to wait, "" to open."""
    slots = situation.slots.get(procedure.id, {})
    selected = situation.selected(procedure)
    parallel = ordering.parallel_limit(procedure, len(selected))
    room = parallel - sum(1 for row in slots.values() if row["state"] in _OPEN)
    stage = situation.standing(procedure)
    left = len(selected) if stage.room is None else stage.room
    settled = {name for name, row in slots.items() if row["state"] in _SETTLED}
    queue = last.Queue(situation.plan.selector(procedure.selector), selected, settled)
    chosen: list[tuple[plans.Target, str]] = []
    for target in selected:
        if not is_waiting(target, slots):
            continue
        reason = _closed(campaign, target)
        if not reason:
            reason = queue.reason(target) or ("" if left > 0 else stage.reason)
        if not reason and room <= 0:
            reason = f"waits: {parallel} targets are worked on already"
        if not reason:
            refusals = situation.ledger.refusals(target, procedure.budgets)
            reason = "; ".join(refusal.text() for refusal in refusals)
        if not reason:
            situation.ledger.take(target, procedure.budgets)
            room -= 1
            left -= 1
        chosen.append((target, reason))
    return chosen


def explain(campaign: Row, situation: Situation) -> list[Wait]:
    """Return every target not begun or reverted, and what it waits for (pure)."""
    waits: list[Wait] = []
    following = {
        each.id
        for each in ordering.next_procedures(
            situation.plan.procedures, situation.done()
        )
    }
    for procedure in situation.plan.procedures:
        if procedure.id in following:
            chosen = choose(campaign, procedure, situation)
            waits += [
                Wait(target.name, procedure.id, reason or "is next")
                for target, reason in chosen
            ]
            continue
        slots = situation.slots.get(procedure.id, {})
        waits += [
            Wait(target.name, procedure.id, "waits: an earlier procedure")
            for target in situation.selected(procedure)
            if is_waiting(target, slots)
        ]
    return waits


def is_waiting(target: plans.Target, slots: Mapping[str, Row]) -> bool:
    """Say whether a procedure has yet to begin a target, or to begin it again.

    :param slots: host -> slot row, of the procedure.
    """
    row = slots.get(target.name)
    return row is None or row["state"] == states.SlotState.REVERTED


class Admission:
    """Opens slots for the targets whose turn it is."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def read(
        self, connection: session.Connection, campaign: Row, now: float
    ) -> Situation:
        """Read inventory, slots and tokens."""
        made = self.engine.plan_of(connection, campaign)
        silent_before = now - self.engine.settings.agent_silent_s
        targets = tokens.read_targets(connection, campaign["id"], silent_before)
        slots: dict[str, dict[str, Row]] = {}
        for row in work.read_slots(connection, campaign["id"]):
            slots.setdefault(row["procedure"], {})[row["host"]] = row
        holds = self._holds(connection, campaign, made)
        counted = targets
        if campaign["state"] == states.CampaignState.ROLLING_BACK:
            gone = self._written_off(connection, campaign)
            counted = [t for t in targets if t.name not in gone or _is_sound(t)]
        ledger = budget.Ledger(made.budgets, counted, holds)
        gates: dict[str, dict[str, stages.Gate]] = {}
        has_stages = any(each.stages for each in made.procedures)
        for row in stored.read(connection, campaign["id"]) if has_stages else ():
            gates.setdefault(row["procedure"], {})[row["stage"]] = _gate(row)
        return Situation(made, targets, slots, ledger, gates)

    def _holds(
        self, connection: session.Connection, campaign: Row, made: plans.Plan
    ) -> list[budget.Hold]:
        """Return tokens out there; those of migrations only until the drain is over."""
        rows = tokens.read_holds(connection, campaign["id"])
        if limited := draining.budgets(made.budgets):
            busy = tokens.draining_slots(connection, campaign["id"], draining.ACTIONS)
            rows = [
                r for r in rows if r["budget"] not in limited or r["slot_id"] in busy
            ]
        return [budget.Hold(row["target"], row["budget"], row["key"]) for row in rows]

    def _written_off(self, connection: session.Connection, campaign: Row) -> set[str]:
        """Return the lost hosts that an operator wants a rollback not to count."""
        asked = signals.read_handled(connection, campaign["id"], "rollback")
        return {name for note in asked for name in note["arguments"].get("without", ())}

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
            for target, reason in choose(campaign, procedure, situation):
                if reason:
                    waits.append(Wait(target.name, procedure.id, reason))
                    continue
                slots = situation.slots.setdefault(procedure.id, {})
                if target.name in slots:
                    row = {**slots[target.name], "state": "active", "ended_at": None}
                    row["stage"] = stage
                    again.append(row)
                else:
                    row = _slot_row(campaign["id"], procedure.id, target.name, ordinal)
                    row.update(opened_at=batch.now, stage=stage)
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
            carrier.rerun(own, views[row["id"]])

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
            _open_first_step(carrier, batch, procedure, campaign["id"], row)
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


def _gate(row: Row) -> stages.Gate:
    state = states.GateState(row["state"])
    return stages.Gate(row["id"], state, row["take"], row["opens_at"], row["reason"])


def _is_sound(target: plans.Target) -> bool:
    return target.is_up and not target.is_quarantined


def _closed(campaign: Row, target: plans.Target) -> str:
    """Return why a target cannot be begun at all, or ""."""
    if not engines.is_open_to(campaign, target.name, target.rack):
        return CLOSED
    if target.is_quarantined:
        return "waits: the host is quarantined"
    if not target.is_up:
        return "waits: the host is down or another campaign works on it"
    if not target.has_agent:
        return "waits: its agent is silent"
    return ""


def _slot_row(
    campaign_id: str, procedure: str, host: str, ordinal: int
) -> dict[str, Any]:
    return {
        "id": work.new_id(),
        "campaign_id": campaign_id,
        "procedure": procedure,
        "host": host,
        "stage": "",
        "ordinal": ordinal,
        "state": states.SlotState.ACTIVE.value,
        "reason": "",
        "compensations": 0,
        "reruns": 0,
        "opened_at": 0.0,
        "ended_at": None,
    }
