"""One simulated run of a campaign, step by step, with what goes wrong.  Pure.

It decides as the engine does: admission by tokens, the ladder's rungs
(``campaign.next_rung``), quarantine, failure budget, holds, and rollback in
reverse through the same budgets.  A hold ends the run: what a person decides is
not foreseen.  Source: P-2, P-4c, R-2, V-1.
"""

import dataclasses
import heapq
import random
from collections.abc import Callable, Mapping

from escalator.domain import (
    budget,
    draining,
    fault_library,
    play_holds,
    play_hours,
    play_restore,
    relocation,
    timing,
)
from escalator.domain import campaign as rules
from escalator.domain.fault_library import Fate
from escalator.domain.holding import scope_in_doubt, scope_of
from escalator.domain.plan import Idempotence, Plan, Target, Try
from escalator.domain.play_slot import Slot as Slot
from escalator.domain.states import CAMPAIGN_MOVES, CampaignState, SlotState

State = CampaignState

WAITING = "waiting"
"""Outcome of a campaign that would wait for ever."""

TO_UNDO = frozenset({SlotState.ACTIVE, SlotState.DONE, SlotState.FAILED})
"""Slots that a rollback has to begin to undo."""

UNDO_RETRY_S = 1.0

_IN_DOUBT = (rules.LOST, rules.HUNG)
"""Classes of attempts of which nobody knows whether they acted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """What a run is played on.

    :ivar targets: sorted by name.
    :ivar rooms: kind of host, or role -> most instances on one.
    :ivar look_s: seconds between two looks at what is due.
    :ivar lease_s: seconds beyond a deadline until an agent is given up.
    :ivar visited_not: spare hosts: in the fleet, but not to be worked on.
    :ivar start_at: epoch seconds; decides nothing but when windows are open.
    """

    plan: Plan
    targets: tuple[Target, ...]
    residents: relocation.Residents
    learned: timing.Learned
    library: fault_library.Library
    rooms: Mapping[str, int]
    look_s: float = 0.0
    lease_s: float = 0.0
    visited_not: frozenset[str] = frozenset()
    start_at: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """:ivar outcome: a campaign's state, or ``waiting``.
    :ivar most_down: budget -> most targets that used up one of its keys at once.
    :ivar stuck: host -> (budget, key), reason; who could not be admitted.
    """

    outcome: str
    end_s: float
    reason: str
    most_down: dict[str, int]
    owners: dict[str, relocation.Interruption]
    quarantined: tuple[str, ...]
    stuck: dict[str, tuple[tuple[str, str], str]]
    no_room: dict[str, int]

    @property
    def is_smooth(self) -> bool:
        """It ended committed and no host was given up."""
        return self.outcome == State.COMMITTED and not self.quarantined


class World:
    """Clock, chance, tokens and hosts of one run.

    :param chance: None: every step takes its median and nothing fails.
    :ivar slots: (procedure, host) -> slot.
    """

    def __init__(self, setting: Setting, chance: random.Random | None) -> None:
        self.setting = setting
        self.plan = setting.plan
        self.chance = chance
        self.calendar = play_hours.Calendar(
            setting.plan.windows, setting.start_at, setting.learned
        )
        self.now = 0.0
        self.orders = 0
        self.targets = {each.name: each for each in setting.targets}
        self.ledger = budget.Ledger(self.plan.budgets, setting.targets, ())
        self.slots: dict[tuple[str, str], Slot] = {}
        self.holds = play_holds.Holds()
        self.out: set[str] = set()
        self.dead: set[str] = set()
        self.most_down: dict[str, int] = {}
        self.placement = relocation.Placement(
            setting.targets, setting.residents, setting.rooms, self._is_open
        )
        self.freed: Callable[[list[tuple[str, str]]], None] = lambda keys: None
        self._migrations = draining.budgets(self.plan.budgets)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._tickets = 0
        self._slowness: dict[str, float] = {}
        self._errors: dict[tuple[str, str], float] = {}
        if chance is not None:
            for each in setting.targets:
                self._slowness[each.name] = setting.library.slowness(each, chance)

    def _is_open(self, host: str) -> bool:
        """Say whether instances may land on a host now."""
        target = self.targets[host]
        is_sound = target.is_up and not target.is_quarantined
        return is_sound and host not in self.out and host not in self.dead

    def at(self, delay_s: float, call: Callable[[], None]) -> None:
        """Let something happen later."""
        self._tickets += 1
        heapq.heappush(self._queue, (self.now + delay_s, self._tickets, call))

    def next_at(self) -> float | None:
        """Return when something happens next."""
        return self._queue[0][0] if self._queue else None

    def happen(self) -> None:
        """Let the next thing happen."""
        self.now, _, call = heapq.heappop(self._queue)
        call()

    def look_delay(self) -> float:
        """Return how long something due waits until it is seen."""
        share = 0.5 if self.chance is None else self.chance.random()
        return share * self.setting.look_s

    def fate(self, slot: Slot) -> Fate:
        """Draw what becomes of the slot's next attempt."""
        step, setting = slot.step, self.setting
        if slot.target.name in self.dead:
            return Fate(step.timeout_s + setting.lease_s, "lost")
        known = timing.of_action(step, slot.action, slot.target, setting.learned)
        if self.chance is None:
            is_late = known.median_s > step.timeout_s
            fate = Fate(
                min(known.median_s, step.timeout_s), "timeout" if is_late else ""
            )
        else:
            slow = self._slowness[slot.target.name] * self._error(slot, known)
            fate = setting.library.fate(step, slot.action, known, slow, self.chance)
        if slot.action in draining.ACTIONS and not fate.failure_class:
            if not self.placement.drain(slot.target.name, fate.seconds):
                return Fate(fate.seconds, "permanent")
        if step.may_reboot and not slot.undo:
            self.placement.interrupt(slot.target.name, fate.seconds)
        if fate.failure_class == "lost":
            return Fate(fate.seconds + setting.lease_s, "lost")
        return fate

    def _error(self, slot: Slot, known: timing.Timing) -> float:
        """Return by how much a known median is wrong in this run."""
        key = (slot.action, slot.target.role)
        if key not in self._errors and self.chance is not None:
            self._errors[key] = self.chance.lognormvariate(0.0, known.doubt)
        return self._errors[key]

    def take(self, slot: Slot) -> None:
        """Take the host and the tokens; there is room."""
        self.ledger.take(slot.target, slot.procedure.budgets)
        self.out.add(slot.target.name)
        for (name, _), count in self.ledger.used(slot.target).items():
            self.most_down[name] = max(self.most_down.get(name, 0), count)

    def drained(self, slot: Slot) -> None:
        """Give back the tokens that count migrations, after the last drain."""
        actions = {action for _, action in slot.undo[:-1]}
        if not slot.undo:
            actions = {step.action for step in slot.procedure.steps[slot.at + 1 :]}
        if self._migrations and not actions & draining.ACTIONS:
            self.ledger.give_back(slot.target.name, self._migrations)
            self.freed(self.keys_of(slot))

    def give_back(self, slot: Slot) -> list[tuple[str, str]]:
        """Give host and tokens back; returns the keys that are freer now."""
        self.ledger.give_back(slot.target.name)
        self.out.discard(slot.target.name)
        self.placement.reopen(slot.target.name)
        return self.keys_of(slot)

    def keys_of(self, slot: Slot) -> list[tuple[str, str]]:
        """Return the keys that others may wait for because of the slot."""
        return [*self.ledger.used(slot.target), ("", slot.target.name)]


class Steps:
    """Steps of slots: done, failed, undone.

    :param escalate: told what a slot asks of its campaign.
    :param settled: told of a slot that is done, reverted or given up.
    :param landed: told, on the way back, of a slot whose agent acts no more.
    :param give_up: told of a host that is to be quarantined.
    """

    def __init__(
        self,
        world: World,
        escalate: Callable[[str, str, str, str], None],
        settled: Callable[[Slot], None],
        landed: Callable[[Slot], None],
        give_up: Callable[[str], None],
    ) -> None:
        self.world = world
        self.is_running = True
        self._escalate = escalate
        self._settled = settled
        self._landed = landed
        self._give_up = give_up

    def order(self, slot: Slot) -> None:
        """Let the agent do the slot's present step."""
        world = self.world
        world.orders += 1
        slot.is_flying = True
        slot.ticket += 1
        if not slot.undo:
            slot.last_acted = world.orders
            if slot.step.is_mutating and slot.at not in slot.acted:
                slot.acted.append(slot.at)
        fate, ticket = world.fate(slot), slot.ticket
        world.at(fate.seconds, lambda: self._end(slot, ticket, fate))

    def _end(self, slot: Slot, ticket: int, fate: Fate) -> None:
        if slot.ticket != ticket:
            return
        slot.is_flying, was_running = False, self.is_running
        if fate.failure_class and slot.undo:
            self._undo_failed(slot, fate.failure_class)
        elif fate.failure_class:
            self._fail(slot, fate.failure_class)
        elif slot.undo:
            self.world.drained(slot)
            slot.undo.pop()
            slot.retries = 0
            self.go_on_undoing(slot)
        else:
            self._done(slot)
        if not slot.is_flying and not was_running:
            self._landed(slot)

    def _done(self, slot: Slot) -> None:
        slot.retries = 0
        self.world.drained(slot)
        if slot.at + 1 == len(slot.procedure.steps):
            slot.state = SlotState.DONE
            self._settled(slot)
            return
        slot.at += 1
        if self.is_running and not self.world.holds.keeps(slot):
            self.order(slot)

    def _fail(self, slot: Slot, failure_class: str) -> None:
        step, host = slot.step, slot.target.name
        if not self.is_running:
            slot.state = SlotState.FAILED
            return
        reason = f"{host}: {step.id} failed ({failure_class})"
        if failure_class in _IN_DOUBT and step.idempotence == Idempotence.NEVER:
            slot.state = SlotState.FAILED
            scope = scope_in_doubt(slot.procedure.ladder, failure_class)
            self._escalate("hold", scope, slot.procedure.id, reason)
            return
        rung = play_restore.next_rung(slot, failure_class)
        match rung.attempt:
            case Try.RESTORE:
                slot.state = SlotState.UNDOING
                self._restore(slot)
            case Try.RETRY:
                self._again(slot, rung.backoff_s * 2**slot.retries)
            case Try.COMPENSATE:
                self.undo(slot, SlotState.UNDOING)
            case Try.QUARANTINE:
                self._give_up(host)
            case _:
                slot.state = SlotState.FAILED
                self._escalate(rung.attempt, scope_of(rung), slot.procedure.id, reason)

    def _again(self, slot: Slot, backoff_s: float) -> None:
        slot.retries += 1
        ticket, is_undo = slot.ticket, bool(slot.undo)

        def order() -> None:
            is_due = slot.ticket == ticket and (is_undo or self.is_running)
            if is_due and not self.world.holds.keeps(slot):
                self.order(slot)

        self.world.at(backoff_s + self.world.look_delay(), order)

    def undo(self, slot: Slot, state: SlotState) -> None:
        """Undo what the slot did, last step first."""
        slot.state = state
        slot.ticket += 1
        slot.retries = 0
        slot.undo = play_restore.undo_of(slot)
        slot.restores *= state is SlotState.UNDOING
        self.go_on_undoing(slot)

    def _restore(self, slot: Slot) -> None:
        play_restore.begin(slot)
        self.go_on_undoing(slot)

    def go_on_undoing(self, slot: Slot) -> None:
        """Undo the next step, or end the undo."""
        if slot.undo:
            self.order(slot)
            return
        slot.acted.clear()
        if slot.state is SlotState.UNDOING and self.is_running:
            slot.state = SlotState.ACTIVE
            slot.compensations += 1
            slot.at = 0
            if not self.world.holds.keeps(slot):
                self.order(slot)
            return
        slot.state = SlotState.REVERTED
        self._settled(slot)

    def _undo_failed(self, slot: Slot, failure_class: str) -> None:
        if (
            failure_class in ("transient", "timeout")
            and slot.retries < rules.MAX_REVERT_RETRIES
        ):
            self._again(slot, UNDO_RETRY_S)
            return
        if play_restore.is_possible(slot, failure_class):
            return self._restore(slot)
        is_asked = slot.state is SlotState.UNDOING and self.is_running
        rung = rules.rung_after_restore(slot.procedure.ladder, failure_class)
        if is_asked and rung.attempt == Try.QUARANTINE:
            return self._give_up(slot.target.name)
        slot.state = SlotState.UNDO_FAILED
        self._settled(slot)
        if is_asked:
            reason = f"{slot.target.name}: undo of {slot.step.id} failed"
            self._escalate(rung.attempt, scope_of(rung), slot.procedure.id, reason)


def may_move(state: State, to: State) -> bool:
    """Say whether a campaign may go from one state to another."""
    return to in CAMPAIGN_MOVES[state]
