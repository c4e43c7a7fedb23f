"""What admission knows at one moment, and whom it lets begin.  No side effects.

Source: architecture section 3, rules 2 and 7; P-4a, P-4b, E-0, E-1.
"""

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from escalator.conductor import engine as engines
from escalator.conductor import rehearsing
from escalator.domain import (
    ability,
    budget,
    change_window,
    holding,
    last,
    ordering,
    sharing,
    single_step,
    stages,
    states,
    timing,
)
from escalator.domain import campaign as rules
from escalator.domain import plan as plans

Row = Mapping[str, Any]

CLOSED = "waits: admission is closed by an operator"

OPEN = frozenset(
    {
        states.SlotState.ACTIVE.value,
        states.SlotState.UNDOING.value,
        states.SlotState.UNDONE.value,
        states.SlotState.REVERTING.value,
        states.SlotState.FAILED.value,
    }
)
"""States of slots that keep their target out of service."""


_UNSETTLED = OPEN | {states.SlotState.UNDO_FAILED.value}
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
    :ivar excluded: hosts that the preflight left out, and why.
    :ivar mended: hosts with a remedy of it that is not over: none is begun.
    :ivar gates: procedure -> stage -> its gate, of stages that began.
    :ivar counted: targets that budgets count.
    :ivar is_vim_silent: every VIM agent is silent.
    :ivar others: the other campaigns under way; the ledger counts them in.
    :ivar now: epoch seconds.
    :ivar hours: when hosts may be begun.
    :ivar learned: how long steps take; empty if ``hours`` do not ask.
    :ivar held: the procedures that hold, and why.
    :ivar unchecked: why a preflight comes before anything is begun, or empty.
    """

    plan: plans.Plan
    targets: list[plans.Target]
    slots: dict[str, dict[str, Row]]
    ledger: budget.Ledger
    excluded: Mapping[str, str] = dataclasses.field(default_factory=dict)
    gates: dict[str, dict[str, stages.Gate]] = dataclasses.field(default_factory=dict)
    counted: Sequence[plans.Target] = ()
    is_vim_silent: bool = False
    others: sharing.Others = dataclasses.field(default_factory=sharing.Others)
    now: float = 0.0
    hours: change_window.Hours = dataclasses.field(default_factory=change_window.Hours)
    learned: timing.Learned = dataclasses.field(default_factory=dict)
    held: Mapping[str, str] = dataclasses.field(default_factory=dict)
    mended: Collection[str] = ()
    unchecked: str = ""

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
        """Return the targets the procedure works on, in order.

        What the preflight left out is none of them, unless it was begun before.
        """
        return self._selections[procedure.id]

    def matching(self, procedure: plans.Procedure) -> list[plans.Target]:
        """Return the targets the procedure selects at this moment, in order."""
        return ordering.targets_of(self.plan, procedure, self.targets, self.ledger)

    def begun(self) -> frozenset[str]:
        """Return the hosts that the campaign has touched and not undone."""
        return frozenset(
            host
            for slots in self.slots.values()
            for host, row in slots.items()
            if row["state"] != states.SlotState.REVERTED
        )

    @functools.cached_property
    def _selections(self) -> dict[str, list[plans.Target]]:
        chosen = {each.id: self.matching(each) for each in self.plan.procedures}
        gone = set(self.excluded) - self.begun() if self.excluded else set()
        if not gone:
            return chosen
        return {
            name: [target for target in row if target.name not in gone]
            for name, row in chosen.items()
        }

    def under_way(self, procedure: plans.Procedure) -> set[str]:
        """Return the other procedures that have targets out.

        Empty without looking if the plan has no single step: nobody asks.
        """
        plan = self.plan.procedures
        if not any(each.method == plans.Method.SINGLE_STEP for each in plan):
            return set()
        return {
            name
            for name, slots in self.slots.items()
            if name != procedure.id
            and any(row["state"] in OPEN for row in slots.values())
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

    def needed(self, procedure: plans.Procedure) -> tuple[str, ...]:
        """Return the budgets of which a target needs tokens, of all campaigns."""
        return self.others.limit(procedure).budgets

    def too_late(self, procedure: plans.Procedure, target: plans.Target) -> str:
        """Return why a target's visit would outlast the change window, or ""."""
        if not self.hours.windows:
            return ""
        slots = self.slots.get(procedure.id, {})
        is_rehearsed = rehearsing.is_due(procedure, slots)
        instances = 0 if timing.is_constant(procedure) else target.instances
        key = (procedure.id, target.role, instances, is_rehearsed)
        if key not in self._needs:
            need_s = timing.longest_s(procedure, target, self.learned, is_rehearsed)
            self._needs[key] = need_s
        return self.hours.too_late(self.now, self._needs[key])

    @functools.cached_property
    def _needs(self) -> dict[tuple[str, str, int, bool], float]:
        return {}

    def waiting(self) -> list[str]:
        """Return the hosts that are still to be begun, by any procedure; sorted."""
        return sorted(
            {
                target.name
                for each in self.plan.procedures
                for target in self.selected(each)
                if is_waiting(target, self.slots.get(each.id, {}))
            }
        )

    def is_over(self) -> bool:
        """Say whether every procedure is complete."""
        return len(self.done()) == len(self.plan.procedures)

    def done(self) -> set[str]:
        """Return the procedures that are complete; one that holds is not."""
        return {
            each.id
            for each in self.plan.procedures
            if each.id not in self.held and self.progress(each).is_complete
        }


def choose(
    campaign: Row, procedure: plans.Procedure, situation: Situation
) -> list[tuple[plans.Target, str]]:
    """Return targets not begun or reverted with the reason to wait, "" to open."""
    slots = situation.slots.get(procedure.id, {})
    selected = situation.selected(procedure)
    under_way = situation.under_way(procedure)
    procedure = situation.others.limit(procedure)
    if procedure.method == plans.Method.SINGLE_STEP:
        waiting = [
            (target, _closed(campaign, target, procedure, situation))
            for target in selected
            if is_waiting(target, slots)
        ]
        return single_step.decide(procedure, waiting, under_way, situation.ledger)
    shut_out = single_step.shut_out(situation.plan.procedures, under_way)
    parallel = ordering.parallel_limit(procedure, len(selected))
    room = parallel - sum(1 for row in slots.values() if row["state"] in OPEN)
    stage = situation.standing(procedure)
    left = len(selected) if stage.room is None else stage.room
    settled = {name for name, row in slots.items() if row["state"] in _SETTLED}
    queue = last.Queue(situation.plan.selector(procedure.selector), selected, settled)
    full = f"waits: {parallel} targets are worked on already"
    if rehearsing.is_due(procedure, slots):
        room = 0 if any(row["state"] in _UNSETTLED for row in slots.values()) else 1
        full = rehearsing.WAITS
    chosen: list[tuple[plans.Target, str]] = []
    for target in selected:
        if not is_waiting(target, slots):
            continue
        reason = _closed(campaign, target, procedure, situation) or shut_out
        if not reason:
            reason = queue.reason(target) or ("" if left > 0 else stage.reason)
        if not reason and room <= 0:
            reason = full
        if not reason:
            refusals = situation.ledger.refusals(target, procedure.budgets)
            reason = "; ".join(refusal.text() for refusal in refusals)
        if not reason:
            situation.ledger.take(target, procedure.budgets)
            room -= 1
            left -= 1
        chosen.append((target, reason))
    return chosen


def shut(campaign: Row, procedure: str = "") -> str:
    """Return why a target waits to which its campaign is not open.

    :param procedure: which would work on it; empty: whichever.
    """
    state = states.CampaignState(campaign["state"])
    named = state.value.replace("_", " ")
    if state is states.CampaignState.RUNNING:
        held = holding.reasons(campaign["closed_to"])
        return holding.told(procedure, held[procedure]) if procedure in held else CLOSED
    if state in states.FINAL:
        return f"is not begun any more: the campaign is {named}"
    return f"waits: the campaign does not run, it is {named}"


def explain(campaign: Row, situation: Situation) -> list[Wait]:
    """Return every target not begun or reverted, and what it waits for (pure)."""
    begun = situation.begun()
    waits: list[Wait] = [
        Wait(host, "", f"left out by the preflight: {why}")
        for host, why in sorted(situation.excluded.items())
        if host not in begun
    ]
    following = {
        each.id
        for each in ordering.next_procedures(
            situation.plan.procedures, situation.done()
        )
    }
    awaited = holding.awaited(situation.plan.procedures, situation.held)
    if campaign["state"] in states.FINAL:
        following = {each.id for each in situation.plan.procedures}
    for procedure in situation.plan.procedures:
        if procedure.id in following:
            chosen = choose(campaign, procedure, situation)
            waits += [
                Wait(target.name, procedure.id, reason or "is next")
                for target, reason in chosen
            ]
            continue
        slots = situation.slots.get(procedure.id, {})
        reason = awaited.get(procedure.id, "waits: an earlier procedure")
        waits += [
            Wait(target.name, procedure.id, reason)
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


def _closed(
    campaign: Row,
    target: plans.Target,
    procedure: plans.Procedure,
    situation: Situation,
) -> str:
    """Return why a target cannot be begun at all, or ""."""
    if not engines.is_open_to(campaign, target.name, target.rack, procedure.id):
        return shut(campaign, procedure.id)
    if reason := situation.hours.closed(situation.now) or situation.unchecked:
        return reason
    if target.is_quarantined:
        return "waits: the host is quarantined"
    if target.is_kept:
        return "waits: another campaign keeps the host until it is committed"
    if target.name in situation.mended:
        return "waits: preflight: mended by its remedy first"
    if not target.is_up:
        return "waits: the host is down or another campaign works on it"
    if not target.has_agent:
        return "waits: its agent is silent"
    if situation.is_vim_silent and ability.needs_vim(procedure):
        return "waits: every VIM agent is silent"
    return situation.too_late(procedure, target)
