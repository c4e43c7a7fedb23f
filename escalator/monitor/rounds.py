"""The probe loop: send, listen, judge, tell; nothing else runs in it."""

import dataclasses
import time
from collections.abc import Callable, Mapping

from escalator.domain import fault
from escalator.drivers import base
from escalator.monitor import report

PAUSE_SHARE = 0.02
"""After a read, packets gather for this share of an interval: one wake-up
for many answers."""

TELL_SHARE = 0.2
"""After a verdict the next round waits this share of an interval, within the
detector's tolerance of lateness: its burst of probes and answers would
compete with the verdict for the cores (measured: 7 ms at 700 hosts)."""

TICKS_PER_REPORT = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """The loop's only ways to time; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What to watch: target -> address, and which are known to be dead."""

    targets: Mapping[str, str]
    down: frozenset[str] = frozenset()


class Rounds:
    """Probes in rounds until told to stop.

    :param read_order: asked once a round and must not block: an order, None
        if there is nothing new.  Raises EOFError to end the loop.
    """

    def __init__(
        self,
        probe: base.Probe,
        law: fault.Law,
        read_order: Callable[[], Order | None],
        outlet: report.Outlet,
        clock: Clock | None = None,
    ) -> None:
        self._probe = probe
        self._detector = fault.Detector(law)
        self._step_s = fault.GRACE_SHARE * law.interval_s
        self._pause_s = PAUSE_SHARE * law.interval_s
        self._tell_s = TELL_SHARE * law.interval_s
        self._read_order = read_order
        self._outlet = outlet
        self._clock = clock or Clock()
        self._late_s: list[float] = []

    def run(self) -> None:
        """Probe until ``read_order`` raises EOFError; closes the probe."""
        try:
            while True:
                self.turn()
        except EOFError:
            return
        finally:
            self._outlet.ticked(self._late_s)
            self._probe.close()

    def turn(self) -> None:
        """Carry out one round.

        :raises EOFError: the loop is to end.
        """
        order = self._read_order()
        if order is not None:
            self._probe.set_targets(order.targets)
            self._detector.watch(order.targets, self._clock.monotonic(), order.down)
        started = self._clock.monotonic()
        self._probe.send()
        self._detector.sent(started, self._clock.monotonic())
        judgement = self._await_judgement()
        if judgement.failed or judgement.returned:
            self._outlet.judged(self._tell(judgement))
            self._clock.sleep(self._tell_s)
        if len(self._late_s) >= TICKS_PER_REPORT:
            self._outlet.ticked(self._late_s)
            self._late_s = []

    def _await_judgement(self) -> fault.Judgement:
        """Listen until the round is judged; a stall may move that moment."""
        due_at, judgement = self._detector.due_at, None
        while judgement is None:
            self._listen()
            # Judge what had arrived by now: so read it first.
            now = self._clock.monotonic()
            self._detector.hear(self._probe.receive(0))
            judgement = self._detector.judge(now)
        self._late_s.append(now - due_at)
        return judgement

    def _listen(self) -> None:
        clock, detector = self._clock, self._detector
        while (left := detector.due_at - clock.monotonic()) > 0:
            replies = self._probe.receive(min(left, self._step_s))
            now = clock.monotonic()
            detector.awake(now)
            if replies:
                detector.hear(replies)
                clock.sleep(max(0.0, min(self._pause_s, detector.due_at - now)))

    def _tell(self, judgement: fault.Judgement) -> report.Judged:
        wall = self._clock.wall()
        offset = wall - self._clock.monotonic()
        return report.Judged(
            wall,
            tuple(
                report.Failure(
                    verdict.host,
                    verdict.since + offset,
                    verdict.misses,
                    verdict.faults,
                    verdict.has_answered,
                    verdict.is_storm,
                )
                for verdict in judgement.failed
            ),
            judgement.returned,
        )
