"""A campaign played forward (P-0, P-2, P-4b, E-0, E-1)."""

import dataclasses
import unittest

import hypothesis
from hypothesis import strategies as st

from escalator.domain import budget, plan, simulation, timing
from tests.fixtures import engine as beds


def made_plan(parallel=100, budgets=(), *procedures, **changes):
    base = beds.rolling_plan(parallel=parallel).procedures[0]
    one = dataclasses.replace(base, budgets=tuple(each.id for each in budgets))
    return beds.rolling_plan(
        budgets=tuple(budgets),
        procedures=tuple(
            dataclasses.replace(one, **each) for each in procedures or ({},)
        ),
        **changes,
    )


def host(name, **more):
    return plan.Target(name, role="compute", **more)


def ten_s(procedure, target):
    return 10.0


class OrderTest(unittest.TestCase):
    def test_one_after_another(self):
        hosts = [host(name) for name in "abc"]
        found = simulation.simulate(made_plan(1), hosts, ten_s)
        self.assertEqual(
            [("a", 0, 10), ("b", 10, 20), ("c", 20, 30)],
            [(each.host, each.start_s, each.end_s) for each in found.visits],
        )
        self.assertEqual((30.0, 1), (found.end_s, found.most_out()))

    def test_the_undo_is_rehearsed_first(self):
        """R-2: forward, back and forward on one host; the others wait for it."""
        made = made_plan(4, (), {"rehearse_undo": True})
        back = timing.undo_s(made.procedures[0], host("a"))
        self.assertGreater(back, 0)
        found = simulation.simulate(made, [host(name) for name in "abc"], ten_s)
        once = 20 + back
        self.assertEqual(
            [("a", 0, once), ("b", once, once + 10), ("c", once, once + 10)],
            [(each.host, each.start_s, each.end_s) for each in found.visits],
        )

    def test_no_barrier(self):
        """A slow one holds up nobody but itself (E-0)."""
        took = {"a": 100.0, "b": 10.0, "c": 10.0}
        hosts = [host(name) for name in took]
        found = simulation.simulate(made_plan(2), hosts, lambda p, t: took[t.name])
        self.assertEqual({"a": 0, "b": 0, "c": 10}, starts(found))

    def test_the_hardest_to_place_goes_first(self):
        group = plan.Budget("g", "server_group")
        hosts = [
            host("a"),
            host("b", server_groups=("x",)),
            host("c", server_groups=("x", "y")),
            host("d", server_groups=("y",)),
        ]
        found = simulation.simulate(made_plan(2, [group]), hosts, ten_s)
        self.assertEqual({"c": 0, "b": 10, "d": 10, "a": 0}, starts(found))

    def test_levels_and_after(self):
        made = made_plan(
            9,
            (),
            {"id": "low", "level": 10},
            {"id": "high", "level": 20},
            {"id": "then", "level": 20, "after": ("high",)},
        )
        found = simulation.simulate(made, [host("a")], ten_s)
        self.assertEqual(
            [("low", 0), ("high", 10), ("then", 20)],
            [(each.procedure, each.start_s) for each in found.visits],
        )

    def test_two_procedures_side_by_side_share_a_host(self):
        made = made_plan(9, (), {"id": "one"}, {"id": "two"})
        found = simulation.simulate(made, [host("a"), host("b")], ten_s)
        self.assertEqual(20.0, found.end_s)
        for name in "ab":
            mine = [each for each in found.visits if each.host == name]
            self.assertEqual({0.0, 10.0}, {each.start_s for each in mine})

    def test_nobody_to_visit(self):
        found = simulation.simulate(made_plan(), [], ten_s)
        self.assertEqual((0.0, 0, ()), (found.end_s, found.most_out(), found.visits))

    def test_who_is_down_is_not_visited_and_uses_its_budget(self):
        rack = plan.Budget("rack", "fact", "rack", max_down=1)
        hosts = [host("a", rack="r"), host("b", rack="r", is_up=False)]
        found = simulation.simulate(made_plan(9, [rack]), hosts, ten_s)
        self.assertEqual((), found.visits)
        self.assertIn("held by b", found.stuck["a"])


def starts(found):
    return {each.host: each.start_s for each in found.visits}


HOSTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.frozensets(st.integers(0, 5), max_size=3),
        st.sampled_from((True, True, True, True, False)),
    ),
    max_size=12,
).map(
    lambda drawn: [
        host(
            f"h{at:02d}",
            rack=f"r{rack}",
            server_groups=tuple(f"g{each}" for each in sorted(groups)),
            is_up=is_up,
        )
        for at, (rack, groups, is_up) in enumerate(drawn)
    ]
)
BUDGETS = st.lists(
    st.sampled_from(
        (
            plan.Budget("all", "all", max_down=3),
            plan.Budget("share", "all", max_percent=30.0),
            plan.Budget("rack", "fact", "rack", max_down=2),
            plan.Budget("group", "server_group", max_down=1),
        )
    ),
    unique_by=lambda each: each.id,
)


class PropertyTest(unittest.TestCase):
    @hypothesis.given(
        HOSTS,
        BUDGETS,
        st.integers(1, 5),
        st.lists(st.sampled_from((10, 20)), min_size=1, max_size=3),
        st.randoms(use_true_random=False),
    )
    @hypothesis.settings(deadline=None, max_examples=150)
    def test_limits_hold_and_everybody_is_accounted_for(
        self, hosts, budgets, parallel, levels, chance
    ):
        made = made_plan(
            parallel,
            budgets,
            *({"id": f"p{at}", "level": level} for at, level in enumerate(levels)),
        )
        took = {
            (each.id, target.name): chance.uniform(1, 100)
            for each in made.procedures
            for target in hosts
        }

        def duration(procedure, target):
            return took[procedure.id, target.name]

        found = simulation.simulate(made, hosts, duration)
        self.assertEqual(found, simulation.simulate(made, hosts, duration))
        by_name = {each.name: each for each in hosts}
        lost = {each.name for each in hosts if not each.is_up}
        for at, visit in enumerate(found.visits):
            self.assertNotIn(visit.host, lost)
            out = [
                each
                for each in found.visits[: at + 1]
                if each.start_s <= visit.start_s < each.end_s
            ]
            self.check(made, by_name, lost, visit, out)
        self.check_all_visited(made, hosts, lost, found)

    def check(self, made, hosts, lost, visit, out):
        names = [each.host for each in out]
        self.assertEqual(len(names), len(set(names)), "one visit at a time")
        procedure = made.procedure(visit.procedure)
        mine = [each for each in out if each.procedure == visit.procedure]
        self.assertLessEqual(len(mine), procedure.parallel)
        for limit in made.budgets:
            for key in budget.keys(limit, hosts[visit.host]):
                population = [
                    name
                    for name, target in hosts.items()
                    if key in budget.keys(limit, target)
                ]
                used = [n for n in population if n in set(names) | lost]
                most = budget.limit_of(limit, len(population))
                self.assertLessEqual(len(used), most, (limit, key, visit))

    def check_all_visited(self, made, hosts, lost, found):
        visited = {(each.procedure, each.host) for each in found.visits}
        self.assertEqual(len(visited), len(found.visits), "each once")
        if not found.stuck:
            wanted = {
                (procedure.id, each.name)
                for procedure in made.procedures
                for each in hosts
                if each.name not in lost
            }
            self.assertEqual(wanted, visited)
        else:
            self.assertTrue(lost, "without a fault every campaign ends")
