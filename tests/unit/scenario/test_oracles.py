"""The judges of the scenarios can say no."""

import unittest
from typing import Any

from tests.scenario import http_probe
from tests.scenario.undo_order import UndoOrder

A, B, C = "compute-1", "compute-3", "compute-5"


def step(seq: int, host: str) -> dict[str, Any]:
    return _line(seq, "step", host, "done")


def slot(seq: int, host: str, to_state: str) -> dict[str, Any]:
    return _line(seq, "slot", host, to_state)


def _line(seq: int, object_type: str, host: str, to_state: str) -> dict[str, Any]:
    return {
        "seq": seq,
        "object_type": object_type,
        "host": host,
        "to_state": to_state,
        "intent": "run",
    }


class TestUndoOrder(unittest.TestCase):
    def _judge(self, *lines: dict[str, Any]) -> list[str]:
        order = UndoOrder()
        for line in [step(1, A), step(2, B), step(3, C), *lines]:
            order.read(line)
        return order.broken

    def test_last_done_first_undone(self) -> None:
        lines = [slot(4, C, "reverting"), slot(5, B, "reverting")]
        self.assertEqual([], self._judge(*lines, slot(6, A, "reverting")))

    def test_another_order_is_found(self) -> None:
        lines = [slot(4, A, "reverting"), slot(5, B, "reverting")]
        self.assertEqual([f"{A} before {C}", f"{B} before {C}"], self._judge(*lines))

    def test_a_busy_pair_is_an_excuse(self) -> None:
        partner = step(4, "compute-2")
        lines = [partner, slot(5, "compute-2", "reverting"), slot(6, C, "reverting")]
        self.assertEqual([], self._judge(*lines, slot(7, B, "reverting")))


class TestGaps(unittest.TestCase):
    def test_a_gap_lasts_until_the_next_answer(self) -> None:
        answers = [(1.0, "1.0"), (2.0, ""), (3.0, ""), (4.0, "2.0"), (5.0, "")]
        self.assertEqual([(2.0, 4.0), (5.0, 5.0)], http_probe.gaps(answers))

    def test_no_miss_no_gap(self) -> None:
        self.assertEqual([], http_probe.gaps([(1.0, "1.0"), (2.0, "2.0")]))

    def test_a_gap_has_to_lie_within_what_is_declared(self) -> None:
        declared = [(1.0, 2.0), (5.0, 6.0)]
        within, early = (0.9, 2.1), (0.5, 1.5)
        across, elsewhere = (1.5, 5.5), (3.0, 3.1)
        missed = [within, early, across, elsewhere]
        found = http_probe.undeclared(missed, declared, slack_s=0.2)
        self.assertEqual([early, across, elsewhere], found)
        self.assertEqual(missed, http_probe.undeclared(missed, [], slack_s=0.2))
