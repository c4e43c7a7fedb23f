"""What scales is held and released, on the simulated VIM (S-7)."""

import os
import tempfile
import unittest
from typing import Any

from escalator import errors
from escalator.drivers import scaling
from escalator.drivers.vim import simulated, simulated_scaling
from tests.unit.drivers import contract_scaling
from tests.unit.drivers.contract_scaling import LONG_S, ONE, OTHER

CLOUD = {
    "hosts": [{"name": "host-1", "capacity": 2}],
    "scaling": [
        {"name": "on-1", "project": "red"},
        {"name": "on-2", "project": "blue", "enabled": True},
        {"name": "off", "project": "red", "enabled": False},
    ],
}


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "vim.sqlite")
        self.vim = simulated.Simulated(self.path, CLOUD)
        assert isinstance(self.vim.scaling, simulated_scaling.SimulatedScaling)
        self.policies = self.vim.scaling


class SimulatedTest(Case, contract_scaling.ScalingContract):
    def make_scaling(self) -> scaling.Scaling:
        made = simulated.Simulated(self.path).scaling
        assert made is not None
        return made

    def read_cloud(self) -> Any:
        rows = self.vim._storage.read("SELECT * FROM scaling ORDER BY name")
        return [tuple(row) for row in rows]

    def is_enabled(self, name: str) -> bool:
        return {each.name: each.is_enabled for each in self.policies.triggers()}[name]

    def set_enabled(self, name: str, is_enabled: bool) -> None:
        self.policies.set_enabled(name, is_enabled)

    def count_changes(self) -> int:
        return self.vim.read_changes()

    def test_nothing_scales_while_it_is_held(self) -> None:
        """S-7: load fires the policy before, meanwhile and afterwards."""
        self.assertEqual("host-1", self.policies.fire("on-1"))
        self.hold()
        self.assertEqual("", self.policies.fire("on-1"))
        self.assertEqual(1, len(self.vim.list_instances()))
        self.release()
        self.assertEqual("host-1", self.policies.fire("on-1"))
        self.assertEqual(
            ["red", "red"], [each.project_id for each in self.vim.list_instances()]
        )
        self.assertEqual("", self.policies.fire("off"))

    def test_a_policy_that_nobody_knows(self) -> None:
        for call in (
            lambda: self.policies.fire("x"),
            lambda: self.policies.set_enabled("x", True),
            lambda: self.policies.change("x", lambda each: each),
        ):
            with self.assertRaisesRegex(errors.NotFound, "scaling policy x"):
                call()


class Odd(scaling.Scaling):
    """Refuses, loses or never keeps what it is told to change."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.there = {
            name: scaling.Trigger(name, name, True) for name in ("a", "b", "c")
        }

    def triggers(self) -> list[scaling.Trigger]:
        return list(self.there.values())

    def change(self, trigger_id: str, wanted: scaling.Wanted) -> None:
        if trigger_id == "b":
            if self.kind == "refuses":
                raise errors.ActionFailed(action="update", reason="no")
            if self.kind == "loses":
                del self.there["b"]
                raise errors.NotFound(kind="alarm", id="b")
            if self.kind == "forgets":
                return
        self.there[trigger_id] = wanted(self.there[trigger_id])


class OddTest(unittest.TestCase):
    def test_one_that_is_refused_spoils_no_other(self) -> None:
        odd = Odd("refuses")
        with self.assertRaisesRegex(errors.ActionFailed, "b: update failed: no") as one:
            odd.hold(ONE, "x", LONG_S)
        self.assertEqual("permanent", one.exception.failure_class)
        enabled = {name: each.is_enabled for name, each in odd.there.items()}
        self.assertEqual({"a": False, "b": True, "c": False}, enabled)
        odd.kind = ""
        self.assertEqual(["a", "c"], odd.release(ONE, LONG_S)["released"])

    def test_one_that_goes_meanwhile_is_told(self) -> None:
        told = Odd("loses").hold(ONE, "x", LONG_S)
        self.assertEqual((["b"], ["a", "c"]), (told["gone"], told["held"]))

    def test_one_that_goes_before_its_release_is_told(self) -> None:
        odd = Odd("")
        odd.hold(ONE, "x", LONG_S)
        odd.kind = "loses"
        told = odd.release(ONE, LONG_S)
        self.assertEqual((["b"], ["a", "c"]), (told["gone"], told["released"]))

    def test_what_others_write_over_all_the_time_is_a_failure(self) -> None:
        with self.assertRaisesRegex(errors.ActionFailed, "others change") as caught:
            Odd("forgets").hold(ONE, "x", LONG_S)
        self.assertEqual("transient", caught.exception.failure_class)


class TriggerTest(unittest.TestCase):
    def test_the_first_reason_of_a_holder_stays(self) -> None:
        once = scaling.Trigger("a", "a", True).held(ONE, "why")
        self.assertEqual(once, once.held(ONE, "another"))
        self.assertEqual({ONE: "why", OTHER: "x"}, once.held(OTHER, "x").holders)

    def test_enabled_by_its_owner_and_held_by_another(self) -> None:
        """It is left as the owner has it, whoever still holds it."""
        both = scaling.Trigger("a", "a", True, {ONE: "", OTHER: ""})
        self.assertTrue(both.released(ONE).is_enabled)


class Restless(Odd):
    """Writes an old copy back when it is looked at for the third and fifth time."""

    settle_s = 0.01
    looks = 0

    def triggers(self) -> list[scaling.Trigger]:
        self.looks += 1
        if self.looks in (3, 5):
            self.there["b"] = scaling.Trigger("b", "b", True)
        return super().triggers()


class SettleTest(unittest.TestCase):
    def test_what_the_vim_writes_back_is_held_again_until_it_lasts(self) -> None:
        """S-7: the look that found nothing comes after the time in which it may."""
        restless = Restless("")
        told = restless.hold(ONE, "x", LONG_S)
        self.assertEqual(
            (["b"], ["a", "b", "c"]), (told["enabled_meanwhile"], told["held"])
        )
        self.assertFalse(any(e.is_enabled for e in restless.there.values()))
        self.assertEqual(7, restless.looks)

    def test_a_step_that_is_too_short_says_so(self) -> None:
        restless = Restless("")
        restless.settle_s = 60.0
        with self.assertRaisesRegex(errors.ActionFailed, "60 s .* longer timeout") as e:
            restless.hold(ONE, "x", LONG_S)
        self.assertEqual("timeout", e.exception.failure_class)
        self.assertFalse(any(e.is_enabled for e in restless.there.values()))

    def test_who_holds_nothing_waits_for_nothing(self) -> None:
        restless = Restless("")
        restless.settle_s = 60.0
        restless.there.clear()
        self.assertEqual([], restless.hold(ONE, "x", LONG_S)["held"])
