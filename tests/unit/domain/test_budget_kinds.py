"""Quorum, headroom, migrations and what owners declare (P-2, P-4b)."""

import dataclasses
import unittest

import hypothesis
from hypothesis import strategies as st

from escalator.domain import invariants, reading, simulation
from escalator.domain.budget import Hold, Ledger
from escalator.domain.plan import Budget, Kind, Target
from tests.fixtures import engine as beds

MAJORITY = Budget("q", "fact", "group", kind=Kind.QUORUM)
TWO_STAY = Budget("q", "fact", "group", kind=Kind.QUORUM, keep=2)
ROOM = Budget(
    "room",
    "fact",
    "availability_zone",
    kind=Kind.HEADROOM,
    keep=8,
    capacity="facts.vcpus",
    load="facts.used",
)
OWNER = Budget("owner", "owner")
MOVES = Budget("moves", "all", max_down=1, kind=Kind.MIGRATIONS)


def members(count, **more):
    return [Target(f"c{at}", groups=("ctl",), **more) for at in range(count)]


def sized(name, vcpus, used, zone="az1", **more):
    facts = {"vcpus": vcpus, "used": used}
    return Target(name, availability_zone=zone, facts=facts, **more)


def admitted(budget, targets):
    """Return how many go out before the first refusal, and its text."""
    ledger = Ledger([budget], targets, [])
    for count, target in enumerate(targets):
        if refusals := ledger.refusals(target, [budget.id]):
            return count, refusals[0].text()
        ledger.take(target, [budget.id])
    return len(targets), ""


class QuorumTest(unittest.TestCase):
    def test_more_than_half_stay_up(self):
        for size, most in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (7, 3)):
            self.assertEqual(most, admitted(MAJORITY, members(size))[0], size)

    def test_a_number_stays_up(self):
        for size, most in ((1, 0), (2, 0), (3, 1), (5, 3)):
            self.assertEqual(most, admitted(TWO_STAY, members(size))[0], size)

    def test_who_is_down_is_missing_already(self):
        three = members(3)
        three[0] = dataclasses.replace(three[0], is_up=False)
        (refusal,) = Ledger([MAJORITY], three, []).refusals(three[1], ["q"])
        self.assertEqual("waits: budget q ctl 1/1 held by c0", refusal.text())

    def test_nobody_holds_what_nobody_may_take(self):
        self.assertEqual(
            "waits: budget q ctl 0/0 held by nobody", admitted(MAJORITY, members(2))[1]
        )


class HeadroomTest(unittest.TestCase):
    def test_the_load_of_all_fits_on_those_that_are_left(self):
        hosts = [sized(name, 10, 4) for name in "abcd"]
        count, text = admitted(ROOM, hosts)
        self.assertEqual(1, count)
        self.assertEqual(
            "waits: budget room az1 14 free, 8 to be kept, 10 needed of facts.vcpus"
            " held by a",
            text,
        )

    def test_each_scope_for_itself(self):
        hosts = [sized(name, 10, 0) for name in "ab"]
        hosts += [sized(name, 10, 10, "az2") for name in "cd"]
        ledger = Ledger([ROOM], hosts, [])
        free = [t.name for t in hosts if not ledger.refusals(t, ["room"])]
        self.assertEqual(["a", "b"], free)

    def test_the_dead_carry_nothing_but_their_load_is_to_be_carried(self):
        hosts = [sized(name, 10, 2) for name in "abcd"]
        self.assertEqual(2, admitted(ROOM, hosts)[0])
        hosts[3] = sized("d", 10, 2, is_up=False)
        self.assertEqual(1, admitted(ROOM, hosts)[0])

    def test_a_share_of_the_whole(self):
        share = dataclasses.replace(ROOM, keep=0, keep_percent=50.0, load="")
        self.assertEqual(2, admitted(share, [sized(n, 8, 0) for n in "abcd"])[0])

    def test_hosts_count_one_each(self):
        hosts = [Target(name) for name in "abcde"]
        whole = Budget("r", "all", kind=Kind.HEADROOM, keep=3)
        self.assertEqual(2, admitted(whole, hosts)[0])

    def test_what_is_given_back_is_free_again(self):
        hosts = [sized(name, 10, 4) for name in "abcd"]
        ledger = Ledger([ROOM], hosts, [Hold("a", "room", "az1")])
        self.assertTrue(ledger.refusals(hosts[1], ["room"]))
        ledger.give_back("a")
        self.assertFalse(ledger.refusals(hosts[1], ["room"]))


class OwnerTest(unittest.TestCase):
    def test_the_smallest_number_that_an_owner_says(self):
        hosts = [
            Target("a", declared=(("project red", 2),)),
            Target("b", declared=(("project red", 1), ("group g", 1))),
            Target("c", declared=(("group g", 1),)),
            Target("d"),
        ]
        ledger = Ledger([OWNER], hosts, [])
        ledger.take(hosts[0], ["owner"])
        (refusal,) = ledger.refusals(hosts[1], ["owner"])
        self.assertEqual(
            "waits: budget owner project red 1/1 held by a", refusal.text()
        )
        for other in hosts[2:]:
            self.assertEqual((), ledger.refusals(other, ["owner"]))


class MigrationsTest(unittest.TestCase):
    def test_the_dead_are_not_being_drained(self):
        hosts = [Target("a", is_up=False), Target("b")]
        self.assertEqual((), Ledger([MOVES], hosts, []).refusals(hosts[1], ["moves"]))

    def test_only_these_tokens_come_back(self):
        hosts = [Target("a"), Target("b")]
        down = Budget("down", "all", max_down=1)
        ledger = Ledger([MOVES, down], hosts, [])
        ledger.take(hosts[0], ["moves", "down"])
        ledger.give_back("a", {"moves"})
        (refusal,) = ledger.refusals(hosts[1], ["moves", "down"])
        self.assertEqual("down", refusal.budget)

    def test_the_next_one_begins_when_the_drain_is_over(self):
        """Half of the visit is the drain, so the second begins after that half."""
        steps = (
            beds.step("drain", "vim.drain", expected_s=10.0),
            beds.step("install", "install", expected_s=10.0),
        )
        made = drained_plan([MOVES], steps)
        found = simulation.simulate(made, hosts("ab"), lambda p, t: 20.0)
        self.assertEqual([0.0, 10.0], [each.start_s for each in found.visits])


def hosts(names):
    return [Target(name, role="compute") for name in names]


def drained_plan(budgets, steps=beds.ROLLING, parallel=100):
    made = beds.rolling_plan(parallel, budgets=tuple(budgets), steps=steps)
    procedure = dataclasses.replace(
        made.procedures[0], budgets=tuple(each.id for each in budgets)
    )
    return dataclasses.replace(made, procedures=(procedure,))


class ReadingTest(unittest.TestCase):
    def test_every_limit_of_the_file(self):
        for body, wanted in (
            ({"quorum": "majority"}, {"kind": Kind.QUORUM}),
            ({"quorum": 2}, {"kind": Kind.QUORUM, "keep": 2.0}),
            ({"max_migrations": 3}, {"kind": Kind.MIGRATIONS, "max_down": 3}),
            (
                {"headroom": {"of": "hosts", "keep": 2}},
                {"kind": Kind.HEADROOM, "keep": 2.0},
            ),
            (
                {"headroom": {"of": "facts.vcpus", "used": "instances", "keep": "5%"}},
                {
                    "kind": Kind.HEADROOM,
                    "keep_percent": 5.0,
                    "capacity": "facts.vcpus",
                    "load": "instances",
                },
            ),
        ):
            read = reading.read_budget({"id": "b", "scope": {"by": "rack"}, **body})
            self.assertEqual(Budget("b", "fact", "rack", **wanted), read)
        read = reading.read_budget({"id": "b", "scope": "owner"})
        self.assertEqual(Budget("b", "owner"), read)


FLEETS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 9),
        st.integers(0, 5),
        st.sampled_from((True, True, True, False)),
    ),
    max_size=12,
).map(
    lambda drawn: [
        sized(
            f"h{at:02d}",
            vcpus,
            used,
            f"az{zone}",
            role="compute",
            groups=(f"g{zone}",),
            is_up=is_up,
        )
        for at, (zone, vcpus, used, is_up) in enumerate(drawn)
    ]
)


class OracleTest(unittest.TestCase):
    @hypothesis.given(
        FLEETS,
        st.lists(
            st.sampled_from((MAJORITY, ROOM, MOVES, Budget("down", "all", max_down=3))),
            unique_by=lambda each: each.id,
        ),
        st.randoms(use_true_random=False),
    )
    @hypothesis.settings(deadline=None, max_examples=150)
    def test_no_played_run_breaks_a_limit(self, fleet, budgets, chance):
        """V-2: the simulation admits by tokens, the oracle counts again."""
        made = drained_plan(budgets)
        took = {each.name: chance.uniform(1, 100) for each in fleet}
        found = simulation.simulate(made, fleet, lambda p, t: took[t.name])
        facts = {each.name: each for each in fleet}
        broken = invariants.check_journal(journal(fleet, found), budgets, facts)
        self.assertEqual([], broken)

    def test_what_breaks_a_limit_is_found(self):
        three = {each.name: each for each in members(3)}
        both = [invariants.Entry(n, f"c{n}", "slot", "active") for n in (0, 1)]
        (found,) = invariants.check_journal(both, [MAJORITY], three)
        self.assertEqual("journal line 1: budget q: 1 of 3 up in ctl", found.text())
        room = {name: sized(name, 10, 4) for name in ("c0", "c1", "c2")}
        (found,) = invariants.check_journal(both, [ROOM], room)
        self.assertIn("-2 free of 8 to be kept in az1", found.text())
        moves = [
            dataclasses.replace(e, object_type="step", to_state="running", name="drain")
            for e in both
        ]
        (found,) = invariants.check_journal(moves, [MOVES], three, {"drain"})
        self.assertEqual("budget moves", found.rule)
        self.assertEqual([], invariants.check_journal(moves, [MOVES], three))


def journal(fleet, found):
    """Write what a played run would leave behind, faults before it."""
    lines = [(-1.0, 0, each.name, "fault", "down") for each in fleet if not each.is_up]
    for visit in found.visits:
        lines.append((visit.start_s, 2, visit.host, "slot", "active"))
        lines.append((visit.end_s, 1, visit.host, "slot", "done"))
    return [
        invariants.Entry(seq, host, kind, to)
        for seq, (_, _, host, kind, to) in enumerate(sorted(lines))
    ]
