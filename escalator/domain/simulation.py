"""A campaign played forward on the inventory, visit by visit.  Pure.

It admits as the engine does: in the selector's order, a token of every key or
none, no barrier but levels, ``after`` edges and gates (E-0, E-1, P-4b).  Nothing fails:
what goes wrong belongs to the what-if.  Each target waits under the one key that
refuses it, and is looked at again only when that key is free, so that 5,000
hosts cost seconds, not hours.  Source: P-0, P-2.
"""

import dataclasses
import heapq
import itertools
import math
from collections.abc import Callable, Sequence

from escalator.domain import (
    budget,
    draining,
    last,
    ordering,
    play_hours,
    single_step,
    timing,
)
from escalator.domain.plan import Method, Plan, Procedure, Target
from escalator.domain.simulation_lane import Key, Lane

Duration = Callable[[Procedure, Target], float]
"""Seconds that a visit takes, from its first step to its last."""


@dataclasses.dataclass(frozen=True, slots=True)
class Visit:
    """One target's time out; seconds from the campaign's start."""

    host: str
    procedure: str
    start_s: float
    end_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Opening:
    """A gate opens; seconds from the campaign's start."""

    gate: str
    at_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """:ivar visits: in the order of their start.

    :ivar stuck: host -> why it can never be admitted; the campaign would wait
        there for ever.
    :ivar gates: in the order of their opening; whoever has to approve one does it
        at once.
    :ivar left: hosts that are not begun when the last change window closes.
    """

    visits: tuple[Visit, ...]
    stuck: dict[str, str]
    gates: tuple[Opening, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def end_s(self) -> float:
        """Seconds until the last visit ends, 0 without any."""
        return max((visit.end_s for visit in self.visits), default=0.0)

    def most_out(self) -> int:
        """Return how many targets are out at once at most."""
        moves = [(visit.end_s, -1) for visit in self.visits]
        moves += [(visit.start_s, 1) for visit in self.visits]
        out = most = 0
        for _, change in sorted(moves):
            out += change
            most = max(most, out)
        return most


def simulate(
    plan: Plan,
    targets: Sequence[Target],
    duration: Duration,
    calendar: play_hours.Calendar | None = None,
) -> Forecast:
    """Play the whole campaign; same arguments, same forecast.

    :param targets: the inventory; those down or quarantined are not visited,
        and use up their budgets.
    :param calendar: of this run; None: hosts may be begun at any time.
    """
    always = play_hours.Calendar((), 0.0, {})
    run = _Run(plan, targets, duration, calendar or always)
    while run.begin_following():
        run.work_off()
        if run.stuck:
            break
    visits = sorted(run.visits, key=lambda each: (each.start_s, each.host))
    return Forecast(tuple(visits), run.stuck, tuple(run.gates), _left(run))


class _Run:
    def __init__(
        self,
        plan: Plan,
        targets: Sequence[Target],
        duration: Duration,
        calendar: play_hours.Calendar,
    ) -> None:
        self.plan = plan
        self.targets = targets
        self.duration = duration
        self.calendar = calendar
        self.now = 0.0
        self.visits: list[Visit] = []
        self.stuck: dict[str, str] = {}
        self.lanes: list[Lane] = []
        self.ledger = budget.Ledger(plan.budgets, targets, ())
        self._done: set[str] = set()
        self._begun: set[str] = set()
        self.gates: list[Opening] = []
        self._ends: list[tuple[float, int, Lane | None, Target | None, bool]] = []
        self._numbers = itertools.count()
        self._draining = draining.budgets(plan.budgets)
        self._out: set[str] = set()
        self.late: set[str] = set()

    def begin_following(self) -> bool:
        """Begin the procedures whose turn it is; False if none is left."""
        self._done |= {lane.procedure.id for lane in self.lanes if lane.is_done}
        following = ordering.next_procedures(self.plan.procedures, self._done)
        fresh = [each for each in following if each.id not in self._begun]
        for procedure in fresh:
            self._begun.add(procedure.id)
            chosen = ordering.targets_of(
                self.plan, procedure, self.targets, self.ledger
            )
            chosen_by = self.plan.selector(procedure.selector)
            lane = Lane(procedure, chosen, last.Queue(chosen_by, chosen, ()))
            self.lanes.append(lane)
            if not self._is_blocked(lane):
                self._admit(lane)
        return bool(fresh)

    def _is_blocked(self, lane: Lane) -> bool:
        """Say whether a single step can never begin: it has its level for itself."""
        if lane.procedure.method != Method.SINGLE_STEP:
            return False
        budgets = lane.procedure.budgets
        reason = single_step.obstacle(self.ledger, lane.targets, budgets)
        if reason:
            text = f"{single_step.WHOLE}; {reason}"
            self.stuck |= {target.name: text for target in lane.targets}
        return bool(reason)

    def work_off(self) -> None:
        """Let visits end until something new may begin, or nothing moves."""
        while self._ends:
            self.now, _, lane, target, is_over = heapq.heappop(self._ends)
            if lane is None:
                self._recall([play_hours.WINDOW])
                continue
            if target is None:
                self._open(lane)
                continue
            freed = _tokens(self.plan, lane.procedure, target)
            if not is_over:
                self._drained(freed, target)
                continue
            self.ledger.give_back(target.name)
            self._out.discard(target.name)
            lane.end(target)
            self._recall([*freed, _host_key(target), _cluster_key(target)])
            if lane.is_at_gate:
                self._push(self.now + lane.wait_s, lane, None, False)
            if lane.is_done and self._may_follow():
                return
        refused = {n: why for lane in self.lanes for n, why in lane.refused().items()}
        self.late |= {n for n, why in refused.items() if why == play_hours.LATE}
        if not self.calendar.is_over(self.now):
            self.stuck |= {n: why for n, why in refused.items() if n not in self.late}

    def _drained(self, freed: Sequence[Key], target: Target) -> None:
        self.ledger.give_back(target.name, self._draining)
        self._recall([key for key in freed if key[0] in self._draining])

    def _recall(self, keys: Sequence[Key]) -> None:
        for each in self.lanes:
            each.recall(keys)
            self._admit(each)

    def _open(self, lane: Lane) -> None:
        """Open a gate; by itself it opens only while hosts may be begun."""
        opens_s = self.now if lane.is_approved else self.calendar.opens_s(self.now)
        if opens_s <= self.now:
            self.gates.append(Opening(lane.open(), self.now))
            self._admit(lane)
        elif opens_s < math.inf:
            self._push(opens_s, lane, None, False)

    def _wake(self) -> None:
        """See to it that those that wait for a window are tried again."""
        wake_s = self.calendar.wake_s(self.now, len(self.visits))
        if wake_s is not None:
            self._push(wake_s, None, None, False)

    def _may_follow(self) -> bool:
        done = self._done | {e.procedure.id for e in self.lanes if e.is_done}
        following = ordering.next_procedures(self.plan.procedures, done)
        return any(each.id not in self._begun for each in following)

    def _admit(self, lane: Lane) -> None:
        if self.calendar.opens_s(self.now) > self.now:
            self._wake()
            return
        while (target := lane.next()) is not None:
            if target.name in self._out:
                lane.refuse(_host_key(target), "another procedure works on it")
                continue
            if reason := lane.queue.reason(target):
                lane.refuse(_cluster_key(target), reason)
                continue
            refusals = self.ledger.refusals(target, lane.procedure.budgets)
            if refusals:
                first = refusals[0]
                lane.refuse((first.budget, first.key), first.text(), first.need)
            elif self.calendar.is_late(
                self.now, lane.procedure, target, not lane.is_rehearsed
            ):
                lane.refuse(play_hours.WINDOW, play_hours.LATE)
                self._wake()
            else:
                self._begin(lane, target)

    def _begin(self, lane: Lane, target: Target) -> None:
        self.ledger.take(target, lane.procedure.budgets)
        self._out.add(target.name)
        took = lane.rounds_s(self.duration(lane.procedure, target), target)
        lane.begin()
        end = self.now + took
        self.visits.append(Visit(target.name, lane.procedure.id, self.now, end))
        if self._draining & set(lane.procedure.budgets):
            part = draining.share(timing.of_host(lane.procedure, target))
            self._push(self.now + took * part, lane, target, False)
        self._push(end, lane, target, True)

    def _push(
        self, at_s: float, lane: Lane | None, target: Target | None, is_over: bool
    ) -> None:
        heapq.heappush(self._ends, (at_s, next(self._numbers), lane, target, is_over))


def _tokens(plan: Plan, procedure: Procedure, target: Target) -> list[Key]:
    return [
        (each.id, key)
        for each in plan.budgets
        if each.id in procedure.budgets
        for key in budget.keys(each, target)
    ]


def _left(run: _Run) -> tuple[str, ...]:
    """Return who is not begun because no window, or no longer one, opens."""
    if not (run.late or run.calendar.is_over(run.now)):
        return ()
    begun = {(visit.procedure, visit.host) for visit in run.visits}
    found = {
        target.name
        for each in run.plan.procedures
        for target in ordering.targets_of(run.plan, each, run.targets, run.ledger)
        if target.is_up and (each.id, target.name) not in begun
    }
    return tuple(sorted(found - run.stuck.keys()))


def _cluster_key(target: Target) -> Key:
    return ("cluster", last.cluster_of(target))


def _host_key(target: Target) -> Key:
    return ("", target.name)
