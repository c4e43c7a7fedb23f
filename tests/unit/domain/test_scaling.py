"""Does a campaign hold what scales? (S-7)"""

import dataclasses
import unittest

from escalator.domain import scaling
from escalator.domain.states import StepState
from tests.fixtures import engine as beds

DONE, REVERTED, FAILED = StepState.DONE, StepState.REVERTED, StepState.FAILED
HELD = ("p", "hold", scaling.HOLD, DONE)
RELEASED = ("q", "release", scaling.RELEASE, DONE)
HELD_AGAIN = ("q", "release", scaling.HOLD, DONE)
RELEASED_BY_UNDO = ("p", "hold", scaling.RELEASE, DONE)


def a_plan(**params):
    """Return a plan of one step, hold, with these parameters."""
    usual = beds.rolling_plan()
    (procedure,) = usual.procedures
    step = beds.step("hold", scaling.HOLD, "x", executor="vim")
    step = dataclasses.replace(step, params=params)
    procedure = dataclasses.replace(procedure, id="p", steps=(step,))
    return dataclasses.replace(usual, procedures=(procedure,))


class IsHeldTest(unittest.TestCase):
    def is_held(self, *begun, **params):
        return scaling.is_held(a_plan(**params), begun)

    def test_nothing_was_begun(self):
        self.assertFalse(self.is_held())

    def test_held_and_released(self):
        self.assertTrue(self.is_held(HELD))
        self.assertFalse(self.is_held(HELD, RELEASED))

    def test_a_hold_that_failed_may_hold(self):
        self.assertTrue(self.is_held((*HELD[:3], FAILED)))

    def test_a_release_that_failed_releases_nothing(self):
        self.assertTrue(self.is_held(HELD, (*RELEASED[:3], FAILED)))

    def test_on_the_way_back(self):
        there = ((*HELD[:3], REVERTED), (*RELEASED[:3], REVERTED))
        self.assertTrue(self.is_held(*there, HELD_AGAIN))
        self.assertFalse(self.is_held(*there, HELD_AGAIN, RELEASED_BY_UNDO))

    def test_what_is_held_for_another_campaign(self):
        self.assertFalse(self.is_held(HELD, holder="other"))
