"""Marking hosts in a VIM that is slow, away, or spoilt for one host."""

import unittest

from escalator import errors
from escalator.inspector import marking
from tests.unit.inspector import fakes

SOON_S = 0.02
"""A deadline that a waiting VIM misses."""


class TestMarking(unittest.TestCase):
    def setUp(self) -> None:
        self.vim = fakes.FakeVim()

    def marking(self, timeout_s: float = fakes.PATIENCE_S) -> marking.Marking:
        made = marking.Marking(self.vim, timeout_s, pause_s=0.001)
        self.addCleanup(made.stop)
        return made

    def test_all_hosts_go_in_one_call(self) -> None:
        """DR-5: a rack is one call, not one per host."""
        made = self.marking()
        self.assertEqual({"a", "b"}, made.mark(["a", "b"], True))
        self.assertEqual([(("a", "b"), True)], self.vim.calls)
        self.assertEqual({"b"}, made.mark(["b"], False))
        self.assertEqual({"a"}, self.vim.down)

    def test_nothing_to_mark_asks_nobody(self) -> None:
        self.assertEqual(set(), self.marking().mark([], True))
        self.assertEqual([], self.vim.calls)

    def test_a_slow_vim_is_not_waited_for_but_still_does_it(self) -> None:
        """DR-2: the notice goes out at the deadline; the host is marked later."""
        gate = self.vim.hold(True)
        self.addCleanup(gate.set)
        self.assertEqual(set(), self.marking(SOON_S).mark(["a"], True))
        gate.set()
        self.assertTrue(self.vim.wait_for(lambda: self.vim.down == {"a"}))

    def test_a_vim_that_is_away_is_asked_until_it_does_it(self) -> None:
        """DR-5: retry; failure is told at once, without waiting it out."""
        self.vim.failures = [fakes.away() for _ in range(4)]
        self.assertEqual(set(), self.marking().mark(["a", "b"], True))
        self.assertTrue(self.vim.wait_for(lambda: self.vim.down == {"a", "b"}))
        self.assertEqual([(("a", "b"), True)], self.vim.calls[:1])
        self.assertEqual(5, len(self.vim.calls))

    def test_what_is_done_is_not_repeated(self) -> None:
        self.vim.failures = [fakes.away()]
        made = self.marking()
        made.mark(["a"], True)
        self.assertTrue(self.vim.wait_for(lambda: self.vim.down == {"a"}))
        made.mark(["b"], True)
        self.assertEqual(3, len(self.vim.calls))

    def test_a_newer_wish_ends_the_repeats_of_an_older_one(self) -> None:
        """DR-10: a host that is back is not forced down by an old debt."""
        self.vim.spoilt = {"a": fakes.away()}
        made = self.marking()
        made.mark(["a"], True)
        made.mark(["a"], False)
        under_way = len(self.vim.calls) + 1
        self.assertTrue(self.vim.wait_for(lambda: len(self.vim.calls) > under_way))
        del self.vim.spoilt["a"]
        self.assertTrue(self.vim.wait_for(lambda: bool(self.vim.landed)))
        self.assertEqual({False}, {down for _, down in self.vim.calls[under_way:]})
        self.assertEqual([(("a",), False)], self.vim.landed)

    def test_an_old_call_that_lands_last_is_put_right(self) -> None:
        """The wish of now holds, whatever order the VIM carries calls out in."""
        gate = self.vim.hold(True)
        self.addCleanup(gate.set)
        made = self.marking(SOON_S)
        made.mark(["a"], True)
        self.assertTrue(self.vim.wait_for(lambda: len(self.vim.calls) == 1))
        made.timeout_s = fakes.PATIENCE_S
        self.assertEqual({"a"}, made.mark(["a"], False))
        gate.set()
        self.assertTrue(self.vim.wait_for(lambda: len(self.vim.calls) == 3))
        self.assertTrue(self.vim.wait_for(lambda: not self.vim.down))
        self.assertEqual((("a",), False), self.vim.calls[-1])

    def test_a_wish_that_is_outdated_before_its_turn_is_never_sent(self) -> None:
        gate = self.vim.hold(True)
        self.addCleanup(gate.set)
        made = self.marking(SOON_S)
        for number in range(marking._WORKERS):
            made.mark([f"busy-{number}"], True)
        made.mark(["a"], True)
        made.mark(["a"], False)
        gate.set()
        self.assertTrue(self.vim.wait_for(lambda: (("a",), False) in self.vim.landed))
        self.assertNotIn((("a",), True), self.vim.calls)

    def test_spoilt_hosts_keep_no_worker_from_the_others(self) -> None:
        """A bounded pool must not fill up with calls that cannot succeed."""
        made = self.marking()
        for number in range(10):
            host = f"bad-{number}"
            self.vim.spoilt[host] = errors.EscalatorError("no")
            self.assertEqual(set(), made.mark([host], True))
        self.assertEqual({"good"}, made.mark(["good"], True))

    def test_one_spoilt_host_takes_none_of_its_batch_with_it(self) -> None:
        self.vim.spoilt = {"b": errors.EscalatorError("no")}
        self.assertEqual({"a", "c"}, self.marking().mark(["a", "b", "c"], True))
        self.assertEqual({"a", "c"}, self.vim.down)

    def test_a_host_the_vim_does_not_know_is_neither_marked_nor_owed(self) -> None:
        self.vim.spoilt = {"b": errors.NotFound(kind="host", id="b")}
        made = self.marking()
        with self.assertLogs("escalator.inspector", "ERROR") as logs:
            self.assertEqual({"a"}, made.mark(["a", "b"], True))
        self.assertIn("does not know b", logs.output[0])
        calls = len(self.vim.calls)
        made.mark(["c"], True)
        self.assertEqual(calls + 1, len(self.vim.calls))

    def test_stop_ends_the_repeats(self) -> None:
        self.vim.spoilt = {"a": fakes.away()}
        made = self.marking()
        made.mark(["a"], True)
        made.stop()
        made._payer.join(fakes.PATIENCE_S)
        self.assertFalse(made._payer.is_alive())
