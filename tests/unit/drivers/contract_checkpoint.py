"""What every checkpoint driver keeps to; inherit beside ``unittest.TestCase``."""

import dataclasses
import json
import typing

from escalator.domain import commands
from escalator.drivers import base


class CheckpointContract:
    """Tests of one checkpoint driver."""

    def make_checkpoint(self) -> base.Checkpoint:
        """Return the driver under test, always with the same target."""
        raise NotImplementedError

    def make_order(self) -> commands.RunStep:
        """Return an order that can succeed."""
        raise NotImplementedError

    def count_changes(self) -> int:
        """Return how often the target was changed so far."""
        raise NotImplementedError

    def change_target(self) -> None:
        """Change the target so that it differs from its checkpoint.

        As an action would that the driver covers.
        """
        raise NotImplementedError

    @property
    def check(self) -> typing.Any:
        return self

    def take(self, attempt: int = 1) -> dict[str, typing.Any]:
        order = dataclasses.replace(self.make_order(), attempt=attempt)
        return self.make_checkpoint().take(order)

    def test_the_executor_is_known(self) -> None:
        self.check.assertIn(self.make_checkpoint().executor, ("node", "vim"))

    def test_the_content_is_a_json_object(self) -> None:
        content = self.take()
        self.check.assertIsInstance(content, dict)
        self.check.assertEqual(content, json.loads(json.dumps(content)))
        self.check.assertTrue(content)

    def test_taking_changes_nothing(self) -> None:
        before = self.count_changes()
        self.take()
        self.check.assertEqual(before, self.count_changes())

    def test_the_same_state_gives_the_same_content(self) -> None:
        self.check.assertEqual(self.take(1), self.take(2))

    def test_another_state_gives_another_content(self) -> None:
        before = self.take(1)
        self.change_target()
        self.check.assertNotEqual(before, self.take(2))


class RestoreContract(CheckpointContract):
    """Tests of one that says what it covers, and so can restore."""

    def test_it_says_what_it_covers(self) -> None:
        self.check.assertTrue(self.make_checkpoint().covers)

    def restore(
        self, content: dict[str, typing.Any], attempt: int = 1, step_id: str = ""
    ) -> None:
        order = dataclasses.replace(
            self.make_order(), intent="restore", attempt=attempt, step_id=step_id
        )
        self.make_checkpoint().restore(order, content)

    def test_a_restore_brings_the_whole_target_back(self) -> None:
        """R-1: taken, changed, restored and taken again, nothing differs."""
        before = self.take(1)
        self.change_target()
        self.restore(before, step_id="restore")
        self.check.assertEqual(before, self.take(2))

    def test_a_restore_that_is_repeated_changes_nothing_more(self) -> None:
        """R-1: the same attempt, a later one, and another step."""
        before = self.take(1)
        self.change_target()
        self.restore(before, 1, "restore")
        count = self.count_changes()
        for attempt, step_id in ((1, "restore"), (2, "restore"), (1, "another")):
            self.restore(before, attempt, step_id)
        self.check.assertEqual(count, self.count_changes())
        self.check.assertEqual(before, self.take(2))
