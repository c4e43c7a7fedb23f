"""Is the upgrade to be blamed?  The test of two rates, and what it counts."""

import math
import unittest
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import attribution
from escalator.domain.attribution import Count, Life, Spell

FAULTS = st.integers(0, 12)
HOURS = st.integers(1, 5000)


def counts(faults: int, hours: float) -> Count:
    return Count(faults, hours * 3600.0)


def exactly(one: int, one_h: int, two: int, two_h: int) -> Fraction:
    """Return the binomial tail in whole numbers."""
    share, faults = Fraction(one_h, one_h + two_h), one + two
    return sum(
        (
            math.comb(faults, hits) * share**hits * (1 - share) ** (faults - hits)
            for hits in range(one, faults + 1)
        ),
        Fraction(0),
    )


class ProbabilityTest(unittest.TestCase):
    @given(FAULTS, HOURS, FAULTS, HOURS)
    def test_it_is_the_binomial_tail(
        self, one: int, one_h: int, two: int, two_h: int
    ) -> None:
        found = attribution.probability(counts(one, one_h), counts(two, two_h))
        self.assertAlmostEqual(float(exactly(one, one_h, two, two_h)), found, places=9)

    @given(FAULTS, HOURS, FAULTS, HOURS)
    def test_more_faults_or_less_time_speak_against_the_upgrade(
        self, one: int, one_h: int, two: int, two_h: int
    ) -> None:
        base = counts(two, two_h)
        p = attribution.probability(counts(one, one_h), base)
        more = attribution.probability(counts(one + 1, one_h), base)
        longer = attribution.probability(counts(one, one_h * 2), base)
        self.assertLessEqual(more, p + 1e-12)
        self.assertGreaterEqual(longer, p - 1e-12)

    @given(HOURS, HOURS, st.integers(1, 40), st.sampled_from((0.01, 0.05, 0.2)))
    def test_by_chance_alone_it_is_blamed_no_oftener_than_said(
        self, one_h: int, two_h: int, faults: int, significance: float
    ) -> None:
        """Of the ways to share so many faults by the time, by their weight."""
        share = one_h / (one_h + two_h)
        blamed = math.fsum(
            math.comb(faults, hits) * share**hits * (1 - share) ** (faults - hits)
            for hits in range(faults + 1)
            if attribution.probability(
                counts(hits, one_h), counts(faults - hits, two_h)
            )
            < significance
        )
        self.assertLessEqual(blamed, significance + 1e-9)

    def test_edges(self) -> None:
        self.assertEqual(1.0, attribution.probability(Count(), Count()))
        self.assertEqual(1.0, attribution.probability(counts(3, 1), Count()))
        self.assertEqual(0.0, attribution.probability(Count(1, 0.0), counts(1, 1)))
        many = attribution.probability(counts(900, 10), counts(90_000, 1000))
        self.assertTrue(0.4 < many < 0.6, many)


class JudgeTest(unittest.TestCase):
    def judge(self, upgraded: Count, base: Count) -> attribution.Verdict:
        return attribution.judge(upgraded, base, 0.05)

    def test_the_usual_rate_is_unrelated(self) -> None:
        found = self.judge(counts(1, 100), counts(9, 900))
        self.assertFalse(found.is_related)
        self.assertEqual(
            "unrelated: 1 fault in 100.00 host-hours after the upgrade, 9 faults in"
            " 900.00 host-hours without it (p = 0.65, not below 0.05)",
            found.reason,
        )

    def test_a_fault_soon_after_the_upgrade_is_related(self) -> None:
        found = self.judge(counts(1, 1), counts(2, 700))
        self.assertTrue(found.is_related)
        self.assertIn("(p = 0.0043, below 0.05)", found.reason)

    def test_where_nothing_ever_failed_nothing_is_chance(self) -> None:
        found = self.judge(counts(1, 700), counts(0, 700))
        self.assertTrue(found.is_related)
        self.assertIn("no faults in 700.00 host-hours without it", found.reason)
        self.assertTrue(self.judge(counts(1, 1), Count()).is_related)


class CountTest(unittest.TestCase):
    def count(self, *lives: Life) -> tuple[Count, Count]:
        return attribution.count(lives, 100.0, 1000.0)

    def test_a_host_that_was_not_touched(self) -> None:
        found = self.count(Life("a", None, None, (50.0, 100.0, 400.0)))
        self.assertEqual((Count(), Count(2, 900.0)), found)

    def test_an_upgraded_host_counts_until_its_first_fault(self) -> None:
        sound = Life("a", 600.0, 700.0, (200.0,))
        lost = Life("b", 600.0, 700.0, (800.0, 900.0))
        found = self.count(sound, lost)
        self.assertEqual((Count(1, 300.0 + 100.0), Count(1, 1000.0)), found)

    def test_what_began_between_first_and_last_step_is_the_upgrades(self) -> None:
        found = self.count(Life("a", 600.0, 700.0, (650.0,)))
        self.assertEqual((Count(1, 0.0), Count(0, 500.0)), found)

    def test_a_host_midway_belongs_to_neither(self) -> None:
        found = self.count(Life("a", 600.0, None, (650.0,)))
        self.assertEqual((Count(), Count(0, 500.0)), found)

    @given(
        st.lists(
            st.tuples(
                st.floats(100, 2000),
                st.floats(0, 500),
                st.lists(st.floats(0, 2000), max_size=3),
            ),
            max_size=5,
        )
    )
    def test_no_fault_and_no_second_counts_twice(
        self, drawn: list[tuple[float, float, list[float]]]
    ) -> None:
        lives = [
            Life(str(at), begun, begun + took, tuple(sorted(faults)))
            for at, (begun, took, faults) in enumerate(drawn)
        ]
        upgraded, base = self.count(*lives)
        self.assertLessEqual(
            upgraded.faults + base.faults, sum(len(each.faults) for each in lives)
        )
        total = upgraded.exposure_s + base.exposure_s
        self.assertTrue(0 <= total <= 900.0 * len(lives) + 1e-6)


class OutagesTest(unittest.TestCase):
    def test_two_faults_of_one_outage_are_one(self) -> None:
        spells = [Spell(5.0, 9.0), Spell(1.0, 3.0), Spell(2.0, 4.0), Spell(6.0, None)]
        self.assertEqual((1.0, 5.0), attribution.outages(spells))
        self.assertEqual((), attribution.outages([]))
