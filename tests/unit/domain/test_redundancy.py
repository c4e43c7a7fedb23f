"""The gate of ``smoothness`` (C731): who has nobody to stand in is told of."""

import copy
import dataclasses
import unittest
from typing import Any

import yaml

from escalator.domain import finding, lints, reading
from escalator.domain.plan import Target
from tests.fixtures import campaigns

Document = dict[str, Any]

GOLDEN: Document = yaml.safe_load(campaigns.golden())
CHECKPOINT, CORDON, DRAIN, INSTALL, VERIFY, UNCORDON = (
    GOLDEN["procedures"][0]["steps"][at] for at in range(6)
)
ONE, TWO = campaigns.fleet(2)


def _host(target: Target, **changes: Any) -> Target:
    return dataclasses.replace(target, **changes)


def _found(
    *targets: Target, smoothness: str = "smooth", match: Any = None, **procedure: Any
) -> list[finding.Finding]:
    """Judge the golden file, its procedure changed, without budgets."""
    document = copy.deepcopy(GOLDEN)
    document["metadata"]["smoothness"] = smoothness
    document["budgets"] = []
    document["procedures"][0].update({"budgets": [], **procedure})
    document["selectors"]["computes"]["match"].update(match or {})
    document["selectors"]["spares"] = {"match": {"role": "spare"}}
    found = lints.check(document, {}, campaigns.CATALOGUE, targets)
    return [each for each in found if each.rule == "C731"]


class DeclaredTest(unittest.TestCase):
    """E-3, S-7: stand-alone only where the file says so."""

    def test_smooth_refuses_and_tells_place_host_and_remedy(self) -> None:
        (found,) = _found(ONE)
        self.assertEqual(
            ("error", "/procedures/0/select"), (found.severity, found.pointer)
        )
        self.assertIn("drain (vim.drain) interrupts compute-01", found.detail)
        self.assertIn("smoothness: best_effort or disruptive", found.remedy)

    def test_best_effort_is_warned(self) -> None:
        (found,) = _found(ONE, smoothness="best_effort")
        self.assertEqual("warning", found.severity)
        self.assertTrue(found.remedy.endswith("smoothness: disruptive"), found.remedy)

    def test_disruptive_promises_nothing(self) -> None:
        self.assertEqual([], _found(ONE, smoothness="disruptive"))

    def test_who_says_nothing_promises_smooth(self) -> None:
        document = copy.deepcopy(GOLDEN)
        del document["metadata"]["smoothness"]
        document["budgets"], document["procedures"][0]["budgets"] = [], []
        found = lints.check(document, {}, campaigns.CATALOGUE, [ONE])
        self.assertEqual(["C731"], [f.rule for f in found if f.severity == "error"])

    def test_a_change_under_way_is_not_refused_for_it(self) -> None:
        """A limit may be what saves the rest when a host has left."""
        document = copy.deepcopy(GOLDEN)
        understood = reading.read(document, {}, campaigns.CATALOGUE)
        rules = {each.rule for each in lints.check_fleet(understood, [ONE])}
        self.assertNotIn("C731", rules)


class StandInTest(unittest.TestCase):
    def test_the_role_stands_in_where_it_is(self) -> None:
        self.assertEqual([], _found(ONE, TWO))
        self.assertTrue(_found(ONE, _host(TWO, role="storage")))
        for fact in ("site", "cluster"):
            here, there = ({fact: name} for name in ("north", "south"))
            self.assertEqual([], _found(_host(ONE, facts=here), _host(TWO, facts=here)))
            (found,) = _found(_host(ONE, facts=here), _host(TWO, facts=there))
            self.assertIn("compute-01, compute-02", found.detail)

    def test_a_group_stands_in_across_roles(self) -> None:
        other = _host(TWO, role="arbiter", groups=("control",))
        self.assertEqual([], _found(_host(ONE, groups=("control", "own")), other))
        self.assertTrue(_found(_host(ONE, groups=("own",)), other))

    def test_who_is_down_is_the_budgets_affair(self) -> None:
        self.assertEqual([], _found(ONE, _host(TWO, is_up=False)))

    def test_a_single_step_may_take_some_but_not_all(self) -> None:
        fleet = campaigns.fleet(5)
        (found,) = _found(*fleet, method="single_step")
        self.assertIn("compute-03 and 2 more", found.detail)
        rack = {"rack": "R1"}
        self.assertEqual([], _found(*fleet, method="single_step", match=rack))


class InterruptionTest(unittest.TestCase):
    def test_what_does_not_interrupt_needs_nobody(self) -> None:
        harmless = [CHECKPOINT, CORDON, VERIFY, UNCORDON]
        self.assertEqual([], _found(ONE, steps=harmless))
        for step in (DRAIN, INSTALL, {**VERIFY, "id": "x", "may_reboot": True}):
            with self.subTest(step["id"]):
                self.assertTrue(_found(ONE, steps=[*harmless, step]))

    def test_old_and_new_universe_stand_in_for_each_other(self) -> None:
        universe = {
            "method": "parallel_universe",
            "beside": "spares",
            "switch": [INSTALL],
            "retire": [CHECKPOINT, CORDON, DRAIN],
        }
        fleet = ONE, _host(TWO, role="spare")
        self.assertEqual([], _found(*fleet, **universe))
        self.assertTrue(_found(*fleet), "without the universe it is alone")
