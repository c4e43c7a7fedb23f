"""Two inspectors share the facts; each knows of all."""

import unittest
from typing import Any

from escalator.inspector import service
from tests.unit.inspector import fakes


class Inspector:
    """One of several at the same VIM."""

    def __init__(self, case: unittest.TestCase, vim: fakes.FakeVim) -> None:
        made: list[fakes.FakeListener] = []

        def listen(*given: Any) -> fakes.FakeListener:
            made.append(fakes.FakeListener(*given))
            return made[-1]

        self.service = service.InspectorService(
            fakes.conf(0.05), vim, fakes.FakePublisher(), listen, None
        )
        case.addCleanup(self.service.wait)
        self.service.mapping.refresh()
        self.shared, self.watch = made


class TestTwoInspectors(unittest.TestCase):
    def setUp(self) -> None:
        self.vim = fakes.FakeVim()
        self.one, self.two = Inspector(self, self.vim), Inspector(self, self.vim)

    def tell(self, taker: Inspector, delivery: fakes.FakeDelivery) -> None:
        taker.shared.hand_over(delivery)
        for each in (self.one, self.two):
            each.watch.hand_over(delivery)

    def test_a_fault_that_another_one_ended_keeps_no_host_down(self) -> None:
        host, link = fakes.fault("a"), fakes.fault("a", "link.down", at=300.0)
        self.tell(self.one, fakes.confirmed(host))
        self.tell(self.two, fakes.cleared(host))
        self.tell(self.one, fakes.confirmed(link))
        self.assertEqual({"a"}, self.vim.down)
        self.tell(self.one, fakes.cleared(link, at=400.0))
        self.assertEqual(set(), self.vim.down)

    def test_a_fault_that_another_one_took_keeps_the_host_down(self) -> None:
        host, link = fakes.fault("a"), fakes.fault("a", "link.down")
        self.tell(self.one, fakes.confirmed(host))
        self.tell(self.two, fakes.confirmed(link))
        self.tell(self.one, fakes.cleared(host))
        self.assertEqual({"a"}, self.vim.down)
        self.tell(self.one, fakes.cleared(link))
        self.assertEqual(set(), self.vim.down)

    def test_two_ends_at_once_leave_the_host_up(self) -> None:
        """Each inspector takes one of them and does not know the other yet."""
        host, link = fakes.fault("a"), fakes.fault("a", "link.down")
        self.tell(self.one, fakes.confirmed(host))
        self.tell(self.two, fakes.confirmed(link))
        ends = fakes.cleared(host), fakes.cleared(link)
        self.one.shared.hand_over(ends[0])
        self.two.shared.hand_over(ends[1])
        self.assertEqual({"a"}, self.vim.down)
        for each in (self.one, self.two):
            each.watch.hand_over(ends[0])
            each.watch.hand_over(ends[1])
        self.assertTrue(self.vim.wait_for(lambda: not self.vim.down))

    def test_a_debt_is_void_when_another_one_takes_the_opposite(self) -> None:
        """DR-10: the host that is back is not forced down by an old debt."""
        self.vim.spoilt = {"a": fakes.away()}
        fault = fakes.fault("a")
        first = fakes.confirmed(fault)
        self.tell(self.one, first)
        self.assertEqual(0, first.acks)
        self.tell(self.two, fakes.cleared(fault))
        self.assertTrue(first.acked.wait(fakes.PATIENCE_S))
        self.vim.spoilt = {}
        self.assertTrue(self.vim.wait_for(lambda: bool(self.vim.landed)))
        self.assertEqual({False}, {is_down for _, is_down in self.vim.landed})

    def test_what_one_has_asked_for_itself_is_not_asked_twice(self) -> None:
        fault = fakes.fault("a")
        self.tell(self.one, fakes.confirmed(fault))
        self.tell(self.one, fakes.cleared(fault))
        self.assertEqual([(("a",), True), (("a",), False)], self.vim.calls)
