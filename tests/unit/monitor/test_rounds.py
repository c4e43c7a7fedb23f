"""The probe loop itself, in a world whose time can stand still."""

import dataclasses
import heapq
import unittest
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from escalator.domain import fault
from escalator.drivers import base
from escalator.monitor import report, rounds

T = 0.1
RTT = 0.002
EPOCH = 1_000_000.0


@dataclasses.dataclass(frozen=True)
class Stall:
    """``is_machine``: the network stands still as well, not only the loop."""

    at: float
    length: float
    is_machine: bool


class World(base.Probe):
    """A clock, a network and its hosts; also the loop's probe and outlet.

    Every reply waits in the socket from its arrival until it is read.
    """

    def __init__(
        self,
        stalls: Sequence[Stall] = (),
        deaths: Mapping[str, float] | None = None,
        rtt: Mapping[str, float] | None = None,
    ) -> None:
        self.rtt = rtt or {}
        self.now = 0.0
        self.stalls = sorted(stalls, key=lambda stall: stall.at)
        self.deaths = deaths or {}
        self.hosts: tuple[str, ...] = ()
        self.wire: list[tuple[float, str]] = []
        self.judgements: list[report.Judged] = []
        self.late_s: list[float] = []
        self.is_closed = False

    def pass_time(self, span: float) -> None:
        until = self.now + span
        while self.stalls and self.stalls[0].at <= until:
            stall = self.stalls.pop(0)
            end = stall.at + stall.length
            if stall.is_machine:
                self.wire = [
                    (end + RTT if stall.at <= at < end else at, host)
                    for at, host in self.wire
                ]
                heapq.heapify(self.wire)
            until = max(until, end)
        self.now = until

    def clock(self) -> rounds.Clock:
        return rounds.Clock(lambda: self.now, lambda: self.now + EPOCH, self.pass_time)

    def set_targets(self, targets: Mapping[str, str]) -> None:
        self.hosts = tuple(targets)

    def send(self) -> None:
        for host in self.hosts:
            self.pass_time(0.0001)
            if self.now < self.deaths.get(host, float("inf")):
                heapq.heappush(self.wire, (self.now + self.rtt.get(host, RTT), host))

    def receive(self, timeout_s: float) -> list[base.Reply]:
        until = self.now + timeout_s
        if self.wire:
            until = min(until, max(self.now, self.wire[0][0]))
        self.pass_time(until - self.now)
        read = []
        while self.wire and self.wire[0][0] <= self.now:
            at, host = heapq.heappop(self.wire)
            read.append(base.Reply(host, at))
        return read

    def close(self) -> None:
        self.is_closed = True

    def judged(self, judged: report.Judged) -> None:
        self.judgements.append(judged)

    def ticked(self, late_s: Sequence[float]) -> None:
        self.late_s += late_s

    def run(self, hosts: int, until: float, law: fault.Law) -> dict[str, float]:
        """Return when each host was found failed."""
        orders = [rounds.Order({f"h{n}": "" for n in range(hosts)})]

        def read_order() -> rounds.Order | None:
            if self.now > until:
                raise EOFError
            return orders.pop() if orders else None

        rounds.Rounds(self, law, read_order, self, self.clock()).run()
        return {
            failure.host: judged.at - EPOCH
            for judged in self.judgements
            for failure in judged.failed
        }


LAW = fault.Law(interval_s=T)

stalls = st.lists(
    st.builds(Stall, st.floats(0.0, 3.0), st.floats(0.0, 1.5), st.booleans()),
    max_size=8,
)


class RoundsTest(unittest.TestCase):
    def test_verdicts_carry_wall_clock_times(self) -> None:
        world = World(deaths={"h1": 0.55})
        found = world.run(3, 2.0, LAW)
        self.assertEqual({"h1"}, set(found))
        (judged,) = world.judgements
        (failure,) = judged.failed
        self.assertTrue(EPOCH + 0.5 < failure.t0 < EPOCH + 0.55)
        self.assertTrue(EPOCH + 0.85 < judged.at < EPOCH + 0.96)

    def test_it_ends_on_order_and_leaves_nothing_open(self) -> None:
        world = World()
        world.run(3, 1.0, LAW)
        self.assertTrue(world.is_closed)
        self.assertEqual(11, len(world.late_s))

    def test_its_own_lateness_is_told(self) -> None:
        world = World([Stall(0.45, 0.7, False)])
        world.run(3, 2.0, LAW)
        self.assertTrue(0.6 < max(world.late_s) < 0.7)

    def test_what_has_arrived_is_read_before_it_is_judged(self) -> None:
        """The second answer comes while the loop lets packets gather."""
        law = dataclasses.replace(LAW, misses=1)
        world = World(rtt={"h0": T - 0.0015, "h1": T - 0.001})
        self.assertEqual({}, world.run(2, 1.0, law))

    @given(stalls)
    @settings(max_examples=300, deadline=None)
    def test_a_stall_never_produces_a_false_alarm(self, stalled: list[Stall]) -> None:
        self.assertEqual({}, World(stalled).run(20, 4.0, LAW))

    @given(stalls)
    @settings(max_examples=100, deadline=None)
    def test_a_stalled_loop_judges_right_even_with_one_miss_as_law(
        self, stalled: list[Stall]
    ) -> None:
        law = dataclasses.replace(LAW, misses=1)
        processes = [dataclasses.replace(stall, is_machine=False) for stall in stalled]
        self.assertEqual({}, World(processes).run(20, 4.0, law))

    @given(stalls, st.floats(0.0, 3.0))
    @settings(max_examples=200, deadline=None)
    def test_a_stall_delays_a_verdict_by_little_more_than_itself(
        self, stalled: list[Stall], died_at: float
    ) -> None:
        found = World(stalled, {"h7": died_at}).run(8, 25.0, LAW)
        self.assertEqual({"h7"}, set(found))
        # Grace, and the rest of a round that the stall put off the grid.
        excused = sum(stall.length + 0.5 * T for stall in stalled)
        self.assertLessEqual(found["h7"] - died_at, 4 * T + 0.011 + excused)
