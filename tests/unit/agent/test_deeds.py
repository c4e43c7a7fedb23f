"""From orders to plugins, and from errors to failure classes (E-2)."""

import unittest
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.agent import deeds
from escalator.domain import commands
from escalator.drivers import base
from tests.fixtures import orders


class Returning:
    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, order: Any) -> Any:
        return self.result


class Deed(base.Action):
    """Calls ``resources["act"]``; is done if ``resources["found"]`` says so."""

    params_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"packages": {"type": "object"}},
        "additionalProperties": False,
    }

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.resources = resources

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        result: dict[str, Any] = self.resources["act"](order)
        return result

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.resources["found"]
        return found


class OnVim(Deed):
    executor = "vim"


class Picture(base.Checkpoint):
    def __init__(self, resources: Mapping[str, Any]) -> None:
        pass

    def take(self, order: commands.RunStep) -> dict[str, Any]:
        return {"picture": order.host}


class Album(Picture):
    """Keeps one line, and puts it back unless it is stuck."""

    covers = ("package.*",)

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.lines: dict[str, str] = resources["lines"]

    def take(self, order: commands.RunStep) -> dict[str, Any]:
        return dict(self.lines)

    def restore(self, order: commands.RunStep, content: Mapping[str, Any]) -> None:
        if "stuck" not in self.lines:
            self.lines.clear()
            self.lines.update(content)


class RestoreTest(unittest.TestCase):
    """R-1: what was put back is looked at once more."""

    def setUp(self) -> None:
        self.lines = {"line": "new"}
        kinds = {"album": Album, "picture": Picture}
        self.worker = deeds.Deeds({}, kinds, {"lines": self.lines})

    def restore(self, undo: dict[str, Any], action: str = "album") -> dict[str, Any]:
        order = orders.make_order(
            kind="checkpoint", intent="restore", action=action, undo=undo
        )
        return self.worker.carry_out(order)

    def refusal(self, *asked: Any) -> str:
        with self.assertRaises(errors.ActionFailed) as caught:
            self.restore(*asked)
        self.assertEqual("permanent", caught.exception.failure_class)
        return str(caught.exception)

    def test_the_content_of_the_order_is_put_back(self) -> None:
        self.restore({"checkpoint": {"cp": {"line": "old"}}})
        self.assertEqual({"line": "old"}, self.lines)

    def test_a_difference_is_told(self) -> None:
        self.lines["stuck"] = "here"
        text = self.refusal({"checkpoint": {"cp": {"line": "old"}}})
        self.assertIn("line: 'old' is 'new'; stuck: 'here' was not there", text)

    def test_without_a_content_nothing_is_done(self) -> None:
        undo: dict[str, Any]
        for undo in ({}, {"checkpoint": {}}, {"checkpoint": {"cp": None}}):
            self.assertIn("no checkpoint is kept", self.refusal(undo))
        self.assertEqual({"line": "new"}, self.lines)

    def test_a_driver_that_cannot_restore_says_so(self) -> None:
        text = self.refusal({"checkpoint": {"cp": {"picture": "node-1"}}}, "picture")
        self.assertIn("cannot be put back", text)


class DeedsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.act: Callable[[Any], Any] = lambda order: {"acted": True}
        self.found: dict[str, Any] | None = {"found": True}

    def carry_out(self, **members: Any) -> dict[str, Any]:
        actions = {"package.install": Deed, "vim.drain": OnVim}
        resources = {"act": lambda order: self.act(order), "found": self.found}
        worker = deeds.Deeds(actions, {"picture": Picture}, resources)
        return worker.carry_out(orders.make_order(**members))

    def refusal(self, **members: Any) -> str:
        with self.assertRaises(errors.ActionFailed) as caught:
            self.carry_out(**members)
        self.assertEqual("permanent", caught.exception.failure_class)
        return str(caught.exception)

    def test_a_first_attempt_acts_without_asking(self) -> None:
        self.assertEqual({"acted": True}, self.carry_out())

    def test_a_resumed_attempt_detects_before_it_acts(self) -> None:
        self.assertEqual({"found": True}, self.carry_out(is_resumed=True))
        self.found = None
        self.assertEqual({"acted": True}, self.carry_out(is_resumed=True))

    def test_only_the_probe_class_detects(self) -> None:
        for idempotence in ("natural", "keyed", "never"):
            result = self.carry_out(is_resumed=True, idempotence=idempotence)
            self.assertEqual({"acted": True}, result, idempotence)

    def test_only_an_action_that_can_go_on_is_resumed(self) -> None:
        class GoesOn(Deed):
            def can_resume(self, order: commands.RunStep) -> bool:
                return order.attempt == 1

        worker = deeds.Deeds({"a": Deed, "b": GoesOn, "c": OnVim}, {}, {})
        cases = {
            "a": False,  # says nothing
            "b": True,
            "c": False,  # of the other executor
            "d": False,  # not there any more
        }
        for action, expected in cases.items():
            order = orders.make_order(action=action)
            self.assertEqual(expected, worker.can_resume(order), action)
        for members in ({"kind": "checkpoint"}, {"attempt": 2}):
            order = orders.make_order(action="b", **members)
            self.assertFalse(worker.can_resume(order))

    def test_checkpoints_are_taken(self) -> None:
        result = self.carry_out(kind="checkpoint", action="picture")
        self.assertEqual({"picture": "node-1"}, result)

    def test_an_unknown_action_is_refused_with_what_there_is(self) -> None:
        text = self.refusal(action="package.explode")
        self.assertIn("package.explode", text)
        self.assertIn("package.install, vim.drain", text)
        self.assertIn("picture", self.refusal(kind="checkpoint"))

    def test_an_action_of_the_other_executor_is_refused(self) -> None:
        self.assertIn("vim agents", self.refusal(action="vim.drain"))

    def test_undeclared_parameters_are_refused_before_acting(self) -> None:
        self.act = self.fail
        self.assertIn("$", self.refusal(params={"shell": "rm -rf /"}))

    def test_a_result_must_be_a_json_object(self) -> None:
        bad: Any
        for bad in ({"a": object()}, [1], None, {1, 2}):
            self.act = Returning(bad)
            self.assertIn("JSON", self.refusal())

    def test_a_result_is_copied_as_the_bus_carries_it(self) -> None:
        self.act = lambda order: {"a": (1, 2)}
        self.assertEqual({"a": [1, 2]}, self.carry_out())


class RemainingTest(unittest.TestCase):
    def test_time_runs_from_the_absolute_deadline(self) -> None:
        """P-4e: nothing is re-armed from zero after a restart."""
        order = orders.make_order(timeout_s=30.0, deadline_at=1000.0)
        self.assertEqual(30.0, deeds.remaining(order, 900.0).timeout_s)
        self.assertEqual(4.0, deeds.remaining(order, 996.0).timeout_s)
        with self.assertRaises(errors.ActionFailed) as caught:
            deeds.remaining(order, 1000.5)
        self.assertEqual("timeout", caught.exception.failure_class)


class ClassifyTest(unittest.TestCase):
    def test_classes(self) -> None:
        cases = [
            (errors.ActionFailed("x", failure_class="verification"), "verification"),
            (errors.VimUnavailable(call="drain", timeout_s=1, reason="x"), "transient"),
            (errors.NotFound(kind="host", id="x"), "permanent"),
        ]
        for error, expected in cases:
            self.assertEqual(expected, deeds.classify(error)[0], error)

    def test_surprises_are_logged_and_permanent(self) -> None:
        with self.assertLogs("escalator.agent.deeds", "ERROR"):
            self.assertEqual(
                ("permanent", "KeyError: 'x'"), deeds.classify(KeyError("x"))
            )
            self.assertEqual("timeout", deeds.classify(TimeoutError("x"))[0])

    def test_a_long_detail_keeps_its_end(self) -> None:
        detail = deeds.classify(errors.ActionFailed("a" * 9000 + "the reason"))[1]
        self.assertTrue(detail.endswith("the reason"))
        self.assertLess(len(detail), 2100)
