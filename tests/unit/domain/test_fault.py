"""The law of detection under a controlled clock (DR-3, DR-4, DR-10)."""

import dataclasses
import unittest
from collections.abc import Callable, Iterable
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from escalator.domain import fault

T = 0.1
RTT = 0.001
LAW = fault.Law(interval_s=T, flap_window_s=5.0)


@dataclasses.dataclass(frozen=True)
class Echo:
    host: str
    at: float


class World:
    """Plays rounds on a grid; ``answers(host, round)`` decides who is heard."""

    def __init__(self, hosts: Iterable[str], law: fault.Law = LAW) -> None:
        self.hosts = tuple(hosts)
        self.detector = fault.Detector(law)
        self.now = 100.0
        self.round = 0
        self.failed: dict[str, fault.Verdict] = {}
        self.failed_at: list[tuple[float, str]] = []
        self.returned_at: list[tuple[float, str]] = []
        self.detector.watch(self.hosts, self.now)

    def play(
        self, rounds: int, answers: Callable[[str, int], bool]
    ) -> list[fault.Judgement]:
        return [self.turn(answers) for _ in range(rounds)]

    def turn(self, answers: Callable[[str, int], bool]) -> fault.Judgement:
        self.detector.sent(self.now, self.now)
        self.round += 1
        at = self.now + RTT
        heard = [Echo(h, at) for h in self.hosts if answers(h, self.round)]
        self.detector.hear(heard)
        while self.now + fault.GRACE_SHARE * T < self.detector.due_at:
            self.now += fault.GRACE_SHARE * T
            self.detector.awake(self.now)
        self.now = self.detector.due_at
        judgement = self.detector.judge(self.now)
        assert judgement is not None
        for verdict in judgement.failed:
            self.failed[verdict.host] = verdict
            self.failed_at.append((self.now, verdict.host))
        self.returned_at += [(self.now, host) for host in judgement.returned]
        return judgement


def names(count: int) -> list[str]:
    return [f"h{n}" for n in range(count)]


def always(host: str, number: int) -> bool:
    return True


def answers_but(dead: str, host: str, number: int) -> bool:
    return host != dead


def never(host: str, number: int) -> bool:
    return False


class LawTest(unittest.TestCase):
    def test_k_misses_in_a_row_fail_and_k_answers_clear(self) -> None:
        world = World(["a", "b"])
        world.play(5, always)
        began = world.now
        world.play(10, lambda host, number: host == "b")
        (at, host), *more = world.failed_at
        self.assertEqual(("a", []), (host, more))
        self.assertAlmostEqual(began + 3 * T, at)
        self.assertAlmostEqual(began - T + RTT, world.failed["a"].since)
        self.assertTrue(world.failed["a"].has_answered)
        back = world.now
        world.play(5, always)
        self.assertEqual(["a"], [host for _, host in world.returned_at])
        self.assertAlmostEqual(back + 3 * T, world.returned_at[0][0])

    def test_answers_must_come_in_a_row_to_clear(self) -> None:
        world = World(["a"])
        world.play(4, never)
        world.play(12, lambda host, number: number % 3 != 0)
        self.assertEqual([], world.returned_at)

    def test_a_host_that_never_answered_is_found_too(self) -> None:
        """After a kill -9 of the monitor hosts still down are found again."""
        world = World(["a", "b"])
        world.play(3, lambda host, number: host == "b")
        self.assertEqual({"a"}, set(world.failed))
        self.assertFalse(world.failed["a"].has_answered)
        self.assertEqual(100.0, world.failed["a"].since)

    def test_hosts_judged_in_the_same_round_come_as_one_batch(self) -> None:
        world = World(names(100))
        world.play(2, always)
        judged = world.play(6, lambda host, number: int(host[1:]) >= 40)
        sizes = [len(judgement.failed) for judgement in judged]
        self.assertEqual([0, 0, 40, 0, 0, 0], sizes)

    def test_one_live_host_never_hides_a_dead_one(self) -> None:
        """The flaw of Doctor's sample monitor (DR-3)."""
        world = World(["live", "dead"])
        world.play(3, always)
        live = [Echo("live", 0.0)] * 50
        for _ in range(4):
            world.detector.hear(live)
            world.turn(lambda host, number: host == "live")
        self.assertEqual({"dead"}, set(world.failed))

    def test_unwatched_hosts_are_dropped_and_known_ones_keep_their_history(
        self,
    ) -> None:
        world = World(["a", "b"])
        world.play(2, always)
        world.play(2, never)
        world.detector.watch(["b", "c"], world.now)
        world.hosts = ("b", "c")
        world.turn(never)
        self.assertEqual({"b"}, set(world.failed))
        world.play(2, never)
        self.assertEqual({"b", "c"}, set(world.failed))
        world.detector.hear([Echo("a", world.now)])

    def test_hosts_known_down_are_no_news_but_their_return_is(self) -> None:
        """A restarted probe loop neither repeats a fault nor loses its end."""
        world = World([])
        world.hosts = ("a", "b")
        world.detector.watch(world.hosts, world.now, down={"a"})
        world.play(5, lambda host, number: host == "b")
        self.assertEqual({}, world.failed)
        world.play(3, always)
        self.assertEqual(["a"], [host for _, host in world.returned_at])

    def test_down_counts_for_new_hosts_only(self) -> None:
        """Else news that travels the other way would mute a later fault."""
        world = World(["a"])
        world.play(2, always)
        world.detector.watch(["a"], world.now, down={"a"})
        world.play(3, never)
        self.assertEqual({"a"}, set(world.failed))


class FlapTest(unittest.TestCase):
    def test_each_further_fault_doubles_the_price_of_coming_back(self) -> None:
        world = World(["a"])
        owed = []
        for _ in range(3):
            world.play(3, never)
            count, seen = 0, len(world.returned_at)
            while len(world.returned_at) == seen:
                world.turn(always)
                count += 1
            owed.append(count)
        self.assertEqual([3, 6, 12], owed)
        self.assertEqual(3, world.failed["a"].faults)

    def test_old_faults_are_forgiven(self) -> None:
        world = World(["a"])
        world.play(3, never)
        world.play(int(LAW.flap_window_s / T) + 3, always)
        world.play(3, never)
        self.assertEqual(1, world.failed["a"].faults)


class StormTest(unittest.TestCase):
    def storm(self, dead: int, rounds: int, total: int = 100) -> World:
        world = World(names(total))
        world.play(2, always)
        world.play(rounds, lambda host, number: int(host[1:]) >= dead)
        return world

    def test_a_storm_is_held_and_then_believed_in_one_batch(self) -> None:
        self.assertEqual(0, len(self.storm(60, rounds=5).failed))
        believed = self.storm(60, rounds=6)
        self.assertEqual(60, len(believed.failed))
        self.assertEqual(1, len({at for at, _ in believed.failed_at}))
        self.assertTrue(believed.failed["h0"].is_storm)

    def test_half_of_the_hosts_or_few_of_them_are_no_storm(self) -> None:
        self.assertEqual(50, len(self.storm(50, rounds=3).failed))
        self.assertEqual(3, len(self.storm(3, rounds=3, total=3).failed))

    def test_a_small_cloud_has_storms_too(self) -> None:
        self.assertEqual(0, len(self.storm(4, rounds=5, total=4).failed))
        self.assertEqual(0, len(self.storm(6, rounds=5, total=6).failed))
        self.assertEqual(3, len(self.storm(3, rounds=3, total=6).failed))

    def lose(
        self, targets: Iterable[str], lost: Callable[[str], bool], rounds: int = 5
    ) -> World:
        world = World(targets)
        world.play(2, always)
        world.play(rounds, lambda target, number: not lost(target))
        return world

    def test_one_host_of_many_interfaces_is_no_storm(self) -> None:
        many = [f"a%eth{n}" for n in range(30)]
        world = self.lose([*many, "b", "c"], lambda target: target in many, 3)
        self.assertEqual(set(many), set(world.failed))

    def test_the_same_interface_of_most_hosts_is_a_storm(self) -> None:
        """It is the monitor's own wire to that network, perhaps."""
        nics = [f"{host}%eth{n}" for host in names(30) for n in (1, 2, 3)]
        world = self.lose(nics, lambda target: target.endswith("%eth2"))
        self.assertEqual({}, world.failed)
        world = self.lose(nics, lambda target: target.endswith("%eth2"), 6)
        self.assertEqual(30, len(world.failed))
        self.assertTrue(world.failed["h7%eth2"].is_storm)

    def test_where_one_miss_is_enough_several_hosts_wait_for_the_others(self) -> None:
        """Two sessions of six end a moment before the others: a storm begins."""
        law = dataclasses.replace(LAW, misses=1)
        first = {"h0": 3, "h1": 3}
        world = World(names(6), law)
        world.play(6, lambda host, number: number < first.get(host, 4))
        self.assertEqual({}, world.failed)
        world.play(1, never)
        self.assertEqual(6, len(world.failed))
        self.assertTrue(all(found.is_storm for found in world.failed.values()))

    def test_where_one_miss_is_enough_one_host_does_not_wait(self) -> None:
        law = dataclasses.replace(LAW, misses=1)
        world = World([*names(6), "a%eth1", "a%eth2"], law)
        world.play(2, always)
        world.play(1, lambda host, number: not host.startswith("a"))
        self.assertEqual({"a%eth1", "a%eth2"}, set(world.failed))
        world.play(1, lambda host, number: host not in ("h0", "h1"))
        self.assertNotIn("h0", world.failed)
        world.play(1, lambda host, number: host not in ("h0", "h1"))
        self.assertLessEqual({"h0", "h1"}, set(world.failed))

    def test_a_storm_that_passes_was_none(self) -> None:
        world = self.storm(100, rounds=5)
        world.play(5, always)
        self.assertEqual({}, world.failed)

    def test_the_dead_remain_when_the_others_come_back(self) -> None:
        world = self.storm(100, rounds=4)
        world.play(5, lambda host, number: host != "h7")
        self.assertEqual({"h7"}, set(world.failed))


class StallTest(unittest.TestCase):
    def setUp(self) -> None:
        self.detector = fault.Detector(LAW)
        self.detector.watch(["a"], 0.0)
        for number in range(3):
            self.detector.sent(number * T, number * T)
            for quarter in (1, 2, 3):
                self.detector.awake((number + quarter / 4) * T)
            if number < 2:
                self.detector.judge(self.detector.due_at)

    def test_a_late_judgement_waits_for_answers_to_be_read(self) -> None:
        woke = 0.8
        self.assertIsNone(self.detector.judge(woke))
        self.assertAlmostEqual(woke + fault.GRACE_SHARE * T, self.detector.due_at)
        self.detector.hear([Echo("a", 0.81)])
        judgement = self.detector.judge(self.detector.due_at)
        self.assertEqual(fault.CALM, judgement)

    def test_only_what_the_stall_covered_is_held(self) -> None:
        """The round is judged a moment later, not left out."""
        self.assertIsNone(self.detector.judge(0.8))
        judgement = self.detector.judge(self.detector.due_at)
        assert judgement is not None
        self.assertEqual(["a"], [verdict.host for verdict in judgement.failed])
        self.assertEqual(1, self.detector.stalls)

    def test_a_stall_that_ends_just_before_the_judgement_counts_too(self) -> None:
        self.detector.judge(self.detector.due_at)
        self.detector.sent(0.3, 0.3)
        self.detector.awake(0.399)
        self.assertAlmostEqual(0.399 + fault.GRACE_SHARE * T, self.detector.due_at)

    def test_a_round_is_never_shortened_to_catch_up(self) -> None:
        self.detector.sent(0.555, 0.56)
        self.assertAlmostEqual(0.655, self.detector.due_at)
        self.detector.sent(0.66, 0.9)
        self.assertAlmostEqual(0.9 + fault.MIN_OPEN_SHARE * T, self.detector.due_at)


def losses(misses: int) -> st.SearchStrategy[list[bool]]:
    """Rounds answered or not, fewer than ``misses`` lost in a row."""

    def repair(answered: list[bool]) -> list[bool]:
        row = 0
        for at, is_answered in enumerate(answered):
            row = 0 if is_answered else row + 1
            if row == misses:
                answered[at], row = True, 0
        return answered

    return st.lists(st.booleans(), min_size=1, max_size=60).map(repair)


class PropertyTest(unittest.TestCase):
    @given(
        misses=st.integers(1, 5),
        data=st.data(),
    )
    @settings(max_examples=150, deadline=None)
    def test_fewer_misses_in_a_row_never_make_a_fault(
        self, misses: int, data: st.DataObject
    ) -> None:
        law = dataclasses.replace(LAW, misses=misses)
        patterns = {
            host: data.draw(losses(misses)) for host in names(data.draw(st.just(4)))
        }
        world = World(patterns, law)
        world.play(
            60,
            lambda host, number: (
                number > len(patterns[host]) or patterns[host][number - 1]
            ),
        )
        self.assertEqual({}, world.failed)

    @given(
        misses=st.integers(1, 5),
        died_after=st.floats(0.0, 3.0),
        others=st.integers(1, 30),
    )
    @settings(max_examples=150, deadline=None)
    def test_a_dead_host_among_live_ones_is_found_between_k_and_k_plus_1(
        self, misses: int, died_after: float, others: int
    ) -> None:
        world = World(
            [*names(others), "victim"], dataclasses.replace(LAW, misses=misses)
        )
        died_at = world.now + died_after
        while not world.failed and world.round < 60:
            is_dead = world.now >= died_at
            world.turn(partial(answers_but, "victim" if is_dead else ""))
        self.assertEqual({"victim"}, set(world.failed))
        took = world.failed_at[0][0] - died_at
        self.assertGreaterEqual(took, misses * T - 1e-6)
        self.assertLessEqual(took, (misses + 1) * T + 1e-6)
        self.assertLessEqual(world.failed["victim"].since, died_at + RTT)
