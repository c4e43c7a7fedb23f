"""Change windows in a campaign that is played, in seconds from its start.  Pure.

Source: CM-1, P-0, P-2.
"""

import dataclasses
import datetime
import math
from collections.abc import Sequence

from escalator.domain import change_window, timing
from escalator.domain.change_window import ChangeWindow
from escalator.domain.plan import Procedure, Target

WINDOW = ("", "")
"""The key that a host waits under whose visit does not fit into the open window."""

LATE = "its visit ends in no change window that is left"

MOST_FRUITLESS = 100
"""After so many windows in which nothing begins, nothing ever will."""


@dataclasses.dataclass(frozen=True, slots=True)
class Closed:
    """A stretch in which nothing is begun; seconds from the campaign's start."""

    start_s: float
    end_s: float


class Calendar:
    """When hosts may be begun in one run.

    :param start_at: when the campaign is started, epoch seconds.
    :ivar is_limited: whether there are windows at all.
    """

    def __init__(
        self,
        windows: Sequence[ChangeWindow],
        start_at: float,
        learned: timing.Learned,
    ) -> None:
        self.is_limited = bool(windows)
        self._hours = change_window.Hours(windows)
        self._start_at = start_at
        self._learned = learned
        self._begun = 0
        self._fruitless = 0
        self._woken_at = -math.inf

    def opens_s(self, now_s: float) -> float:
        """Return when hosts may be begun next: ``now_s`` if now, or infinity."""
        if not self.is_limited:
            return now_s
        found = self._hours.following(self._start_at + now_s)
        return max(now_s, self._since_start(found.start)) if found else math.inf

    def is_over(self, now_s: float) -> bool:
        """Say whether no window opens any more."""
        return self.opens_s(now_s) == math.inf

    def is_late(
        self, now_s: float, procedure: Procedure, target: Target, is_rehearsed: bool
    ) -> bool:
        """Say whether a visit that began now might outlast the open window."""
        if not self.is_limited:
            return False
        need_s = timing.longest_s(procedure, target, self._learned, is_rehearsed)
        return bool(self._hours.too_late(self._start_at + now_s, need_s))

    def wake_s(self, now_s: float, begun: int) -> float | None:
        """Return when those that wait for a window are to be looked at, or None.

        That is when the next one opens, or when the last one closes.  Each time is
        returned once.

        :param begun: how many visits there were until now.
        """
        at_s = self.opens_s(now_s)
        found = self._hours.following(self._start_at + now_s)
        if at_s <= now_s and found:
            end_s = self._since_start(found.end)
            at_s = end_s if self.is_over(end_s) else self.opens_s(end_s)
        if at_s == math.inf or at_s <= self._woken_at:
            return None
        self._fruitless = 0 if begun != self._begun else self._fruitless + 1
        self._begun = begun
        if self._fruitless > MOST_FRUITLESS:
            return None
        self._woken_at = at_s
        return at_s

    def closed(self, until_s: float) -> tuple[Closed, ...]:
        """Return what is closed between the start and ``until_s``."""
        found: list[Closed] = []
        now_s = 0.0
        while self.is_limited and now_s < until_s:
            opens_s = min(self.opens_s(now_s), until_s)
            if opens_s > now_s:
                found.append(Closed(now_s, opens_s))
            window = self._hours.following(self._start_at + opens_s)
            if window is None:
                break
            now_s = self._since_start(window.end)
        return tuple(found)

    def _since_start(self, at: datetime.datetime) -> float:
        return at.timestamp() - self._start_at
