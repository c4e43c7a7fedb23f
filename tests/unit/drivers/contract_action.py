"""What every action keeps to; inherit beside ``unittest.TestCase``.

For drivers of third parties too: give the first three methods of
``ActionContract``, and what of the rest applies.
"""

import dataclasses
import json
import logging
import typing

import jsonschema

from escalator import errors
from escalator.domain import commands, plan
from escalator.drivers import base, loader


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

    SECRET: typing.ClassVar[str] = ""
    """A word of the order's parameters that nobody may read elsewhere."""

    def count_changes(self) -> int:
        """Return how often the target was changed so far."""
        raise NotImplementedError

    def make_undo(self) -> base.Action | None:
        """Return the action that ``undo`` names; None if there is none."""
        return None

    def read_target(self) -> typing.Any:
        """Return what the undo has to put back; needed beside ``make_undo``."""
        raise NotImplementedError

    def make_hopeless_order(self) -> commands.RunStep | None:
        """Return an order that fails; None if none can."""
        return None

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

    def test_a_dry_run_says_words_and_changes_nothing(self) -> None:
        """A preflight asks it long before the step, and no undo follows (V-3)."""
        changes = self.count_changes()
        told = self.make_action().dry_run(self.make_order())
        self.check.assertEqual([], [each for each in told if not isinstance(each, str)])
        self.check.assertEqual(changes, self.count_changes())

    def make_undo_order(self, result: dict[str, typing.Any]) -> commands.RunStep:
        order = self.make_order()
        undo = {"record": order.record, "result": result, "checkpoint": {}}
        return dataclasses.replace(
            order, step_id=f"{order.step_id}-undo", intent="revert", undo=undo
        )

    def test_what_it_declares_is_known(self) -> None:
        action = self.make_action()
        known = [each.value for each in plan.Idempotence]
        self.check.assertIn(action.idempotence, ["", *known])
        self.check.assertIn(action.progress, ("", "programs", "told"))
        if action.undo not in ("", "none_needed"):
            undo = loader.load_class("escalator.action", action.undo)
            self.check.assertEqual(action.executor, undo.executor)
            schema = jsonschema.Draft202012Validator(undo.params_schema)
            schema.validate(self.make_order().params)

    def test_an_undo_puts_back_what_was(self) -> None:
        undo = self.make_undo()
        if undo is None:
            return
        before = self.read_target()
        result = self.make_action().run(self.make_order())
        order = self.make_undo_order(result)
        self.check.assertIsNone(undo.detect(order))
        undo.run(order)
        self.check.assertEqual(before, self.read_target())
        self.check.assertIsNotNone(undo.detect(order))
        changes = self.count_changes()
        undo.run(order)
        self.check.assertEqual(changes, self.count_changes())

    def test_a_run_whose_outcome_was_lost_is_not_repeated(self) -> None:
        """The agent was killed after it acted; its next process runs it again."""
        result = self.make_action().run(self.make_order())
        changes = self.count_changes()
        order = dataclasses.replace(self.make_order(), is_resumed=True)
        self.check.assertEqual(set(result), set(self.make_action().run(order)))
        self.check.assertEqual(changes, self.count_changes())

    def test_undone_and_begun_anew_it_acts_again(self) -> None:
        """The step is the same, and what it did before does not count any more."""
        undo = self.make_undo()
        if undo is None:
            return
        for rerun in range(2):
            order = dataclasses.replace(
                self.make_order(), rerun=rerun, attempt=rerun + 1, is_resumed=rerun > 0
            )
            changes = self.count_changes()
            result = self.make_action().run(order)
            self.check.assertGreater(self.count_changes(), changes, rerun)
            reverted = dataclasses.replace(
                self.make_undo_order(result), step_id=f"{order.step_id}-undo-{rerun}"
            )
            reverted.undo["record"] = order.record
            undo.run(reverted)

    def test_a_failure_has_a_known_class(self) -> None:
        order = self.make_hopeless_order()
        if order is None:
            return
        with self.check.assertRaises(errors.ActionFailed) as caught:
            self.make_action().run(order)
        known = ("transient", "permanent", "verification", "timeout")
        self.check.assertIn(caught.exception.failure_class, known)

    def test_nothing_secret_is_told(self) -> None:
        order = self.make_order()
        self.check.assertIn(self.SECRET, json.dumps(order.params))
        with self.check.assertLogs(level=logging.DEBUG) as logged:
            logging.getLogger(__name__).debug("begin")
            told = [json.dumps(self.make_action().run(order))]
            if hopeless := self.make_hopeless_order():
                with self.check.assertRaises(errors.ActionFailed) as caught:
                    self.make_action().run(hopeless)
                told.append(f"{caught.exception} {caught.exception.result}")
        if self.SECRET:
            self.check.assertNotIn(self.SECRET, "\n".join([*told, *logged.output]))

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
