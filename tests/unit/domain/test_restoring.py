"""R-1: which checkpoint stands in for what."""

import dataclasses
import unittest

from escalator.domain import plan, restoring
from escalator.domain.states import SlotState, StepState
from tests.fixtures import engine as beds
from tests.unit.domain import test_campaign


def save(name, *covers):
    return beds.step(name, name, kind="checkpoint", checkpoint=name, covers=covers)


STEPS = (
    beds.step("early", "pkg.install", "back"),
    save("first", "pkg.*"),
    beds.step("one", "pkg.install", "back"),
    save("second", "pkg.*", "file.write"),
    beds.step("write", "file.write", "back"),
    beds.step("two", "pkg.remove", "back"),
    beds.step("far", "pkg.install", "back", executor="vim"),
    beds.step("look", "pkg.show"),
)
PROCEDURE = dataclasses.replace(
    beds.rolling_plan(steps=STEPS).procedures[0],
    ladder=(plan.Rung("restore", ("permanent", "timeout"), times=2),),
)


class RestoringTest(unittest.TestCase):
    def slot(self, *rows, **changed):
        """Return a slot whose steps are done, but for those that are named."""
        steps = [
            test_campaign.view(
                at, changed.get(each.id, StepState.DONE), name=each.id, kind=each.kind
            )
            for at, each in enumerate(STEPS)
        ]
        return test_campaign.slot(*steps, *rows, state=SlotState.UNDOING)

    def checkpoint(self, **changed):
        found = restoring.checkpoint_for(PROCEDURE, self.slot(**changed))
        return found.id if found else ""

    def test_what_is_covered(self):
        """After the checkpoint, by the same agent, and of the named actions."""
        self.assertEqual({"one", "two"}, restoring.covered(PROCEDURE, STEPS[1]))
        self.assertEqual({"write", "two"}, restoring.covered(PROCEDURE, STEPS[3]))

    def test_the_first_checkpoint_that_was_taken(self):
        blocked = StepState.BLOCKED
        self.assertEqual("first", self.checkpoint())
        self.assertEqual("second", self.checkpoint(first=blocked))
        self.assertEqual("", self.checkpoint(first=blocked, second=blocked))
        self.assertEqual("", self.checkpoint(one=blocked, write=blocked, two=blocked))

    def test_it_covers_the_undo_that_failed(self):
        for state in (StepState.REVERTING, StepState.REVERT_FAILED):
            self.assertEqual("first", self.checkpoint(two=state))
            self.assertEqual("second", self.checkpoint(write=state))
            self.assertEqual("", self.checkpoint(far=state))
            self.assertEqual("", self.checkpoint(early=state))
            self.assertEqual("", self.checkpoint(one=state, write=state))

    def test_a_rung_has_to_be_left(self):
        def restore(at, state=StepState.FAILED):
            return test_campaign.view(900 + at, state, intent="restore", name="first")

        old = StepState.SUPERSEDED
        for rows, kind, can_restore in (
            ((), "permanent", True),
            ((), "transient", False),
            ((restore(1),), "timeout", True),
            ((restore(1), restore(2)), "permanent", False),
            ((restore(1), restore(2, old)), "permanent", True),
        ):
            slot = restoring.judged(PROCEDURE, self.slot(*rows), kind)
            self.assertEqual(can_restore, slot.can_restore, (len(rows), kind))

    def test_its_place_is_that_of_the_first_one_that_it_stands_in_for(self):
        replaced = {"b", "d"}
        for acted, chain in (
            ("edcba", ["e", None, "c", "a"]),
            ("ba", [None, "a"]),
            ("ca", ["c", "a"]),
        ):
            self.assertEqual(chain, restoring.stand_in(list(acted), replaced))
