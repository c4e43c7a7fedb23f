"""What alarm standards call a fault."""

import unittest

from escalator.domain import events, x733


def seen(
    id: str, kind: str, host: str = "a", at: float = 1.0, end: float | None = None
):
    return x733.Occurrence(id, host, kind, at, end)


class CauseTest(unittest.TestCase):
    def test_every_fault_type_has_a_cause(self) -> None:
        for kind in events.FaultType:
            self.assertNotEqual("indeterminate", x733.probable_cause(kind))

    def test_an_unknown_type_is_indeterminate(self) -> None:
        self.assertEqual("indeterminate", x733.probable_cause("from.the.future"))
        self.assertEqual("equipmentAlarm", x733.event_type("from.the.future"))


class CorrelateTest(unittest.TestCase):
    def test_a_dead_host_explains_its_silent_agent(self) -> None:
        found = x733.correlate([seen("1", "agent.silent"), seen("2", "host.down")])
        self.assertEqual(x733.Correlation(False, ("2",)), found["1"])
        self.assertEqual(x733.Correlation(True, ("1",)), found["2"])

    def test_another_host_has_nothing_to_do_with_it(self) -> None:
        found = x733.correlate([seen("1", "agent.silent"), seen("2", "host.down", "b")])
        self.assertEqual({x733.Correlation(True, ())}, set(found.values()))

    def test_what_was_over_before_does_not_belong_to_it(self) -> None:
        old = seen("1", "host.down", at=1.0, end=2.0)
        found = x733.correlate([seen("2", "agent.silent", at=2.0), old])
        self.assertEqual(x733.Correlation(True, ()), found["2"])

    def test_what_lasted_when_the_other_began_does(self) -> None:
        old = seen("1", "link.down", at=1.0, end=3.0)
        found = x733.correlate([seen("2", "agent.silent", at=2.0), old])
        self.assertEqual(x733.Correlation(False, ("1",)), found["2"])
