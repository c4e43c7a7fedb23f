"""How many hosts a campaign may give up (E-2)."""

import unittest

from escalator.domain import losses, plan
from tests.fixtures import engine as beds

HOSTS = [plan.Target(f"h{at}", role="compute") for at in range(40)]
OTHERS = [plan.Target(f"n{at}", role="network") for at in range(99)]
OLD = plan.Selector(
    "computes",
    (plan.Condition("role", ("compute",)),),
    (plan.Condition("tag", ("new",)),),
)


class LossesTest(unittest.TestCase):
    def allowed(self, begun: int = 0, **limit: object) -> int | None:
        made = beds.rolling_plan(selectors=(OLD,), **limit)
        upgraded = [
            plan.Target(each.name, role="compute", tags=("new",))
            for each in HOSTS[:begun]
        ]
        names = {each.name for each in upgraded}
        return losses.allowed(made, [*upgraded, *HOSTS[begun:], *OTHERS], names)

    def test_a_number_or_none(self) -> None:
        self.assertIsNone(self.allowed())
        self.assertEqual(0, self.allowed(max_quarantined=0))
        self.assertEqual(3, self.allowed(max_quarantined=3))

    def test_a_share_is_rounded_down(self) -> None:
        """Of the hosts selected: others do not count."""
        for percent, hosts in ((0.0, 0), (2.4, 0), (2.5, 1), (9.9, 3), (100.0, 40)):
            self.assertEqual(hosts, self.allowed(max_quarantined_percent=percent))

    def test_a_host_that_is_upgraded_still_counts(self) -> None:
        self.assertEqual(2, self.allowed(begun=39, max_quarantined_percent=5.0))

    def test_in_words(self) -> None:
        for limit, text in (
            ({}, "no limit"),
            ({"max_quarantined": 0}, "0"),
            ({"max_quarantined_percent": 2.5}, "2.5%"),
        ):
            self.assertEqual(text, losses.text(beds.rolling_plan(**limit)))
