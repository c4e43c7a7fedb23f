"""The VIM's deeds, on the simulated VIM."""

import dataclasses
import os
import tempfile
import typing
import unittest

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import vim as actions
from escalator.drivers.vim import simulated
from tests.fixtures import orders
from tests.unit.drivers import contract_action

CLOUD = {
    "hosts": [{"name": f"node-{n}", "capacity": 2} for n in (1, 2, 3)],
    "instances": [{"id": f"i{n}", "project": "red", "host": "node-1"} for n in (1, 2)],
}


class Bench(unittest.TestCase):
    DETECTS: typing.ClassVar[bool] = False

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.vim = simulated.Simulated(os.path.join(folder.name, "vim.sqlite"), CLOUD)
        self.resources: dict[str, typing.Any] = {"vim": self.vim}
        self.order = orders.make_order(executor="vim", params={}, idempotence="natural")

    def make_order(self) -> commands.RunStep:
        return self.order

    def count_changes(self) -> int:
        return self.vim.read_changes()

    def is_enabled(self) -> bool:
        return next(h.is_enabled for h in self.vim.list_hosts() if h.name == "node-1")

    def stay(self) -> list[str]:
        return [e.id for e in self.vim.list_instances() if e.host == "node-1"]


class TestDisableScheduling(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return actions.DisableScheduling(self.resources)

    def test_nothing_lands_there_any_more(self) -> None:
        """O-0d."""
        self.make_action().run(self.order)
        self.assertFalse(self.is_enabled())
        self.assertEqual(2, len(self.stay()))

    def test_the_reason_names_the_campaign_or_what_the_file_says(self) -> None:
        read = "SELECT reason FROM host WHERE name = 'node-1'"
        self.make_action().run(self.order)
        self.assertIn(self.order.campaign_id, self.vim._storage.read(read)[0][0])
        order = dataclasses.replace(self.order, params={"reason": "new racks"})
        self.make_action().run(order)
        self.assertEqual("new racks", self.vim._storage.read(read)[0][0])


class TestEnableScheduling(Bench, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        actions.DisableScheduling(self.resources).run(self.order)

    def make_action(self) -> base.Action:
        return actions.EnableScheduling(self.resources)

    def test_it_undoes_a_disabling_with_its_very_parameters(self) -> None:
        undo = {"result": {"is_enabled": False}, "checkpoint": {}}
        order = dataclasses.replace(
            self.order, params={"reason": "r"}, intent="revert", undo=undo
        )
        self.make_action().run(order)
        self.assertTrue(self.is_enabled())


class TestDrain(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return actions.Drain(self.resources)

    def test_it_tells_what_it_moved_and_where(self) -> None:
        """O-0c."""
        told: list[typing.Any] = []
        self.resources["progress"] = lambda *each: told.append(each)
        result = self.make_action().run(self.order)
        self.assertEqual({"i1", "i2"}, set(result["moved"]))
        progress = {"total": 2, "unit": "instances"}
        self.assertEqual(
            [(self.order.step_id, {"done": n, **progress}) for n in (1, 2)], told
        )
        self.assertEqual([], self.stay())

    def test_no_room_is_a_permanent_failure_that_says_what_was_moved(self) -> None:
        for number in range(3):
            self.vim.boot(f"b{number}", "blue")
        with self.assertRaises(errors.ActionFailed) as caught:
            self.make_action().run(self.order)
        self.assertEqual("permanent", caught.exception.failure_class)
        self.assertEqual(["i1"], list(caught.exception.result["moved"]))  # type: ignore[call-overload]

    def test_the_dry_run_asks_the_vim(self) -> None:
        """V-3: it says who would stay, and nobody moves."""
        self.assertEqual([], self.make_action().dry_run(self.order))
        for number in range(3):
            self.vim.boot(f"b{number}", "blue")
        told = self.make_action().dry_run(self.order)
        self.assertEqual(["instance i2 fits on no other host"], told)
        self.assertEqual(["i1", "i2"], self.stay())

    def test_a_host_that_the_vim_does_not_have_cannot_be_drained(self) -> None:
        order = dataclasses.replace(self.order, host="no such")
        self.assertEqual(["No host no such exists."], self.make_action().dry_run(order))

    def test_a_vim_that_is_away_cannot_tell(self) -> None:
        """V-3: never a silent yes."""
        os.remove(self.vim.path)
        with self.assertRaises(errors.ActionFailed) as caught:
            self.make_action().dry_run(self.order)
        self.assertEqual("transient", caught.exception.failure_class)
        self.assertIn("could not be told", str(caught.exception))


class TestVacate(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return actions.Vacate(self.resources)

    def test_it_closes_the_host_before_it_empties_it(self) -> None:
        """O-0d: in the other order something could land in between."""
        seen: list[bool] = []
        drain = self.vim.drain

        def look_and_drain(host: str, tell: base.Moved) -> dict[str, str]:
            seen.append(self.is_enabled())
            return drain(host, tell)

        self.vim.drain = look_and_drain  # type: ignore[method-assign]
        self.make_action().run(self.order)
        self.assertEqual([False], seen)
        self.assertEqual([], self.stay())

    def test_the_dry_run_asks_the_vim(self) -> None:
        for number in range(4):
            self.vim.boot(f"b{number}", "blue")
        self.assertEqual(2, len(self.make_action().dry_run(self.order)))


class TestUnknownHost(Bench):
    def test_every_deed_refuses_it(self) -> None:
        order = dataclasses.replace(self.order, host="no such")
        for action in (
            actions.DisableScheduling,
            actions.EnableScheduling,
            actions.Drain,
            actions.Vacate,
        ):
            with self.assertRaises(errors.NotFound):
                action(self.resources).run(order)
