"""When a fact is acknowledged: at least once, and not twice."""

import unittest

from escalator.notifier import ledger
from tests.unit.notifier import fakes


class LedgerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.book = ledger.Ledger(remembered=3)
        self.one, self.two = fakes.make_notice("1"), fakes.make_notice("2")

    def test_nothing_to_tell_is_acknowledged_at_once(self) -> None:
        delivery = fakes.FakeDelivery(None)
        self.assertEqual([], self.book.enter(delivery, []))
        self.assertEqual(1, delivery.acks)

    def test_acknowledged_after_the_last_notice_and_not_before(self) -> None:
        delivery = fakes.FakeDelivery(None)
        fresh = self.book.enter(delivery, [self.one, self.two])
        self.assertEqual([self.one, self.two], fresh)
        self.book.settle(["1"])
        self.assertEqual((0, 1), (delivery.acks, self.book.under_way))
        self.book.settle(["2"])
        self.assertEqual((1, 0), (delivery.acks, self.book.under_way))

    def test_a_repeat_joins_what_is_under_way(self) -> None:
        first, again = fakes.FakeDelivery(None), fakes.FakeDelivery(None)
        self.book.enter(first, [self.one])
        self.assertEqual([], self.book.enter(again, [self.one]))
        self.assertEqual(0, again.acks)
        self.book.settle(["1"])
        self.assertEqual((1, 1), (first.acks, again.acks))

    def test_a_repeat_of_a_settled_notice_is_not_sent_again(self) -> None:
        self.book.enter(fakes.FakeDelivery(None), [self.one])
        self.book.settle(["1"])
        again = fakes.FakeDelivery(None)
        self.assertEqual([self.two], self.book.enter(again, [self.one, self.two]))
        self.book.settle(["2"])
        self.assertEqual(1, again.acks)

    def test_memory_is_bounded(self) -> None:
        self.book.settle(str(number) for number in range(100))
        again = fakes.FakeDelivery(None)
        old, new = fakes.make_notice("96"), fakes.make_notice("97")
        self.assertEqual([old], self.book.enter(again, [old, new]))
