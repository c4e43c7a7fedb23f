"""What every action keeps to; inherit beside ``unittest.TestCase``.

For drivers of third parties too: give the three methods of ``ActionContract``.
"""

import dataclasses
import json
import typing

import jsonschema

from escalator.domain import commands
from escalator.drivers import base


class ActionContract:
    """Tests of one action on a target that has not reached the goal yet."""

    DETECTS: typing.ClassVar[bool] = True
    """False if the action leaves ``detect`` out (its steps are not ``probe``)."""

    def make_action(self) -> base.Action:
        """Return the action under test, always with the same target."""
        raise NotImplementedError

    def make_order(self) -> commands.RunStep:
        """Return an order that can succeed, always of the same step."""
        raise NotImplementedError

    def count_changes(self) -> int:
        """Return how often the target was changed so far."""
        raise NotImplementedError

    @property
    def check(self) -> typing.Any:
        return self

    def again(self) -> commands.RunStep:
        order = self.make_order()
        return dataclasses.replace(
            order, attempt=order.attempt + 1, fence=order.fence + 1, is_resumed=True
        )

    def test_the_executor_is_known(self) -> None:
        self.check.assertIn(self.make_action().executor, ("node", "vim"))

    def test_the_schema_is_one_and_takes_the_order(self) -> None:
        schema = self.make_action().params_schema
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(self.make_order().params)

    def test_the_schema_refuses_what_it_does_not_know(self) -> None:
        schema = self.make_action().params_schema
        params = {**self.make_order().params, "surprise": 1}
        with self.check.assertRaises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(params)

    def test_the_result_is_a_json_object(self) -> None:
        result = self.make_action().run(self.make_order())
        self.check.assertIsInstance(result, dict)
        self.check.assertEqual(result, json.loads(json.dumps(result)))

    def test_a_reached_goal_is_not_reached_again(self) -> None:
        self.make_action().run(self.make_order())
        changes = self.count_changes()
        self.make_action().run(self.again())
        self.check.assertEqual(changes, self.count_changes())

    def test_is_mutating_tells_the_truth(self) -> None:
        before = self.count_changes()
        self.make_action().run(self.make_order())
        is_changed = self.count_changes() > before
        self.check.assertEqual(self.make_action().is_mutating, is_changed)

    def test_detect_sees_the_goal_and_changes_nothing(self) -> None:
        action, order = self.make_action(), self.again()
        if not (action.is_mutating and self.DETECTS):
            self.check.assertIsNone(action.detect(order))
            return
        before = self.count_changes()
        self.check.assertIsNone(action.detect(order))
        self.check.assertEqual(before, self.count_changes())
        result = action.run(self.make_order())
        changes = self.count_changes()
        later = dataclasses.replace(self.again(), attempt=3, fence=order.fence + 1)
        found = action.detect(later)
        self.check.assertEqual(set(result), set(found or {}))
        self.check.assertEqual(changes, self.count_changes())
