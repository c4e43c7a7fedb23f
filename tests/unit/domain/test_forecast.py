"""What a plan will do (P-0, P-4e)."""

import math
import random
import statistics
import unittest

from escalator.domain import forecast, plan, timing
from tests.fixtures import engine as beds

HOSTS = [plan.Target(f"h{n}", role="compute") for n in range(8)]
MADE = beds.rolling_plan(
    parallel=2,
    budgets=(
        plan.Budget("rack", "fact", "role", 4),
        plan.Budget("group", "all", "", 4),
    ),
)
VISIT_S = sum(each.expected_s for each in beds.ROLLING)


class ForecastTest(unittest.TestCase):
    def test_the_timeline_is_made_of_medians(self):
        found = forecast.make(MADE, HOSTS, {}, 1)
        self.assertAlmostEqual(4 * VISIT_S, found.timeline.end_s)

    def test_the_order_of_the_inventory_does_not_matter(self):
        one = forecast.make(MADE, HOSTS, {}, 1)
        self.assertEqual(one, forecast.make(MADE, HOSTS[::-1], {}, 1))
        self.assertNotEqual(one.ends_s, forecast.make(MADE, HOSTS, {}, 2).ends_s)

    def test_percentiles(self):
        found = forecast.make(MADE, HOSTS, {}, 1)
        self.assertLess(found.end_s(0.5), found.end_s(0.9))
        self.assertEqual(found.ends_s[-1], found.end_s(1.0))

    def test_what_was_learned_counts(self):
        learned = {("install", "compute"): timing.Timing(100.0, 0.0)}
        found = forecast.make(MADE, HOSTS, learned, 1)
        self.assertAlmostEqual(4 * (VISIT_S - 0.1 + 100.0), found.timeline.end_s)

    def test_digest(self):
        one = forecast.digest({"a": 1}, HOSTS, {}, 1)
        self.assertEqual(one, forecast.digest({"a": 1}, HOSTS[::-1], {}, 1))
        learned = {("install", "compute"): timing.Timing(1.0, 0.1)}
        others = {
            forecast.digest({"a": 2}, HOSTS, {}, 1),
            forecast.digest({"a": 1}, HOSTS[1:], {}, 1),
            forecast.digest({"a": 1}, HOSTS, learned, 1),
            forecast.digest({"a": 1}, HOSTS, {}, 2),
        }
        self.assertEqual(4, len(others - {one}))


class TimingTest(unittest.TestCase):
    def test_too_few_say_nothing(self):
        self.assertIsNone(timing.fit([1.0] * 4))
        self.assertIsNone(timing.fit([0.0, -1.0, 1.0, 1.0, 1.0, 1.0]))

    def test_a_fit_gives_back_what_it_was_made_of(self):
        chance = random.Random(1)
        true = timing.Timing(60.0, 0.4)
        found = timing.fit([true.sample(chance) for _ in range(5000)])
        self.assertAlmostEqual(60.0, found.median_s, delta=2.0)
        self.assertAlmostEqual(0.4, found.sigma, delta=0.03)

    def test_the_files_word_otherwise(self):
        step = beds.step("s", "act")
        known = timing.of_step(step, HOSTS[0], {("act", "controller"): None})
        sigma = timing.EXPECTED_SIGMA
        self.assertEqual(timing.Timing(step.expected_s, sigma, sigma), known)

    def test_the_doubt_about_a_median_is_as_large_as_medians_differ(self):
        chance = random.Random(1)
        true = timing.Timing(60.0, 0.4)
        found = [
            timing.fit([true.sample(chance) for _ in range(25)]) for _ in range(400)
        ]
        spread = statistics.stdev(math.log(each.median_s) for each in found)
        self.assertAlmostEqual(
            spread, statistics.fmean(each.doubt for each in found), delta=0.02
        )

    def test_half_of_the_samples_are_longer_than_the_median(self):
        chance = random.Random(1)
        found = [timing.Timing(10.0, 0.5).sample(chance) for _ in range(4000)]
        self.assertAlmostEqual(10.0, statistics.median(found), delta=0.4)
