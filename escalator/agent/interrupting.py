"""Attempts that are ended before their time: stopped on demand, or hung (P-4e).

Progress is whatever an attempt leaves: output of its programs, a program that
begins or ends, or what its action tells of how far it has come.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Hashable

from escalator.agent import accounts, answers, endings, progress, records
from escalator.agent import ledger as ledgers
from escalator.domain import commands, events


@dataclasses.dataclass(frozen=True, slots=True)
class _Sign:
    """The newest sign of progress of an attempt, and when it was first seen."""

    fence: int
    sign: Hashable
    since: float


class Interrupter:
    """Ends attempts; what it ends reports through the runner as ever.

    :param clock: seconds of a clock that never jumps.
    """

    def __init__(
        self,
        teller: accounts.Teller,
        ledger: ledgers.Ledger,
        answering: answers.Answers,
        board: progress.Board,
        programs: endings.Programs,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._teller = teller
        self._ledger = ledger
        self._answers = answering
        self._board = board
        self._programs = programs
        self._clock = clock
        self._signs: dict[str, _Sign] = {}

    def halt(self, stop: commands.StopStep) -> None:
        """End the programs of an attempt, or say what became of it."""
        known = self._ledger.find(stop.step_id)
        if known is None or known.order.fence < stop.fence:
            self._answers.deny(stop)
        elif known.order.fence > stop.fence:
            self._answers.refuse(stop)
        elif known.phase is records.Phase.SETTLED:
            self._answers.tell(stop)
        else:
            ending = endings.Ending(endings.STOPPED, stop.reason)
            self._programs.end(known.order, ending)

    def gives_up(self, order: commands.RunStep) -> bool:
        """End an attempt beyond its limit without progress; True if it is over.

        Its programs are ended first, then its action reports; one without
        programs is given up at once.
        """
        known = self._ledger.find(order.step_id)
        if known is None or known.phase is not records.Phase.STARTED:
            return False
        still_s = self._still_s(order)
        if not order.progress_s or still_s < order.progress_s:
            return False
        if self._programs.ending(order) is not None:
            return False
        reason = f"no progress for {still_s:.1f} s, though its agent lives"
        if self._programs.end(order, endings.Ending(endings.HUNG, reason)):
            return False
        failed = events.Outcome.FAILED
        report = self._teller.report(order, failed, reason, endings.HUNG)
        return self._answers.try_settle(report)

    def keep_only(self, step_ids: set[str]) -> None:
        """Forget the signs of all other steps."""
        self._signs = {k: v for k, v in self._signs.items() if k in step_ids}

    def _still_s(self, order: commands.RunStep) -> float:
        """Return for how many seconds the attempt has shown no progress."""
        told = json.dumps(self._board.of(order.step_id), sort_keys=True, default=str)
        sign, now = (told, self._programs.sign(order)), self._clock()
        known = self._signs.get(order.step_id)
        if known is None or (known.fence, known.sign) != (order.fence, sign):
            self._signs[order.step_id] = _Sign(order.fence, sign, now)
            return 0.0
        return now - known.since
