"""A campaign played forward on the inventory, visit by visit.  Pure.

It admits as the engine does: in the selector's order, a token of every key or
none, no barrier but levels and ``after`` edges (E-0, E-1, P-4b).  Nothing fails:
what goes wrong belongs to the what-if.  Each target waits under the one key that
refuses it, and is looked at again only when that key is free, so that 5,000
hosts cost seconds, not hours.  Source: P-0, P-2.
"""

import dataclasses
import heapq
from collections.abc import Callable, Sequence

from escalator.domain import budget, draining, ordering, single_step
from escalator.domain.plan import Method, Plan, Procedure, Target

Duration = Callable[[Procedure, Target], float]
"""Seconds that a visit takes, from its first step to its last."""

_Key = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Visit:
    """One target's time out; seconds from the campaign's start."""

    host: str
    procedure: str
    start_s: float
    end_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """:ivar visits: in the order of their start.

    :ivar stuck: host -> why it can never be admitted; the campaign would wait
        there for ever.
    """

    visits: tuple[Visit, ...]
    stuck: dict[str, str]

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


def simulate(plan: Plan, targets: Sequence[Target], duration: Duration) -> Forecast:
    """Play the whole campaign; same arguments, same forecast.

    :param targets: the inventory; those down or quarantined are not visited,
        and use up their budgets.
    """
    run = _Run(plan, targets, duration)
    while run.begin_following():
        run.work_off()
        if run.stuck:
            break
    visits = sorted(run.visits, key=lambda each: (each.start_s, each.host))
    return Forecast(tuple(visits), run.stuck)


class _Run:
    def __init__(
        self, plan: Plan, targets: Sequence[Target], duration: Duration
    ) -> None:
        self.plan = plan
        self.targets = targets
        self.duration = duration
        self.now = 0.0
        self.visits: list[Visit] = []
        self.stuck: dict[str, str] = {}
        self.lanes: list[_Lane] = []
        self._ledger = budget.Ledger(plan.budgets, targets, ())
        self._done: set[str] = set()
        self._begun: set[str] = set()
        self._ends: list[tuple[float, int, _Lane, Target, bool]] = []
        self._draining = draining.budgets(plan.budgets)
        self._out: set[str] = set()

    def begin_following(self) -> bool:
        """Begin the procedures whose turn it is; False if none is left."""
        self._done |= {lane.procedure.id for lane in self.lanes if lane.is_done}
        following = ordering.next_procedures(self.plan.procedures, self._done)
        fresh = [each for each in following if each.id not in self._begun]
        for procedure in fresh:
            self._begun.add(procedure.id)
            chosen = ordering.targets_of(
                self.plan, procedure, self.targets, self._ledger
            )
            lane = _Lane(procedure, chosen)
            self.lanes.append(lane)
            if not self._is_blocked(lane):
                self._admit(lane)
        return bool(fresh)

    def _is_blocked(self, lane: "_Lane") -> bool:
        """Say whether a single step can never begin: it has its level for itself."""
        if lane.procedure.method != Method.SINGLE_STEP:
            return False
        budgets = lane.procedure.budgets
        reason = single_step.obstacle(self._ledger, lane.targets, budgets)
        if reason:
            text = f"{single_step.WHOLE}; {reason}"
            self.stuck |= {target.name: text for target in lane.targets}
        return bool(reason)

    def work_off(self) -> None:
        """Let visits end until something new may begin, or nothing moves."""
        while self._ends:
            self.now, _, lane, target, is_over = heapq.heappop(self._ends)
            freed = self._tokens(lane.procedure, target)
            if not is_over:
                self._drained(freed, target)
                continue
            self._ledger.give_back(target.name)
            self._out.discard(target.name)
            lane.under_way -= 1
            lane.left -= 1
            for each in self.lanes:
                each.recall([*freed, _host_key(target)])
                self._admit(each)
            if lane.is_done and self._may_follow():
                return
        for lane in self.lanes:
            self.stuck |= lane.refused()

    def _drained(self, freed: Sequence[_Key], target: Target) -> None:
        self._ledger.give_back(target.name, self._draining)
        for each in self.lanes:
            each.recall([key for key in freed if key[0] in self._draining])
            self._admit(each)

    def _may_follow(self) -> bool:
        done = self._done | {e.procedure.id for e in self.lanes if e.is_done}
        following = ordering.next_procedures(self.plan.procedures, done)
        return any(each.id not in self._begun for each in following)

    def _admit(self, lane: "_Lane") -> None:
        while (at := lane.next()) is not None:
            target = lane.targets[at]
            if target.name in self._out:
                lane.refuse(at, _host_key(target), "another procedure works on it")
                continue
            refusals = self._ledger.refusals(target, lane.procedure.budgets)
            if refusals:
                first = refusals[0]
                lane.refuse(at, (first.budget, first.key), first.text())
            else:
                self._begin(lane, target)

    def _begin(self, lane: "_Lane", target: Target) -> None:
        self._ledger.take(target, lane.procedure.budgets)
        self._out.add(target.name)
        lane.under_way += 1
        took = self.duration(lane.procedure, target)
        end = self.now + took
        self.visits.append(Visit(target.name, lane.procedure.id, self.now, end))
        number = 2 * len(self.visits)
        heapq.heappush(self._ends, (end, number, lane, target, True))
        if self._draining & set(lane.procedure.budgets):
            drained = self.now + took * draining.share(lane.procedure)
            heapq.heappush(self._ends, (drained, number - 1, lane, target, False))

    def _tokens(self, procedure: Procedure, target: Target) -> list[_Key]:
        return [
            (each.id, key)
            for each in self.plan.budgets
            if each.id in procedure.budgets
            for key in budget.keys(each, target)
        ]


class _Lane:
    """One procedure: its targets in order, and what each waits for."""

    def __init__(self, procedure: Procedure, chosen: Sequence[Target]) -> None:
        self.procedure = procedure
        self.targets = [each for each in chosen if each.is_up]
        self.most = ordering.parallel_limit(procedure, len(chosen))
        self.left = len(self.targets)
        self.under_way = 0
        self._queue = list(range(len(self.targets)))
        self._refused: dict[_Key, dict[int, str]] = {}

    @property
    def is_done(self) -> bool:
        return not self.left

    def next(self) -> int | None:
        """Return the next target to be tried, if there is room for one."""
        if self.under_way >= self.most or not self._queue:
            return None
        return heapq.heappop(self._queue)

    def refuse(self, at: int, key: _Key, reason: str) -> None:
        """Let a target wait until ``key`` is free."""
        self._refused.setdefault(key, {})[at] = reason

    def recall(self, keys: Sequence[_Key]) -> None:
        """Let those be tried again that wait for one of ``keys``."""
        for key in keys:
            for at in self._refused.pop(key, ()):
                heapq.heappush(self._queue, at)

    def refused(self) -> dict[str, str]:
        """Return who waits, and for what."""
        return {
            self.targets[at].name: reason
            for waiting in self._refused.values()
            for at, reason in waiting.items()
        }


def _host_key(target: Target) -> _Key:
    return ("", target.name)
