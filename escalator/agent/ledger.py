"""What this agent knows of each step, with every move on disk first.

A step's attempt is accepted, started, settled (its outcome is known) and at last
delivered.  Source: architecture section 3, rules 3 to 5.
"""

import dataclasses
import enum
import threading
import time
from collections.abc import Callable, Mapping

from escalator.agent import journal as journals
from escalator.agent import records
from escalator.domain import commands, events

RETENTION_S = 30 * 86400.0
"""How long the outcome of a delivered step is remembered."""

UNRELEASED_S = 365 * 86400.0
"""The same for a step that its campaign has not released: it may be undone yet."""


class Verdict(enum.StrEnum):
    """What to do with an order."""

    NEW = "new"
    REPEATED = "repeated"
    REFUSED = "refused"


class Ledger:
    """The steps of one agent; any thread may use it.

    :param journal: not yet read; it is replayed and compacted here.
    :param clock: epoch seconds.
    """

    def __init__(
        self, journal: journals.Journal, clock: Callable[[], float] = time.time
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._book = records.replay(journal.read())
        now = clock()
        records.forget(self._book, now - RETENTION_S, now - UNRELEASED_S)
        journal.rewrite(records.compact(self._book))

    def accept(self, order: commands.RunStep) -> Verdict:
        """Take an order; NEW is on disk when this returns.

        :raises OSError: the journal does not take it; nothing may be done.
        """
        entries, now = self._book.entries, self._clock()
        with self._lock:
            known = entries.get(order.step_id)
            verdict = _judge(known, order)
            if verdict is not Verdict.NEW:
                return verdict
            mine = records.Entry(order, records.Phase.ACCEPTED, now)
            entries[order.step_id] = mine
        try:
            self._journal.append(records.accepted(order, now))
        except BaseException:
            self._take_back(mine, known)
            raise
        return Verdict.NEW

    def start(self, order: commands.RunStep) -> bool:
        """Note that acting begins; False if it was overtaken or given up.

        :raises OSError: the journal does not take it; nothing may be done.
        """
        if not self._is_open(order):
            return False
        self._journal.append(records.started(order))
        with self._lock:
            entry = self._book.entries[order.step_id]
            if entry.order.fence != order.fence or entry.report is not None:
                return False
            entry.phase = records.Phase.STARTED
        return True

    def settle(self, report: events.StepReported) -> bool:
        """Note an outcome; False if it is known already or of an old fence.

        :raises OSError: the journal does not take it; try again.
        """
        with self._lock:
            entry = self._book.entries.get(report.step_id)
            if entry is None or entry.order.fence != report.fence or entry.report:
                return False
            entry.report = report
        try:
            self._journal.append(records.outcome(report))
        except BaseException:
            with self._lock:
                entry.report = None
            raise
        with self._lock:
            entry.phase = records.Phase.SETTLED
            self._book.owed[report.event_id] = report
        return True

    def deliver(self, event_id: str) -> None:
        """Note that the bus has a report; if that gets lost it is sent again."""
        with self._lock:
            was_owed = records.settle_delivery(self._book, event_id)
        if was_owed:
            self._journal.append_soon(records.delivered(event_id))

    def release(self, fences: Mapping[str, int]) -> set[str]:
        """Note that steps will never be undone; return those that it holds for.

        :param fences: step id -> highest fence that the release knows of; a step
            that was ordered with a higher one meanwhile is left out.
        :raises OSError: it is not on disk.
        """
        with self._lock:
            found = {
                step_id
                for step_id, fence in fences.items()
                if (entry := self._book.entries.get(step_id)) is not None
                and entry.order.fence <= fence
                and entry.phase is records.Phase.SETTLED
            }
            for step_id in found:
                self._book.entries[step_id].is_released = True
        if found:
            self._journal.append(records.released(sorted(found)))
        return found

    def kept_ids(self) -> set[str]:
        """Return the ids of the steps that may yet have to be undone."""
        with self._lock:
            entries = self._book.entries.items()
            return {step_id for step_id, entry in entries if not entry.is_released}

    def find(self, step_id: str) -> records.Entry | None:
        """Return a copy of what is known of a step."""
        with self._lock:
            entry = self._book.entries.get(step_id)
            return None if entry is None else dataclasses.replace(entry)

    def step_ids(self) -> set[str]:
        """Return the ids of all steps that are remembered."""
        with self._lock:
            return set(self._book.entries)

    def unsettled(self) -> list[records.Entry]:
        """Return copies of the entries without an outcome, oldest first."""
        with self._lock:
            return [
                dataclasses.replace(entry)
                for entry in self._book.entries.values()
                if entry.phase is not records.Phase.SETTLED
            ]

    def undelivered(self) -> list[events.StepReported]:
        """Return the reports that the bus has not confirmed, oldest first."""
        with self._lock:
            return list(self._book.owed.values())

    def _is_open(self, order: commands.RunStep) -> bool:
        with self._lock:
            entry = self._book.entries.get(order.step_id)
            if entry is None or entry.report is not None:
                return False
            return entry.order.fence == order.fence

    def _take_back(self, mine: records.Entry, known: records.Entry | None) -> None:
        with self._lock:
            if self._book.entries.get(mine.order.step_id) is not mine:
                return
            if known is None:
                del self._book.entries[mine.order.step_id]
            else:
                self._book.entries[mine.order.step_id] = known


def _judge(known: records.Entry | None, order: commands.RunStep) -> Verdict:
    if known is None or known.order.fence < order.fence:
        return Verdict.NEW
    seen = known.order
    if (seen.fence, seen.attempt) == (order.fence, order.attempt):
        return Verdict.REPEATED
    return Verdict.REFUSED
