"""Scaling is held and released by agents of the VIM (S-7)."""

import dataclasses
import uuid
from typing import Any

import jsonschema

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import scaling as actions
from tests.fixtures import orders
from tests.unit.drivers import contract_action, test_scaling


class Bench(test_scaling.Case):
    DETECTS = False

    def setUp(self) -> None:
        super().setUp()
        self.resources: dict[str, Any] = {"vim": self.vim}
        self.order = orders.make_order(
            action="scaling.hold",
            executor="vim",
            params={"reason": "to 2.0"},
            idempotence="natural",
        )

    def make_order(self) -> commands.RunStep:
        return self.order

    def count_changes(self) -> int:
        return self.vim.read_changes()

    def enabled(self) -> list[str]:
        return [each.name for each in self.policies.triggers() if each.is_enabled]

    def holders(self) -> dict[str, str]:
        return dict(self.policies.triggers()[1].holders)


class TestHold(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return actions.Hold(self.resources)

    def test_it_is_noted_for_whom_and_why(self) -> None:
        """S-7: the campaign, and what the file says."""
        told = self.make_action().run(self.order)
        self.assertEqual([], self.enabled())
        self.assertEqual({self.order.campaign_id: "to 2.0"}, self.holders())
        self.assertEqual(["on-1", "on-2"], told["held"])
        self.assertEqual(["off"], told["disabled_before"])

    def test_without_a_reason_there_is_one(self) -> None:
        self.make_action().run(dataclasses.replace(self.order, params={}))
        self.assertEqual([actions.REASON], list(self.holders().values()))

    def test_a_rollback_gives_it_back_without_the_result(self) -> None:
        """S-7, R-2: the report was lost with the agent."""
        self.make_action().run(self.order)
        undo = {"record": self.order.record, "result": {}, "checkpoint": {}}
        order = dataclasses.replace(self.order, intent="revert", undo=undo)
        actions.Release(self.resources).run(order)
        self.assertEqual(["on-1", "on-2"], self.enabled())

    def test_long_lists_are_counted(self) -> None:
        with self.vim._storage.change() as db:
            rows = [(f"n{number:03}",) for number in range(250)]
            db.executemany("INSERT INTO scaling VALUES (?, 'red', 1, '{}')", rows)
        held = self.make_action().run(self.order)["held"]
        self.assertEqual((101, "and 152 more"), (len(held), held[-1]))

    def test_parameters_that_could_not_be_noted_are_refused(self) -> None:
        checker = jsonschema.Draft202012Validator(actions.Hold.params_schema)
        for params in (
            {"reason": "a [b]"},
            {"reason": "a\nb"},
            {"reason": "a" * 201},
            {"holder": "me"},
            {"if_absent": "ignore"},
        ):
            self.assertFalse(checker.is_valid(params), params)


class TestRelease(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        actions.Hold(self.resources).run(self.order)

    def make_action(self) -> base.Action:
        return actions.Release(self.resources)

    def test_it_is_as_it_was(self) -> None:
        """S-7: what its owner had disabled stays disabled."""
        told = self.make_action().run(self.order)
        self.assertEqual(["on-1", "on-2"], self.enabled())
        self.assertEqual(["on-1", "on-2"], told["released"])

    def test_what_a_cancelled_campaign_left(self) -> None:
        """S-7: another campaign names it."""
        other = dataclasses.replace(self.order, campaign_id=str(uuid.uuid4()))
        self.make_action().run(other)
        self.assertEqual([], self.enabled())
        params = {"holder": self.order.campaign_id}
        self.make_action().run(dataclasses.replace(other, params=params))
        self.assertEqual(["on-1", "on-2"], self.enabled())


class TestAbsent(Bench):
    """A VIM without anything that scales."""

    def setUp(self) -> None:
        super().setUp()
        self.vim.scaling = None

    def test_it_is_a_failure_that_says_what_to_write(self) -> None:
        for action in (actions.Hold, actions.Release):
            with self.assertRaisesRegex(errors.ActionFailed, "if_absent: skip") as one:
                action(self.resources).run(self.order)
            self.assertEqual("permanent", one.exception.failure_class)

    def test_on_purpose_it_is_skipped(self) -> None:
        order = dataclasses.replace(self.order, params={"if_absent": "skip"})
        for action in (actions.Hold, actions.Release):
            self.assertEqual({"is_absent": True}, action(self.resources).run(order))
