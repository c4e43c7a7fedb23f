"""What a driver inherits."""

import unittest
from typing import Any

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base
from tests.fixtures import orders


class Note(base.Checkpoint):
    """Can be taken, and no more."""

    def take(self, order: commands.RunStep) -> dict[str, Any]:
        return {"taken": True}


class CheckpointTest(unittest.TestCase):
    def test_who_covers_nothing_refuses_to_restore(self) -> None:
        note, order = Note(), orders.make_order()
        with self.assertRaisesRegex(errors.ActionFailed, "cannot be put back"):
            note.restore(order, note.take(order))
