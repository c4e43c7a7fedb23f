"""Facts stay open until their marks are settled, within bounds."""

import unittest

from escalator import errors
from escalator.inspector import holding, marking
from tests.unit.inspector import fakes

SOON_S = 0.02
MOST = 3


class TestHolding(unittest.TestCase):
    def setUp(self) -> None:
        self.vim = fakes.FakeVim()
        self.marking = marking.Marking(self.vim, fakes.PATIENCE_S, pause_s=0.001)
        self.addCleanup(self.marking.stop)
        self.held = holding.Holding(self.marking, MOST)

    def hold(self, host: str, is_down: bool = True) -> fakes.FakeDelivery:
        self.marking.mark([host], is_down)
        delivery = fakes.confirmed(fakes.fault(host))
        self.held.hold(delivery, [host])
        return delivery

    def test_a_marked_host_is_acknowledged_at_once(self) -> None:
        self.assertEqual(1, self.hold("a").acks)

    def test_a_missing_mark_keeps_the_fact_until_it_is_made_up_for(self) -> None:
        """DR-2: what is not acknowledged survives this process."""
        self.vim.spoilt = {"a": fakes.away()}
        delivery = self.hold("a")
        self.assertEqual(0, delivery.acks)
        self.assertEqual(1, self.hold("b").acks)
        del self.vim.spoilt["a"]
        self.assertTrue(delivery.acked.wait(fakes.PATIENCE_S))
        self.assertEqual({"a", "b"}, self.vim.down)
        self.assertEqual(1, delivery.acks)

    def test_a_host_the_vim_does_not_know_holds_nothing(self) -> None:
        self.vim.spoilt = {"a": errors.NotFound(kind="host", id="a")}
        self.assertEqual(1, self.hold("a").acks)

    def test_an_overtaken_wish_holds_nothing(self) -> None:
        """The newer fact answers for the host from then on."""
        self.vim.spoilt = {"a": fakes.away()}
        down = self.hold("a")
        up = self.hold("a", False)
        self.assertEqual((1, 0), (down.acks, up.acks))

    def test_an_old_call_under_way_keeps_the_newer_fact(self) -> None:
        """It may land last; only then it is known that it did not."""
        gate = self.vim.hold(True)
        self.addCleanup(gate.set)
        self.marking.timeout_s = SOON_S
        self.hold("a")
        self.assertTrue(self.vim.wait_for(lambda: len(self.vim.calls) == 1))
        self.marking.timeout_s = fakes.PATIENCE_S
        up = self.hold("a", False)
        self.assertEqual(0, up.acks)
        gate.set()
        self.assertTrue(up.acked.wait(fakes.PATIENCE_S))
        self.assertEqual(set(), self.vim.down)

    def test_a_vim_that_is_away_for_good_does_not_block_new_faults(self) -> None:
        self.vim.spoilt = {f"h{n}": fakes.away() for n in range(MOST + 2)}
        with self.assertLogs("escalator.inspector.holding", "WARNING") as logs:
            told = [self.hold(host) for host in self.vim.spoilt]
        self.assertEqual([0] * MOST + [1, 1], [each.acks for each in told])
        self.assertEqual(2, len(logs.output))

    def test_a_fact_that_comes_again_takes_no_second_place(self) -> None:
        """After a lost connection the first delivery is worth nothing."""
        self.vim.spoilt = {f"h{n}": fakes.away() for n in range(MOST)}
        told = [self.hold(host) for host in self.vim.spoilt]
        again = fakes.FakeDelivery(told[-1].event)
        self.held.hold(again, [f"h{MOST - 1}"])
        self.assertEqual(0, again.acks)
        self.held.give_back()
        self.assertEqual([1, 1, 0, 1], [each.returns for each in (*told, again)])

    def test_what_is_held_at_the_end_is_given_back(self) -> None:
        self.vim.spoilt = {"a": fakes.away(), "b": fakes.away()}
        before = self.hold("a")
        self.held.give_back()
        after = self.hold("b")
        self.assertEqual([(0, 1)] * 2, [(d.acks, d.returns) for d in (before, after)])
