"""When a fact is acknowledged: at least once, and not twice."""

import unittest

from escalator.domain import notice
from escalator.notifier import ledger
from tests.unit.notifier import fakes


class LedgerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.book = ledger.Ledger(remembered=3)
        self.one, self.two = fakes.make_notice("1"), fakes.make_notice("2")

    def enter(
        self, delivery: fakes.FakeDelivery, notices: list[notice.Notice]
    ) -> list[notice.Notice]:
        """Let a fact wait for all its notices at once."""
        entry = ledger.Entry(delivery)
        fresh = self.book.add(entry, notices)
        self.book.close(entry)
        return fresh

    def test_not_acknowledged_while_more_may_be_added(self) -> None:
        """The first sink may be done before the second has said what it wants."""
        delivery = fakes.FakeDelivery(None)
        entry = ledger.Entry(delivery)
        self.book.add(entry, [self.one])
        self.book.settle(["1"])
        self.book.add(entry, [self.two])
        self.book.close(entry)
        self.assertEqual(0, delivery.acks)
        self.book.settle(["2"])
        self.assertEqual(1, delivery.acks)

    def test_settled_before_it_is_closed_is_acknowledged_once(self) -> None:
        delivery = fakes.FakeDelivery(None)
        entry = ledger.Entry(delivery)
        self.book.add(entry, [self.one])
        self.book.settle(["1"])
        self.assertEqual(0, delivery.acks)
        self.book.close(entry)
        self.assertEqual(1, delivery.acks)

    def test_nothing_to_tell_is_acknowledged_at_once(self) -> None:
        delivery = fakes.FakeDelivery(None)
        self.assertEqual([], self.enter(delivery, []))
        self.assertEqual(1, delivery.acks)

    def test_acknowledged_after_the_last_notice_and_not_before(self) -> None:
        delivery = fakes.FakeDelivery(None)
        fresh = self.enter(delivery, [self.one, self.two])
        self.assertEqual([self.one, self.two], fresh)
        self.book.settle(["1"])
        self.assertEqual((0, 1), (delivery.acks, self.book.under_way))
        self.book.settle(["2"])
        self.assertEqual((1, 0), (delivery.acks, self.book.under_way))

    def test_a_repeat_joins_what_is_under_way(self) -> None:
        first, again = fakes.FakeDelivery(None), fakes.FakeDelivery(None)
        self.enter(first, [self.one])
        self.assertEqual([], self.enter(again, [self.one]))
        self.assertEqual(0, again.acks)
        self.book.settle(["1"])
        self.assertEqual((1, 1), (first.acks, again.acks))

    def test_a_repeat_of_a_settled_notice_is_not_sent_again(self) -> None:
        self.enter(fakes.FakeDelivery(None), [self.one])
        self.book.settle(["1"])
        again = fakes.FakeDelivery(None)
        self.assertEqual([self.two], self.enter(again, [self.one, self.two]))
        self.book.settle(["2"])
        self.assertEqual(1, again.acks)

    def test_memory_is_bounded(self) -> None:
        self.book.settle(str(number) for number in range(100))
        again = fakes.FakeDelivery(None)
        old, new = fakes.make_notice("96"), fakes.make_notice("97")
        self.assertEqual([old], self.enter(again, [old, new]))
