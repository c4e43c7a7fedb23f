"""Questions to a plan, and the least that makes it feasible (P-2)."""

import unittest

from escalator.domain import plan, relaxation, relocation, what_if
from escalator.domain.fault_library import Rate
from tests.unit.domain import test_play as plays

RACK = plan.Budget("rack", "fact", "rack", max_down=1)


def asked(setting, **changes):
    return what_if.change(
        setting, {k.replace("__", "."): v for k, v in changes.items()}
    )


class KeysTest(unittest.TestCase):
    def setUp(self):
        made = plays.made_plan(budgets=(plays.ONE, RACK))
        targets = plays.hosts(4, availability_zone="az1")
        self.setting = plays.setting(made, targets)

    def test_every_key_changes_what_it_names(self):
        found = what_if.change(
            self.setting,
            {
                "parallel.computes": "50%",
                "budget.rack": 3,
                "spare.compute@az1": "2",
                "room.compute": 9,
                "down.h01": "true",
                "deaths": "1.5",
                "fail.install": "0.1:transient",
                "slow": "0.25:3",
                "recovery": "2m",
            },
        )
        self.assertEqual(50.0, found.plan.procedures[0].parallel_percent)
        self.assertEqual(3, found.plan.budgets[1].max_down)
        self.assertEqual(6, len(found.targets))
        self.assertEqual(2, len(found.visited_not))
        self.assertEqual({"compute": 9}, dict(found.rooms))
        down = [each.name for each in found.targets if not each.is_up]
        self.assertEqual(["h01"], down)
        library = found.library
        self.assertEqual((1.5, 120.0), (library.deaths, library.recovery_s))
        self.assertEqual((0.25, 3.0), (library.slow_share, library.slow_factor))
        self.assertEqual({"install": (Rate("transient", 0.1),)}, dict(library.steps))

    def test_what_makes_no_sense_is_refused_with_the_remedy(self):
        for key, value, remedy in (
            ("colour", "red", "parallel.PROCEDURE"),
            ("parallel", "3", "parallel.PROCEDURE"),
            ("deaths.x", "3", "deaths"),
            ("parallel.nobody", "3", "computes"),
            ("parallel.computes", "0", "at least 1"),
            ("budget.rack", "0%", "at least 1"),
            ("budget.nothing", "1", "rack"),
            ("spare.storage", "1", "compute@az1"),
            ("spare.compute", "1.5", "whole"),
            ("down.h99", "true", "listed"),
            ("down.h01", "no", "true"),
            ("deaths", "-1", "number"),
            ("deaths", "nan", "number"),
            ("fail.nothing", "0.1", "install"),
            ("fail.install", "2", "number"),
            ("fail.install", "0.1:bad", "transient"),
            ("slow", "0.5", "number"),
            ("recovery", "soon", "30s"),
        ):
            with self.subTest(key, value=value):
                with self.assertRaises(what_if.BadKey) as caught:
                    what_if.change(self.setting, {key: value})
                found = caught.exception.finding
                self.assertIn(remedy, found.remedy)
                self.assertEqual(f"/campaign/what_if/{key}", found.pointer)


class LimitTest(unittest.TestCase):
    def test_a_quorum_has_no_limit_to_change(self):
        quorum = plan.Budget("quorum", "all", kind=plan.Kind.QUORUM)
        made = plays.made_plan(budgets=(plays.ONE, quorum))
        with self.assertRaises(what_if.BadKey) as caught:
            asked(plays.setting(made, plays.hosts(3)), budget__quorum=2)
        self.assertEqual("Known: all.", caught.exception.finding.remedy)


class PredictTest(unittest.TestCase):
    def setUp(self):
        made = plays.made_plan([plan.Rung("rollback", scope="campaign")])
        self.setting = plays.setting(made, plays.hosts(6, instances=2))

    def test_the_same_seed_gives_the_same_answer(self):
        one = what_if.predict(self.setting, 1, 50)
        self.assertEqual(one, what_if.predict(self.setting, 1, 50))
        other = what_if.predict(self.setting, 2, 50)
        self.assertNotEqual(one.end_s(0.5), other.end_s(0.5))

    def test_more_at_once_is_quicker_and_more_are_down(self):
        before = what_if.predict(self.setting, 1, 50)
        changed = asked(self.setting, parallel__computes=6)
        after = what_if.predict(changed, 1, 50)
        self.assertLess(after.end_s(0.9), before.end_s(0.5))
        self.assertEqual(
            ({"all": 2}, {"all": 6}), (before.most_down(), after.most_down())
        )
        self.assertEqual({"committed": 1.0}, before.outcomes())

    def test_failures_roll_back_so_often(self):
        """Two of six installs at p: some fail in 1 - (1 - p)^6 of the runs."""
        changed = asked(self.setting, fail__install="0.05:permanent")
        found = what_if.predict(changed, 1, 400)
        self.assertAlmostEqual(1 - 0.95**6, found.outcomes()["rolled_back"], delta=0.07)
        self.assertTrue(found.is_feasible)

    def test_slow_hosts_take_longer(self):
        slow = what_if.predict(asked(self.setting, slow="1:2"), 1, 50)
        before = what_if.predict(self.setting, 1, 50)
        self.assertAlmostEqual(2.0, slow.end_s(0.5) / before.end_s(0.5), delta=0.2)

    def test_owners_are_means(self):
        rooms = asked(self.setting, deaths=1000.0 * 3600 / 100)
        found = what_if.predict(rooms, 1, 100).owners()[relocation.UNKNOWN]
        self.assertGreater(found.down, 0)
        self.assertAlmostEqual(found.down_s, 300 * found.down)


class RelaxationTest(unittest.TestCase):
    def full(self, count=4, room=2, **more):
        """Return a fleet with no room at all."""
        residents = {
            f"h{at:02d}": [relocation.Resident("p", "", room)] for at in range(count)
        }
        made = plays.made_plan(
            [plan.Rung("rollback", scope="campaign")],
            plays.PlacementTest.DRAIN,
            **more,
        )
        return plays.setting(
            made, plays.hosts(count), residents=residents, rooms={"compute": room}
        )

    def test_a_feasible_plan_needs_none(self):
        made = plays.made_plan()
        self.assertEqual([], relaxation.find(plays.setting(made, plays.hosts(3))))

    def test_so_many_spare_hosts_and_not_one_less(self):
        """P-2: exactly that many are enough, one fewer is not."""
        for room in (1, 2, 5):
            setting = self.full(room=room)
            (found,) = relaxation.find(setting)
            self.assertEqual({"spare.compute": "2"}, found.changes)
            enough = what_if.change(setting, found.changes)
            self.assertTrue(what_if.predict(enough, 1, 1).is_feasible)
            fewer = what_if.change(setting, {"spare.compute": 1})
            self.assertFalse(what_if.predict(fewer, 1, 1).is_feasible)

    def test_a_budget_that_a_dead_host_uses_up(self):
        made = plays.made_plan(
            budgets=(plays.ONE, RACK), procedures=({"budgets": ("rack",)},)
        )
        targets = plays.hosts(5, rack="r")
        for down in (1, 3):
            setting = plays.setting(made, targets)
            changes = {f"down.h{at:02d}": "true" for at in range(down)}
            found = relaxation.find(what_if.change(setting, changes))
            self.assertEqual(
                [{"budget.rack": str(down + 1)}], [f.changes for f in found]
            )

    def test_a_percentage(self):
        share = plan.Budget("rack", "fact", "rack", max_percent=10.0)
        made = plays.made_plan(
            budgets=(plays.ONE, share), procedures=({"budgets": ("rack",)},)
        )
        setting = plays.setting(made, plays.hosts(5, rack="r"))
        (found,) = relaxation.find(what_if.change(setting, {"down.h00": "true"}))
        self.assertEqual({"budget.rack": "40%"}, found.changes, "two of five")

    def test_two_things_together(self):
        setting = self.full(
            budgets=(plays.ONE, RACK), procedures=({"budgets": ("rack",)},)
        )
        setting = what_if.change(setting, {"down.h00": "true"})
        (found,) = relaxation.find(setting)
        self.assertEqual({"budget.rack", "spare.compute"}, set(found.changes))
        self.assertTrue(
            what_if.predict(what_if.change(setting, found.changes), 1, 1).is_feasible
        )
        for key, value in found.changes.items():
            less = {**found.changes, key: int(value) - 1}
            if less[key]:
                fewer = what_if.change(setting, less)
                self.assertFalse(what_if.predict(fewer, 1, 1).is_feasible, less)

    def test_nothing_helps(self):
        steps = [plays.step("install", timeout_s=1.0)]
        made = plays.made_plan(steps=steps)
        learned = {("install", "compute"): plays.timing.Timing(5.0, 0.0)}
        setting = plays.setting(made, plays.hosts(2), learned=learned)
        self.assertFalse(what_if.predict(setting, 1, 1).is_feasible)
        self.assertEqual([], relaxation.find(setting))
