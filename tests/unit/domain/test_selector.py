import unittest

from hypothesis import given
from hypothesis import strategies as st

from escalator.domain import selector
from escalator.domain.plan import Condition, Order, Selector, Target


def _names(chosen: list[Target]) -> list[str]:
    return [target.name for target in chosen]


def _select(targets: list[Target], fact: str, *values: str) -> list[str]:
    chosen = selector.select(Selector("s", (Condition(fact, values),)), targets)
    return _names(chosen)


class SelectTest(unittest.TestCase):
    def test_every_fact_can_choose(self) -> None:
        """P-4a, E-4: late choice by facts."""
        told = {"package": {"demo": "1.0", "python3.11": "3.11.2"}, "uefi": True}
        wanted = Target(
            "a",
            "compute",
            "R1",
            "az1",
            ("x",),
            ("g",),
            ("anti",),
            ("red", "blue"),
            instances=3,
            facts=told,
        )
        other = Target("b", "store", "R2", "az2", is_up=False)
        cases = {
            "role": "compute",
            "rack": "R1",
            "availability_zone": "az1",
            "tag": "x",
            "group": "g",
            "instances": "3",
            "project": "blue",
            "server_group": "anti",
            "state": "up",
            "facts.package.demo": "1.0",
            "facts.package.python3.11": "3.11.2",
            "facts.uefi": "true",
        }
        for fact, value in cases.items():
            with self.subTest(fact):
                self.assertEqual(["a"], _select([other, wanted], fact, value))

    def test_a_fact_is_used_by_any_part_of_any_selector(self) -> None:
        """What no selector asks for need not be read."""
        plain = Selector("s", (Condition("role", ("compute",)),))
        red = Condition("project", ("red",))
        using = {
            "match": Selector("s", (red,)),
            "exclude": Selector("s", (), (red,)),
            "order_by": Selector("s", (), (), (Order("project"),)),
        }
        self.assertFalse(selector.uses([plain], "project"))
        for part, each in using.items():
            with self.subTest(part):
                self.assertTrue(selector.uses([plain, each], "project"))

    def test_a_name_is_no_fact(self) -> None:
        """P-4a: nothing that scales is named."""
        target = Target("a")
        for fact in ("name", "host", "facts.name", "facts."):
            self.assertEqual([], _select([target], fact, "a"))
        self.assertFalse(selector.is_fact("name"))

    def test_missing_facts_neither_choose_nor_exclude(self) -> None:
        bare = Target("a", role="compute")
        self.assertEqual([], _select([bare], "rack", ""))
        self.assertEqual([], _select([bare], "facts.package.demo", "None"))
        chooser = Selector(
            "s", (Condition("role", ("compute",)),), (Condition("rack", ("R1", "")),)
        )
        self.assertEqual(["a"], _names(selector.select(chooser, [bare])))

    def test_one_exclusion_is_enough(self) -> None:
        targets = [
            Target("a", "compute"),
            Target("b", "compute", tags=("y", "no-upgrade")),
            Target("c", "compute", is_quarantined=True),
        ]
        chooser = Selector(
            "s",
            (Condition("role", ("compute",)),),
            (Condition("state", ("quarantined",)), Condition("tag", ("no-upgrade",))),
        )
        self.assertEqual(["a"], _names(selector.select(chooser, targets)))

    def test_states_hide_up_behind_quarantine(self) -> None:
        target = Target("a", is_up=True, is_quarantined=True)
        self.assertEqual([], _select([target], "state", "up"))
        fallen = Target("a", is_up=False, is_quarantined=True)
        self.assertEqual(["a"], _select([fallen], "state", "down"))

    def test_numbers_sort_by_size_and_gaps_come_last(self) -> None:
        targets = [
            Target("a", "r", rack="R2", instances=10),
            Target("b", "r", rack="R1", instances=9),
            Target("c", "r", rack="R1", instances=10),
            Target("d", "r", instances=1),
        ]
        match = (Condition("role", ("r",)),)
        by_rack = (Order("rack"), Order("instances", is_descending=True))
        chosen = selector.select(Selector("s", match, (), by_rack), targets)
        self.assertEqual(["c", "b", "a", "d"], _names(chosen))
        down = (Order("rack", is_descending=True),)
        chosen = selector.select(Selector("s", match, (), down), targets)
        self.assertEqual(["a", "b", "c", "d"], _names(chosen))

    @given(st.permutations(range(8)), st.lists(st.integers(0, 2), min_size=8))
    def test_order_does_not_depend_on_the_inventory(
        self, order: list[int], counts: list[int]
    ) -> None:
        """P-0: the same facts give the same plan, however they are listed."""
        targets = [Target(f"h{n}", "r", instances=counts[n]) for n in range(8)]
        chooser = Selector("s", (Condition("role", ("r",)),), (), (Order("instances"),))
        shuffled = [targets[n] for n in order]
        self.assertEqual(
            selector.select(chooser, targets), selector.select(chooser, shuffled)
        )
