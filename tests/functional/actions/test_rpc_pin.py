"""Pins in a real file, and a real service that is told."""

import dataclasses
import typing

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import rpc_pin
from tests.fixtures import action_bed
from tests.unit.drivers import contract_action

TEXT = """# kept
[DEFAULT]
compute = not this one

[upgrade_levels]
# also kept
compute = auto
conductor = 2

[other]
compute = nor this one
"""


class TestSet(action_bed.DaemonBed, contract_action.ActionContract):
    def setUp(self) -> None:
        super().setUp()
        self.bring_up()
        self.write("etc/nova.conf", TEXT)
        self.order = self.pinned()

    def pinned(self, **params: str) -> commands.RunStep:
        known = {
            "path": self.path("etc", "nova.conf"),
            "option": "compute",
            "value": "6.0",
            "service": "web",
        }
        return self.with_params(**{**known, **params})

    def make_action(self) -> base.Action:
        return rpc_pin.Set(self.resources)

    def make_undo(self) -> base.Action | None:
        return rpc_pin.Restore(self.resources)

    def read_target(self) -> typing.Any:
        return self.read("etc/nova.conf")

    def make_hopeless_order(self) -> commands.RunStep | None:
        order = self.pinned(path=self.path("etc", "none.conf"))
        return dataclasses.replace(order, step_id="hopeless")

    def test_only_the_one_option_changes_and_the_service_is_told(self) -> None:
        self.make_action().run(self.order)
        wanted = TEXT.replace("compute = auto", "compute = 6.0")
        self.assertEqual(wanted, self.read("etc/nova.conf"))
        self.wait_for(lambda: self.words() == ["start", "hup"], "the signal")

    def test_what_is_so_already_is_not_told(self) -> None:
        result = self.make_action().run(self.pinned(value="auto"))
        rpc_pin.Restore(self.resources).run(self.make_undo_order(result))
        self.assertEqual((["start"], TEXT), (self.words(), self.read_target()))

    def test_cut_off_between_file_and_signal(self) -> None:
        """What the first attempt found says that the service was not told."""
        self.resources["keep"].once(
            self.order.record,
            "before",
            lambda: {"lines": ["compute = auto"], "has_section": True},
        )
        self.write("etc/nova.conf", TEXT.replace("= auto", "= 6.0"))
        self.assertIsNone(self.make_action().detect(self.again()))
        self.make_action().run(self.again())
        self.wait_for(lambda: self.words() == ["start", "hup"], "the signal")

    def test_the_undo_keeps_what_others_changed_meanwhile(self) -> None:
        result = self.make_action().run(self.order)
        self.write("etc/nova.conf", self.read_target().replace("= 2", "= 3"))
        rpc_pin.Restore(self.resources).run(self.make_undo_order(result))
        self.assertEqual(TEXT.replace("= 2", "= 3"), self.read_target())

    def test_a_section_that_was_not_there_goes_again(self) -> None:
        self.order = self.pinned(section="pins")
        result = self.make_action().run(self.order)
        self.assertIn("[pins]\ncompute = 6.0\n", self.read_target())
        rpc_pin.Restore(self.resources).run(self.make_undo_order(result))
        self.assertEqual(TEXT, self.read_target())

    def test_several_lines_become_one_and_come_back(self) -> None:
        several = TEXT.replace("compute = auto", "compute = 1,\n  2\ncompute = 3")
        self.write("etc/nova.conf", several)
        result = self.make_action().run(self.order)
        self.assertEqual(TEXT.replace("auto", "6.0"), self.read_target())
        rpc_pin.Restore(self.resources).run(self.make_undo_order(result))
        self.assertEqual(several, self.read_target())

    def test_elsewhere_nothing_is_written(self) -> None:
        error = self.refused(self.make_action(), self.pinned(path="/etc/nova.conf"))
        self.assertIn("writable_paths", str(error))
