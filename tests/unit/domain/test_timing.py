"""How long steps take on a host of which the file says how it differs (P-4e)."""

import dataclasses
import random
import unittest

from escalator.domain import forecast, plan, timing
from tests.fixtures import engine as beds

DRAIN = beds.step(
    "drain",
    "vim.drain",
    "fill",
    expected="10s + 1s * instances",
    timeout="max(30s, 2s * instances)",
)
CONSTANT = beds.step("install", "install", "restore", expected_s=5.0, timeout_s=50.0)
LATER = beds.step("later", "later", expected="3s + 1s * instances", timeout_s=500.0)


def made_plan(*steps, budgets=(), **changes):
    made = beds.rolling_plan(1, steps=steps, budgets=budgets)
    one = dataclasses.replace(
        made.procedures[0], budgets=tuple(each.id for each in budgets), **changes
    )
    return dataclasses.replace(made, procedures=(one,))


def procedure(*steps):
    return made_plan(*steps).procedures[0]


def host(instances, name="h"):
    return plan.Target(name, role="compute", instances=instances)


class HostTest(unittest.TestCase):
    def test_constant_times_are_left_alone(self):
        made = procedure(CONSTANT)
        self.assertIs(made, timing.of_host(made, host(80)))

    def test_every_host_has_its_own(self):
        made = procedure(DRAIN, CONSTANT)
        for instances, expected_s, timeout_s in (
            (0, 10, 30),
            (2, 12, 30),
            (80, 90, 160),
        ):
            drain, install = timing.of_host(made, host(instances)).steps
            found = (drain.expected_s, drain.timeout_s)
            self.assertEqual((expected_s, timeout_s), found)
            self.assertEqual(CONSTANT, install)
            self.assertEqual(
                15 + instances, timing.expected_s(made, host(instances), {})
            )
            self.assertEqual(15 + instances, timing.undo_s(made, host(instances)))

    def test_behind_a_drain_there_are_no_instances(self):
        before, _, after = timing.of_host(
            procedure(LATER, DRAIN, LATER), host(80)
        ).steps
        self.assertEqual((83, 3), (before.expected_s, after.expected_s))

    def test_what_no_rule_has_tried_is_bounded(self):
        odd = beds.step(
            "odd",
            "odd",
            expected="10s - 1s * instances",
            timeout="(instances - 20) * (instances - 20) * 1s",
        )
        for instances, expected_s, timeout_s in ((15, 0, 25), (20, 0, 1), (2, 8, 324)):
            found = timing.with_instances(odd, instances)
            self.assertEqual(
                (expected_s, timeout_s), (found.expected_s, found.timeout_s)
            )
        late = dataclasses.replace(odd, expected="2s * instances", timeout="9s")
        self.assertEqual(400, timing.with_instances(late, 200).timeout_s)
        endless = "9" * 150 + "s * instances"
        found = timing.with_instances(dataclasses.replace(odd, timeout=endless), 9)
        self.assertEqual(timing.MOST_S, found.timeout_s)

    def test_the_longest_visit_is_limited_by_the_timeouts_of_the_host(self):
        learned = {("vim.drain", "compute"): timing.Timing(1000.0, 0.0)}
        made = procedure(DRAIN)
        self.assertEqual(30, timing.longest_s(made, host(2), learned))
        self.assertEqual(160, timing.longest_s(made, host(80), learned))
        self.assertEqual(410, timing.longest_s(made, host(80), learned, True))

    def test_samples_differ_alike(self):
        made = procedure(DRAIN)
        few = timing.sample_s(made, host(2), {}, random.Random(1))
        many = timing.sample_s(made, host(80), {}, random.Random(1))
        self.assertAlmostEqual(90 / 12, many / few)


class LearnedTest(unittest.TestCase):
    """Five drains of 60 s on hosts on which 20 s were expected."""

    learned = {("vim.drain", "compute"): timing.Timing(60.0, 0.2, 0.1, 20.0)}

    def median_s(self, step, instances, learned=None):
        made = timing.of_host(procedure(step), host(instances))
        known = timing.of_step(made.steps[0], host(instances), learned or self.learned)
        return known.median_s

    def test_it_is_scaled_to_the_host(self):
        self.assertEqual(60, self.median_s(DRAIN, 10))
        self.assertEqual(36, self.median_s(DRAIN, 2))
        self.assertEqual(270, self.median_s(DRAIN, 80))

    def test_it_is_as_it_is_where_hosts_do_not_differ(self):
        constant = dataclasses.replace(DRAIN, expected="", timeout="")
        self.assertEqual(60, self.median_s(constant, 80))
        unknown = {("vim.drain", "compute"): timing.Timing(60.0, 0.2)}
        self.assertEqual(60, self.median_s(DRAIN, 80, unknown))


class PlanTest(unittest.TestCase):
    def test_a_plan_reckons_every_host_for_itself(self):
        """P-0: four hosts, one after the other."""
        fleet = [host(each, f"h{each:02d}") for each in (0, 2, 20, 80)]
        found = forecast.make(made_plan(DRAIN), fleet, {}, 1).timeline
        took = {each.host: each.end_s - each.start_s for each in found.visits}
        self.assertEqual({"h00": 10, "h02": 12, "h20": 30, "h80": 90}, took)

    def test_a_rehearsed_undo_takes_as_long_as_on_that_host(self):
        made = made_plan(DRAIN, rehearse_undo=True)
        self.assertEqual(270, forecast.make(made, [host(80)], {}, 1).timeline.end_s)

    def test_a_migration_is_over_with_the_drain_of_that_host(self):
        """P-4b: the next one begins after 90 of 120 s, not after all."""
        moves = plan.Budget("moves", "all", kind=plan.Kind.MIGRATIONS)
        slow = dataclasses.replace(CONSTANT, expected_s=30.0)
        made = made_plan(DRAIN, slow, budgets=(moves,), parallel=2)
        found = forecast.make(made, [host(80, "a"), host(0, "b")], {}, 1).timeline
        starts = [(each.host, each.start_s) for each in found.visits]
        self.assertEqual([("a", 0), ("b", 90)], starts)
