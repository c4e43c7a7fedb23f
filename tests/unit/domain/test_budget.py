import time
import unittest
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from escalator.domain import budget
from escalator.domain.budget import Hold, Ledger
from escalator.domain.plan import Budget, Target

FLEET = Budget("fleet", "all", max_down=4)
RACK = Budget("rack", "fact", "rack", max_down=2)
GROUP = Budget("group", "server_group", max_down=1)


def _rack(*names: str, rack: str = "R1") -> list[Target]:
    return [Target(name, rack=rack) for name in names]


class KeysTest(unittest.TestCase):
    def test_keys_by_scope(self) -> None:
        target = Target("h", rack="R1", server_groups=("g1", "g2"), groups=("x",))
        by_group = Budget("b", "fact", "group")
        self.assertEqual(("all",), budget.keys(FLEET, target))
        self.assertEqual(("R1",), budget.keys(RACK, target))
        self.assertEqual(("g1", "g2"), budget.keys(GROUP, target))
        self.assertEqual(("x",), budget.keys(by_group, target))

    def test_hosts_of_unknown_rack_share_a_limit(self) -> None:
        """They may stand in one rack: to be safe they count as one."""
        self.assertEqual((budget.UNKNOWN,), budget.keys(RACK, Target("h")))
        by_group = Budget("b", "fact", "group")
        self.assertEqual((), budget.keys(by_group, Target("h")))


class LedgerTest(unittest.TestCase):
    def test_refusal_says_why(self) -> None:
        one, two, three = _rack("h1", "h2", "h3")
        ledger = Ledger([FLEET, RACK], [one, two, three], [])
        ledger.take(two, ["fleet", "rack"])
        ledger.take(one, ["fleet", "rack"])
        (refusal,) = ledger.refusals(three, ["fleet", "rack"])
        self.assertEqual("waits: budget rack R1 2/2 held by h1, h2", refusal.text())

    def test_many_holders_are_not_all_named(self) -> None:
        hosts = _rack(*"abcdefghi")
        ledger = Ledger([Budget("b", "all", max_down=8)], hosts, [])
        for host in hosts[:8]:
            ledger.take(host, ["b"])
        (refusal,) = ledger.refusals(hosts[8], ["b"])
        self.assertTrue(refusal.text().endswith("a, b, c, d, e and 3 more"))
        self.assertEqual(8, len(refusal.holders))

    def test_all_tokens_or_none(self) -> None:
        """A refused target leaves nothing behind."""
        one, two, three = _rack("h1", "h2", "h3")
        other = Target("h4", rack="R2")
        ledger = Ledger([RACK, FLEET], [one, two, three, other], [])
        for target in (one, two):
            ledger.take(target, ["rack"])
        with self.assertRaisesRegex(ValueError, "rack R1 2/2"):
            ledger.take(three, ["fleet", "rack"])
        taken = [ledger.refusals(t, ["fleet"]) for t in (one, two, three, other)]
        self.assertEqual([()] * 4, taken)

    def test_a_holder_is_not_refused_by_itself(self) -> None:
        host = Target("h1", server_groups=("g",))
        ledger = Ledger([GROUP], [host], [])
        first = ledger.take(host, ["group"])
        self.assertEqual((), ledger.refusals(host, ["group"]))
        self.assertEqual(first, ledger.take(host, ["group"]))
        self.assertEqual((Hold("h1", "group", "g"),), first)

    def test_down_and_quarantined_use_up_their_keys(self) -> None:
        """P-4b: what has failed is redundancy lost."""
        down = Target("h1", rack="R1", is_up=False)
        for gone in (down, Target("h1", rack="R1", is_quarantined=True)):
            healthy, waiting = _rack("h2", "h3")
            ledger = Ledger([RACK], [gone, healthy, waiting], [])
            ledger.take(healthy, ["rack"])
            (refusal,) = ledger.refusals(waiting, ["rack"])
            self.assertEqual(("h1", "h2"), refusal.holders)

    def test_down_holders_count_once_and_on(self) -> None:
        gone = Target("h1", rack="R1", is_up=False)
        healthy, waiting = _rack("h2", "h3")
        holds = [Hold("h1", "rack", "R1")]
        ledger = Ledger([RACK], [gone, healthy, waiting], holds)
        ledger.take(healthy, ["rack"])
        ledger.give_back("h1")
        (refusal,) = ledger.refusals(waiting, ["rack"])
        self.assertEqual(2, refusal.used)

    def test_tokens_of_vanished_targets_count(self) -> None:
        waiting = Target("h2", server_groups=("g",))
        ledger = Ledger([GROUP], [waiting], [Hold("gone", "group", "g")])
        (refusal,) = ledger.refusals(waiting, ["group"])
        self.assertEqual(("gone",), refusal.holders)
        ledger.give_back("gone")
        self.assertEqual((), ledger.refusals(waiting, ["group"]))

    def test_tokens_come_back_under_the_keys_they_were_taken(self) -> None:
        """Draining moves instances: the groups of a host change meanwhile."""
        before = Target("h1", server_groups=("g",))
        other = Target("h2", server_groups=("g",))
        ledger = Ledger([GROUP], [before, other], [])
        ledger.take(before, ["group"])
        ledger.give_back("h1")
        self.assertEqual((), ledger.refusals(other, ["group"]))

    def test_percent_of_the_keys_own_population(self) -> None:
        share = Budget("b", "fact", "rack", max_percent=25.0)
        big = [Target(f"b{n}", rack="big") for n in range(11)]
        small = [Target(f"s{n}", rack="small") for n in range(2)]
        ledger = Ledger([share], [*big, *small], [])
        for target in (*big[:2], small[0]):
            ledger.take(target, ["b"])
        (refusal,) = ledger.refusals(big[2], ["b"])
        self.assertEqual(2, refusal.limit)
        (refusal,) = ledger.refusals(small[1], ["b"])
        self.assertEqual(1, refusal.limit)

    def test_thousands_of_admissions_a_second(self) -> None:
        """1,000 hosts: cost does not grow with the fleet; a wide margin."""
        fleet = [
            Target(f"h{n}", rack=f"R{n // 20}", server_groups=(f"g{n}", f"g{n + 1}"))
            for n in range(1000)
        ]
        ledger = Ledger([Budget("f", "all", max_down=900), RACK, GROUP], fleet, [])
        start = time.process_time()
        for target in fleet * 2:
            if not ledger.refusals(target, ["f", "rack", "group"]):
                ledger.take(target, ["f", "rack", "group"])
            ledger.give_back(target.name)
        self.assertLess(time.process_time() - start, 1.0)


_TARGETS = st.builds(
    Target,
    name=st.sampled_from([f"h{n}" for n in range(9)]),
    rack=st.sampled_from(["", "R1", "R2"]),
    tags=st.lists(st.sampled_from("xy"), unique=True).map(tuple),
    server_groups=st.lists(st.sampled_from("abc"), unique=True).map(tuple),
    is_up=st.integers(0, 5).map(bool),
    is_quarantined=st.integers(0, 5).map(lambda number: number == 0),
)
_SCOPES = st.sampled_from(
    [("all", ""), ("server_group", ""), ("fact", "rack"), ("fact", "tag")]
)
_BUDGETS = st.lists(
    st.tuples(_SCOPES, st.integers(1, 4), st.sampled_from([0.0, 20.0, 50.0])),
    min_size=1,
    max_size=4,
).map(
    lambda drawn: [
        Budget(f"b{number}", *scope, limit, percent)
        for number, (scope, limit, percent) in enumerate(drawn)
    ]
)


class LedgerMachine(RuleBasedStateMachine):
    """P-4b: compared with counting everything anew at every step."""

    budgets: Sequence[Budget]
    fleet: list[Target]
    ledger: Ledger
    held: dict[str, tuple[Hold, ...]]

    @initialize(
        budgets=_BUDGETS,
        fleet=st.lists(_TARGETS, min_size=2, unique_by=lambda t: t.name),
    )
    def open(self, budgets: list[Budget], fleet: list[Target]) -> None:
        self.budgets, self.fleet, self.held = budgets, fleet, {}
        self.ledger = Ledger(budgets, fleet, [])

    def _users(self, limit: Budget, key: str) -> set[str]:
        lost = {
            target.name
            for target in self.fleet
            if (target.is_quarantined or not target.is_up)
            and key in budget.keys(limit, target)
        }
        return lost | {
            name
            for name, holds in self.held.items()
            if any(each.budget == limit.id and each.key == key for each in holds)
        }

    def _limit(self, limit: Budget, key: str) -> int:
        if not limit.max_percent:
            return limit.max_down
        size = sum(key in budget.keys(limit, target) for target in self.fleet)
        return max(1, int(size * limit.max_percent // 100))

    @rule(data=st.data())
    def admit(self, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(self.fleet))
        ids = [each.id for each in self.budgets]
        has_room = all(
            target.name in self._users(each, key)
            or len(self._users(each, key)) < self._limit(each, key)
            for each in self.budgets
            for key in budget.keys(each, target)
        )
        try:
            self.held[target.name] = self.ledger.take(target, ids)
            assert has_room, "admitted over a limit"
        except ValueError:
            assert not has_room, "refused although every limit has room"

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        del self.held[name]
        self.ledger.give_back(name)

    @rule()
    def restart(self) -> None:
        """The rows are the truth: a ledger built from them is no different."""
        holds = [hold for each in self.held.values() for hold in each]
        self.ledger = Ledger(self.budgets, self.fleet, holds)

    @invariant()
    def no_limit_is_exceeded_by_admission(self) -> None:
        lost = {t.name for t in self.fleet if t.is_quarantined or not t.is_up}
        for limit in self.budgets:
            for key in {k for t in self.fleet for k in budget.keys(limit, t)}:
                users = self._users(limit, key)
                if users - lost:
                    assert len(users) <= self._limit(limit, key)


class LedgerMachineTest(unittest.TestCase):
    def test_any_admissions_and_returns(self) -> None:
        """P-4b: never over a limit, never refused while every limit has room."""
        run_state_machine_as_test(
            LedgerMachine, settings=settings(max_examples=50, stateful_step_count=25)
        )


class PercentTest(unittest.TestCase):
    @given(st.integers(0, 2000), st.integers(1, 100))
    def test_floor_but_at_least_one(self, size: int, percent: int) -> None:
        limit = budget.limit_of(Budget("b", "all", max_percent=percent), size)
        self.assertEqual(max(1, size * percent // 100), limit)
