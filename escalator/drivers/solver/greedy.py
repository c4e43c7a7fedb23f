"""Earliest fit: each demand at the first moment where nothing is in its way.

Several orders of the demands are tried and the plan that ends first wins.
Sound, not optimal: it may miss a schedule that only a search would find.
"""

import bisect
from collections.abc import Callable, Sequence

from escalator import errors
from escalator.drivers.base import Demand, Solver

Busy = dict[str, list[tuple[int, int]]]

_ORDERS: tuple[Callable[[Demand], tuple[int, str]], ...] = (
    lambda demand: (0, ""),
    lambda demand: (-demand.length_min, demand.id),
    lambda demand: (-len(demand.resources), demand.id),
    lambda demand: (demand.length_min, demand.id),
)
"""As given, longest first, widest first, shortest first."""


class Greedy(Solver):
    """Deterministic: the same question has the same answer."""

    def solve(
        self,
        demands: Sequence[Demand],
        window_min: tuple[int, int],
        taken: Sequence[tuple[str, int, int]],
        concurrent: int,
    ) -> dict[str, int]:
        """Return demand id -> start; see :meth:`base.Solver.solve`.

        :raises NoSchedule: the reason names the demand and what is in its
            way.
        """
        reasons: list[str] = []
        plans: list[tuple[int, dict[str, int]]] = []
        for ordered in dict.fromkeys(
            tuple(sorted(demands, key=order)) for order in _ORDERS
        ):
            board = _Board(window_min, taken, concurrent)
            try:
                plans.append(board.place(ordered))
            except errors.NoSchedule as error:
                reasons.append(str(error.fields["reason"]))
        if not plans:
            raise errors.NoSchedule(reason=reasons[0])
        _, starts = min(plans, key=lambda plan: (plan[0], sum(plan[1].values())))
        return {demand.id: starts[demand.id] for demand in demands}


class _Board:
    """What is occupied when, minute by minute."""

    def __init__(
        self,
        window_min: tuple[int, int],
        taken: Sequence[tuple[str, int, int]],
        concurrent: int,
    ) -> None:
        self._first, self._last = window_min
        self._concurrent = concurrent
        self._running = [0] * max(0, self._last - self._first)
        self._open = self._first
        self._busy: Busy = {}
        for resource, start, end in taken:
            self._busy.setdefault(resource, []).append((start, end))
        for resource, spans in self._busy.items():
            self._busy[resource] = _merged(spans)

    def place(self, demands: Sequence[Demand]) -> tuple[int, dict[str, int]]:
        """Return the end of the last demand and every start.

        :raises NoSchedule: one does not fit.
        """
        starts: dict[str, int] = {}
        end = self._first
        for demand in demands:
            start = self._find(demand)
            starts[demand.id] = start
            end = max(end, start + demand.length_min)
            self._occupy(demand, start)
        return end, starts

    def _find(self, demand: Demand) -> int:
        start, obstacle = self._open, "the window is too short for it"
        if start > self._first:
            obstacle = self._crowd()
        while start + demand.length_min <= self._last:
            later, found = self._next(demand, start)
            if later == start:
                return start
            start, obstacle = later, found
        reason = f"{demand.id} ({demand.length_min} min): {obstacle}"
        raise errors.NoSchedule(reason=reason)

    def _next(self, demand: Demand, start: int) -> tuple[int, str]:
        """Return the first start not ruled out, and what ruled ``start`` out."""
        end = start + demand.length_min
        for resource in demand.resources:
            free_at = self._free_at(resource, start, end)
            if free_at > start:
                return free_at, f"{resource} is taken"
        for minute in range(end - 1, start - 1, -1):
            if self._is_full(minute):
                return minute + 1, self._crowd()
        return start, ""

    def _crowd(self) -> str:
        return f"{self._concurrent} run at once already"

    def _is_full(self, minute: int) -> bool:
        return (
            minute < self._last
            and self._running[minute - self._first] >= self._concurrent
        )

    def _free_at(self, resource: str, start: int, end: int) -> int:
        """Return ``start`` if [start, end) is free, else when the next gap begins."""
        spans = self._busy.get(resource, [])
        index = bisect.bisect_left(spans, (end, end))
        return max(start, spans[index - 1][1]) if index else start

    def _occupy(self, demand: Demand, start: int) -> None:
        end = start + demand.length_min
        for minute in range(start - self._first, end - self._first):
            self._running[minute] += 1
        while self._is_full(self._open):
            self._open += 1
        for resource in dict.fromkeys(demand.resources):
            spans = self._busy.get(resource, [])
            self._busy[resource] = _merged([*spans, (start, end)])


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, with none that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
