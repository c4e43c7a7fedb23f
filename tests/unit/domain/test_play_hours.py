"""A campaign that is played keeps to its change windows (CM-1, P-0, P-2)."""

import dataclasses
import datetime
import random
import unittest

from escalator.domain import (
    change_window,
    fault_library,
    forecast,
    plan,
    play,
    play_campaign,
    play_hours,
    simulation,
)
from tests.fixtures import engine as beds

START = change_window.moment("2026-12-01T12:00:00Z").timestamp()
HOSTS = [plan.Target(f"h{n}", role="compute") for n in range(6)]
VISIT_S = 600.0
LONGEST_S = 881.0
"""A visit of 600 s with the p90 of each step."""


def hours(*spans):
    """Return windows of (start, end), seconds from the start."""
    return tuple(
        change_window.ChangeWindow(f"w{at}", start=_text(start), end=_text(end))
        for at, (start, end) in enumerate(spans)
    )


def _text(seconds):
    moment = datetime.datetime.fromtimestamp(START + seconds, datetime.UTC)
    return moment.isoformat()


def made_plan(*spans, parallel=2, stages=(), windows=None):
    made = beds.rolling_plan(parallel, budgets=())
    (procedure,) = made.procedures
    procedure = dataclasses.replace(
        procedure,
        budgets=(),
        stages=stages,
        steps=tuple(
            dataclasses.replace(each, expected_s=100.0, timeout_s=1000.0)
            for each in procedure.steps
        ),
    )
    known = hours(*spans) if windows is None else windows
    return dataclasses.replace(made, procedures=(procedure,), windows=known)


def simulated(made, duration=lambda p, t: VISIT_S):
    calendar = play_hours.Calendar(made.windows, START, {})
    return simulation.simulate(made, HOSTS, duration, calendar)


def starts(found):
    return [each.start_s for each in found.visits]


class SimulationTest(unittest.TestCase):
    def test_nothing_is_begun_outside(self):
        found = simulated(made_plan((1000, 3000), (9000, 12000)))
        expected = [1000, 1000, 1600, 1600, 9000, 9000]
        self.assertEqual(expected, starts(found))
        self.assertEqual(((), {}), (found.left, found.stuck))

    def test_a_visit_that_would_not_end_in_time_waits(self):
        """One at 1600 would end at 2200, and might at 2481."""
        spans = (1000, 1600 + LONGEST_S - 1), (9000, 12000)
        self.assertEqual(
            [1000, 1000, 9000, 9000, 9600, 9600], starts(simulated(made_plan(*spans)))
        )

    def test_who_is_left(self):
        for spans in (((0, 1400),), ((0, 890), (4000, 4870))):
            found = simulated(made_plan(*spans))
            begun = {each.host for each in found.visits}
            self.assertEqual(2, len(begun))
            left = {each.name for each in HOSTS} - begun
            self.assertEqual((left, {}), (set(found.left), found.stuck))

    def test_who_waited_for_a_budget_at_the_end_is_left_not_stuck(self):
        made = made_plan((0, 890))
        (procedure,) = made.procedures
        one = dataclasses.replace(procedure, parallel=6, budgets=("all",))
        limit = plan.Budget("all", "all", max_down=1)
        made = dataclasses.replace(made, procedures=(one,), budgets=(limit,))
        found = simulated(made, lambda p, t: 1000.0)
        self.assertEqual((5, {}), (len(found.left), found.stuck))

    def test_nobody_begins_after_the_last_window(self):
        found = simulated(made_plan((-2000, -1000)))
        self.assertEqual(6, len(found.left))
        self.assertEqual((), found.visits)

    def test_weekly_windows_that_are_never_long_enough_end(self):
        weekly = change_window.ChangeWindow(
            "short", days=("mon",), opens="10:00", closes="10:10", zone="UTC"
        )
        found = simulated(made_plan(windows=(weekly,)))
        self.assertEqual((6, ()), (len(found.left), found.visits))

    def test_a_gate_opens_by_itself_in_a_window_only(self):
        """P-4d: whoever has to approve one does it at once."""
        for stage, expected in (
            (plan.Stage("auto", take=2), 9000.0),
            (plan.Stage("long", 2, 0.0, plan.Opening.WAIT, 8800.0), 9400.0),
            (plan.Stage("short", 2, 0.0, plan.Opening.WAIT, 10.0), 9000.0),
            (plan.Stage("asked", 2, 0.0, plan.Opening.APPROVE), 1000.0),
        ):
            made = made_plan((0, 900), (9000, 20000), stages=(stage,))
            found = simulated(made, lambda p, t: 1000.0 if t.name < "h2" else 600.0)
            expected = expected + 400.0 * (stage.id == "long")
            self.assertEqual([expected], [each.at_s for each in found.gates], stage.id)


class CalendarTest(unittest.TestCase):
    def test_each_time_to_look_again_is_told_once(self):
        calendar = play_hours.Calendar(hours((1000, 3000), (9000, 9100)), START, {})
        told = [calendar.wake_s(at, 0) for at in (0, 500, 1000, 2000, 9050, 9060, 9100)]
        self.assertEqual([1000.0, None, 9000.0, None, 9100.0, None, None], told)

    def test_without_windows_it_is_always_open(self):
        calendar = play_hours.Calendar((), START, {})
        self.assertEqual((7.0, ()), (calendar.opens_s(7.0), calendar.closed(9.0)))


class ForecastTest(unittest.TestCase):
    def test_the_plan_says_when_it_is_closed_and_who_is_left(self):
        found = forecast.make(
            made_plan((1000, 3000), (9000, 12000)), HOSTS, {}, 1, START
        )
        self.assertGreater(found.end_s(0.5), 9000)
        closed = [(each.start_s, each.end_s) for each in found.closed]
        self.assertEqual([(0.0, 1000.0), (3000.0, 9000.0)], closed)
        self.assertEqual(0, found.left)
        found = forecast.make(made_plan((1000, 3000)), HOSTS, {}, 1, START)
        self.assertEqual(2, found.left)

    def test_without_windows_the_start_decides_nothing(self):
        made = made_plan()
        one, other = (forecast.make(made, HOSTS, {}, 1, at) for at in (0.0, START))
        self.assertEqual(one, other)
        self.assertEqual((0, ()), (one.left, one.closed))
        digests = [
            forecast.digest({"windows": windows}, HOSTS, {}, 1, at)
            for windows in ([], ["w"])
            for at in (0.0, START)
        ]
        self.assertEqual(digests[0], digests[1])
        self.assertNotEqual(digests[2], digests[3])


class PlayTest(unittest.TestCase):
    def test_what_is_under_way_when_the_last_one_closes_is_finished(self):
        """Hosts three times as slow as anybody knows."""
        library = fault_library.Library(slow_share=1.0, slow_factor=3.0)
        run = self.play(made_plan((0, 890)), random.Random(1), library)
        self.assertEqual("holding", run.outcome)
        self.assertGreater(run.end_s, 1200.0)

    def play(self, made, chance=None, library=None):
        setting = play.Setting(
            made,
            tuple(HOSTS),
            {},
            {},
            library or fault_library.Library(),
            {},
            start_at=START,
        )
        return play_campaign.play(setting, chance)

    def test_it_waits_for_the_next_window(self):
        run = self.play(made_plan((1000, 3000), (9000, 12000)))
        self.assertEqual(("committed", 9600.0), (run.outcome, run.end_s))

    def test_after_the_last_window_it_holds(self):
        for spans, end_s in (
            (((1000, 2400),), 2400.0),
            (((1000, 3000), (9000, 9100)), 9100.0),
            (((-2000, -1000),), 0.0),
        ):
            run = self.play(made_plan(*spans))
            told = (run.outcome, run.end_s, run.reason)
            reason = "the last change window closed"
            self.assertEqual(("holding", end_s, reason), told)

    def test_without_windows_nothing_changes(self):
        self.assertEqual(1800.0, self.play(made_plan()).end_s)


if __name__ == "__main__":
    unittest.main()
