"""One procedure of a campaign that is played forward: who is next, who waits.

A target waits under the one key that refuses it.  When the key is free, those that
wait there are tried again one by one, in their order, until it refuses again: what
it refuses to one it refuses to all that need as much.  So a key that thousands wait
under costs no more than those it lets through.
"""

import heapq
from collections.abc import Sequence

from escalator.domain import last, ordering, stages, timing
from escalator.domain.plan import Opening, Procedure, Target

Key = tuple[str, str]
_Place = tuple[str, str, float]


class WaitingRoom:
    """Targets by their number in the order; the lowest goes first.

    Those that were never tried, and those under keys that are free, are awake.
    """

    def __init__(self, count: int) -> None:
        self._awake: list[tuple[int, _Place | None]] = [
            (at, None) for at in range(count)
        ]
        self._waiting: dict[_Place, list[int]] = {}
        self._places: dict[Key, set[_Place]] = {}
        self._is_awake: set[_Place] = set()
        self._reasons: dict[int, str] = {}

    def next(self) -> tuple[int, _Place | None] | None:
        """Take the first one that may be tried, with where it waited."""
        if not self._awake:
            return None
        at, place = heapq.heappop(self._awake)
        if place is None:
            return at, None
        at = heapq.heappop(self._waiting[place])
        self._is_awake.discard(place)
        return at, place

    def refuse(
        self, at: int, before: _Place | None, key: Key, need: float, reason: str
    ) -> None:
        """Let one that was tried wait until ``key`` is free.

        :param before: where it waited.
        :param need: how much of the key it needs.
        """
        place = (*key, need)
        heapq.heappush(self._waiting.setdefault(place, []), at)
        self._places.setdefault(key, set()).add(place)
        self._reasons[at] = reason
        if before is not None and before != place:
            self._wake(before)

    def admit(self, at: int, before: _Place | None) -> None:
        """Note that one that was tried has begun: others may follow it."""
        self._reasons.pop(at, None)
        if before is not None:
            self._wake(before)

    def recall(self, key: Key) -> None:
        """Let those be tried again that wait for ``key``."""
        for place in self._places.get(key, ()):
            self._wake(place)

    def reasons(self) -> dict[int, str]:
        """Return who waits, and for what."""
        return self._reasons

    def _wake(self, place: _Place) -> None:
        if self._waiting[place] and place not in self._is_awake:
            self._is_awake.add(place)
            heapq.heappush(self._awake, (self._waiting[place][0], place))


class Lane:
    """One procedure: its targets in order, and how many are under way.

    :ivar is_rehearsed: whether its undo is proven, or need not be.
    """

    def __init__(
        self, procedure: Procedure, chosen: Sequence[Target], queue: last.Queue
    ) -> None:
        self.queue = queue
        self.procedure = procedure
        self.targets = [each for each in chosen if each.is_up]
        self.left = len(self.targets)
        self._most = ordering.parallel_limit(procedure, len(chosen))
        self._under_way = 0
        self._waiting = WaitingRoom(len(self.targets))
        self._tried: tuple[int, _Place | None] = (0, None)
        self._stages = list(procedure.stages)
        self._population = len(chosen)
        self._room = self._take()
        self.is_rehearsed = not procedure.rehearse_undo

    @property
    def is_done(self) -> bool:
        return not self.left

    def rounds_s(self, seconds: float, target: Target) -> float:
        """Return how long the next visit takes: one round, or there, back and there.

        :param seconds: of one round.
        """
        if self.is_rehearsed:
            return seconds
        return 2 * seconds + timing.undo_s(self.procedure, target)

    def next(self) -> Target | None:
        """Return the next target to be tried, if there is room for one."""
        most = self._most if self.is_rehearsed else 1
        if self._under_way >= most or self._room == 0:
            return None
        found = self._waiting.next()
        if found is None:
            return None
        self._tried = found
        return self.targets[found[0]]

    def refuse(self, key: Key, reason: str, need: float = 1.0) -> None:
        """Let the target that was tried wait until ``key`` is free."""
        self._waiting.refuse(*self._tried, key, need, reason)

    def begin(self) -> None:
        """Count the target that was tried as under way."""
        self._waiting.admit(*self._tried)
        self._under_way += 1
        if self._room is not None:
            self._room -= 1

    def end(self, target: Target) -> None:
        """Note that a target is done."""
        self._under_way -= 1
        self.left -= 1
        self.is_rehearsed = True
        self.queue.settle(target)

    def recall(self, keys: Sequence[Key]) -> None:
        """Let those be tried again that wait for one of ``keys``."""
        for key in keys:
            self._waiting.recall(key)

    def refused(self) -> dict[str, str]:
        """Return who waits, and for what."""
        reasons = self._waiting.reasons()
        return {self.targets[at].name: reason for at, reason in reasons.items()}

    @property
    def is_at_gate(self) -> bool:
        """True if a stage is done and somebody is left behind its gate."""
        return self._room == 0 and not self._under_way and not self.is_done

    @property
    def wait_s(self) -> float:
        """Seconds until the gate of the present stage opens."""
        return self._stages[0].wait_s

    @property
    def is_approved(self) -> bool:
        """True if a person opens the gate of the present stage."""
        return self._stages[0].gate == Opening.APPROVE

    def open(self) -> str:
        """Go on to the next stage; returns the name of the gate."""
        gone = self._stages.pop(0)
        self._room = self._take()
        return stages.name(self.procedure, gone.id)

    def _take(self) -> int | None:
        return stages.size(self._stages[0], self._population) if self._stages else None
