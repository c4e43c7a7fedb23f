"""From a fact to the sink."""

import unittest

from escalator.domain import notice
from escalator.notifier import dispatch, ledger, reporting
from tests.unit.notifier import fakes


class DispatchTest(unittest.TestCase):
    def setUp(self) -> None:
        self.sink = fakes.FakeSink()
        directory = notice.Directory(
            [fakes.subscriber("a", "red"), fakes.subscriber("b", "blue")]
        )
        book = ledger.Ledger()
        reporter = reporting.Reporter(fakes.FakePublisher(), book.settle)
        self.teller = dispatch.Dispatch(lambda: directory, [self.sink], book, reporter)

    def test_tells_owners_and_stamps_the_checkpoints(self) -> None:
        """DR-9: T6 is the receipt, T7 the evaluation."""
        delivery = fakes.FakeDelivery(fakes.host_down("red"), received_at=5.0)
        self.teller.take([delivery])
        (told,) = self.sink.notices
        self.assertEqual("a", told.subscription_id)
        self.assertEqual({"T6", "T7"}, set(told.times))
        self.assertEqual(5.0, told.times["T6"])
        self.assertLess(5.0, told.times["T7"])
        self.assertEqual((0, 0), (delivery.acks, delivery.requeues))

    def test_a_fact_that_concerns_nobody_is_acknowledged(self) -> None:
        delivery = fakes.FakeDelivery(fakes.host_down("green"))
        self.teller.take([delivery])
        self.assertEqual(([], 1), (self.sink.notices, delivery.acks))

    def test_a_fact_waits_for_all_sinks_and_they_do_not_for_each_other(self) -> None:
        silent, other = fakes.FakeSink(), fakes.ProjectSink()
        book = ledger.Ledger()
        reporter = reporting.Reporter(fakes.FakePublisher(), book.settle)
        teller = dispatch.Dispatch(notice.Directory, [silent, other], book, reporter)
        delivery = fakes.FakeDelivery(fakes.host_down("red"))
        teller.take([delivery])
        self.assertEqual(([], 2), (silent.notices, len(other.notices)))
        self.assertEqual(0, delivery.acks)
        book.settle([other.notices[0].id])
        self.assertEqual(0, delivery.acks)
        book.settle([other.notices[1].id])
        self.assertEqual(1, delivery.acks)

    def test_a_sink_that_fails_silences_no_other(self) -> None:
        book = ledger.Ledger()
        reporter = reporting.Reporter(fakes.FakePublisher(), book.settle)
        bad, good = fakes.BrokenSink(), fakes.ProjectSink()
        teller = dispatch.Dispatch(notice.Directory, [bad, good], book, reporter)
        delivery = fakes.FakeDelivery(fakes.host_down("red"))
        with self.assertRaises(RuntimeError):
            teller.take([delivery])
        self.assertEqual(2, len(good.notices))
        book.settle([each.id for each in good.notices])
        self.assertEqual(0, delivery.acks)

    def test_the_first_sink_has_all_before_the_second_thinks(self) -> None:
        book = ledger.Ledger()
        reporter = reporting.Reporter(fakes.FakePublisher(), book.settle)
        first = fakes.ProjectSink()
        second = fakes.WatchingSink(first)
        teller = dispatch.Dispatch(notice.Directory, [first, second], book, reporter)
        facts = [fakes.FakeDelivery(fakes.host_down("red")) for _ in range(3)]
        teller.take(facts)
        self.assertEqual([6, 6, 6], second.seen)

    def test_one_bad_fact_does_not_silence_the_others(self) -> None:
        bad = fakes.FakeDelivery(fakes.host_down("red", event_id="no uuid"))
        good = fakes.FakeDelivery(fakes.host_down("blue"))
        with self.assertRaises(ValueError):
            self.teller.take([bad, good])
        self.assertEqual(["b"], [item.subscription_id for item in self.sink.notices])

    def test_a_repeat_is_not_sent_again(self) -> None:
        event = fakes.host_down("red", "blue")
        self.teller.take([fakes.FakeDelivery(event)])
        self.teller.take([fakes.FakeDelivery(event)])
        self.assertEqual(2, len(self.sink.notices))
