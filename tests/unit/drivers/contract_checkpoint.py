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
        """Change the target so that it differs from its checkpoint."""
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
