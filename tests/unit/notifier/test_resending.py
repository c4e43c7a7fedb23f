"""Dead letters are sent once more: by whom, to whom, and acknowledged when."""

import json
import time
import unittest
import uuid
from collections.abc import Callable
from typing import Any

from escalator.domain import aodh_event, events, notice
from escalator.drivers.sink import aodh
from escalator.notifier import resending
from tests.unit.notifier import fakes

WAIT_S = 5.0


def request(**changes: Any) -> events.ResendRequested:
    """Return the wish that a dead letter of project red be sent again."""
    values: dict[str, Any] = {
        "event_id": str(uuid.uuid4()),
        "notice_id": str(uuid.uuid4()),
        "cause_id": str(uuid.uuid4()),
        "fault_ids": ("fault",),
        "subscription_id": "a",
        "project_id": "red",
        "body": '{"event": "host.down"}',
    }
    return events.ResendRequested(**{**values, **changes})


def eventually(test: Callable[[], object]) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not test() and time.monotonic() < deadline:
        time.sleep(0.002)
    return bool(test())


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.sink = fakes.FakeSink()
        self.directory = notice.Directory([fakes.subscriber("a", "red")])
        self.make(fakes.FakePublisher())

    def make(self, publisher: fakes.FakePublisher, *sinks: Any) -> None:
        self.publisher = publisher
        self.resending = resending.Resending(
            lambda: self.directory, sinks or [self.sink], publisher
        )
        self.resending.start()
        self.addCleanup(self.resending.stop, 1.0)

    def take(self, *letters: events.ResendRequested) -> list[fakes.FakeDelivery]:
        deliveries = [fakes.FakeDelivery(letter, 7.0) for letter in letters]
        self.resending.take(deliveries)
        return deliveries

    def outcome(self) -> events.NoticeSettled:
        """Return the only outcome that was told."""
        self.assertTrue(eventually(lambda: self.publisher.facts))
        (fact,) = self.publisher.facts
        assert isinstance(fact, events.NoticeSettled)
        return fact


class TestSending(Case):
    def test_the_same_notice_to_the_subscription_as_it_is_now(self) -> None:
        """DR-9: its hops T6 and T7 are those of this sending."""
        letter = request()
        self.take(letter)
        (sent,) = self.sink.notices
        self.assertEqual(
            (letter.notice_id, letter.cause_id, "a", "red", fakes.URL, ("fault",)),
            (
                sent.id,
                sent.cause_id,
                sent.subscription_id,
                sent.project_id,
                sent.url,
                sent.fault_ids,
            ),
        )
        self.assertEqual({"event": "host.down"}, sent.body)
        self.assertEqual(7.0, sent.times["T6"])
        self.assertLess(7.0, sent.times["T7"])

    def test_no_other_project_is_ever_told(self) -> None:
        """DR-7: a subscription of that id, but another project's, does not do."""
        self.directory = notice.Directory([fakes.subscriber("a", "blue")])
        with self.assertLogs("escalator.notifier.resending", "ERROR"):
            (delivery,) = self.take(request())
        self.assertEqual([], self.sink.notices)
        self.assertTrue(eventually(lambda: delivery.acks))

    def test_a_letter_that_nobody_sends_stays_dead_and_says_why(self) -> None:
        """Its subscription is deleted meanwhile, or its sink is gone."""
        for letter in (request(subscription_id="b"), request(subscription_id="aodh")):
            with self.subTest(letter.subscription_id):
                self.make(fakes.FakePublisher())
                with self.assertLogs("escalator.notifier.resending", "ERROR"):
                    (delivery,) = self.take(letter)
                fact = self.outcome()
                self.assertEqual(("dead", letter.body), (fact.state, fact.body))
                self.assertIn("subscription is deleted", fact.error)
                self.assertIn("[notifier] sinks", fact.error)
                self.assertTrue(eventually(lambda d=delivery: d.acks == 1))

    def test_a_text_that_cannot_be_read_holds_nothing_up(self) -> None:
        broken, fine = request(body="{"), request()
        with self.assertLogs("escalator.notifier.resending", "ERROR"):
            self.take(broken, fine)
        fact = self.outcome()
        self.assertEqual((broken.notice_id, "dead"), (fact.notice_id, fact.state))
        self.assertIn("cannot be sent again", fact.error)
        self.assertEqual([fine.notice_id], [each.id for each in self.sink.notices])

    def test_aodhs_letters_go_to_aodh_as_they_were(self) -> None:
        """DR-6: what Aodh's sink keeps is what it can send again."""
        (first, *_) = aodh_event.notices(fakes.host_down("red"))
        kept = aodh_event.encode(first.id, first.body, 1.0).decode()
        other = aodh.Aodh(lambda: None, aodh.Patience(), 1)  # type: ignore
        sent: list[notice.Notice] = []
        other.submit = lambda item, settled: sent.append(item)  # type: ignore
        self.make(fakes.FakePublisher(), self.sink, other)
        self.take(
            request(
                subscription_id="aodh",
                notice_id=first.id,
                cause_id=first.cause_id,
                body=kept,
            )
        )
        self.assertEqual([], self.sink.notices)
        self.assertEqual([(first.id, first.body)], [(n.id, n.body) for n in sent])
        again = aodh_event.encode(sent[0].id, sent[0].body, 1.0).decode()
        self.assertEqual(json.loads(kept), json.loads(again))


class TestAcknowledging(Case):
    def test_only_after_the_outcome_is_with_the_broker(self) -> None:
        self.make(fakes.FakePublisher(away=1))
        (delivery,) = self.take(request())
        self.assertEqual(1, self.resending.under_way)
        with self.assertLogs("escalator.notifier.reporting", "WARNING"):
            self.sink.settle_all()
            self.assertTrue(self.publisher.tried.acquire(timeout=WAIT_S))
            self.assertEqual((0, 1), (delivery.acks, self.resending.under_way))
            self.assertTrue(eventually(lambda: delivery.acks))
        self.assertEqual((1, 0), (delivery.acks, self.resending.under_way))
        self.assertEqual("delivered", self.outcome().state)

    def test_a_request_that_comes_again_joins_and_is_not_sent_twice(self) -> None:
        letter = request()
        (first,), (again,) = self.take(letter), self.take(letter)
        self.assertEqual(1, len(self.sink.notices))
        self.sink.settle_all()
        self.assertTrue(eventually(lambda: first.acks and again.acks))
        (late,) = self.take(letter)
        self.assertEqual(([], 1), (self.sink.notices, late.acks))

    def test_a_second_wish_joins_the_first_while_it_is_with_the_sink(self) -> None:
        one = request()
        two = request(notice_id=one.notice_id)
        first, second = self.take(one, two)
        self.assertEqual(1, len(self.sink.notices))
        self.sink.settle_all()
        self.assertTrue(eventually(lambda: first.acks and second.acks))
        self.outcome()

    def test_a_wish_after_the_outcome_is_sent_whatever_is_remembered(self) -> None:
        """Also while that outcome is still on its way to the broker."""
        one = request()
        self.make(fakes.FakePublisher(away=10**6))
        self.take(one)
        with self.assertLogs("escalator.notifier.reporting", "WARNING"):
            self.sink.settle_all()
            self.assertTrue(self.publisher.tried.acquire(timeout=WAIT_S))
            (delivery,) = self.take(request(notice_id=one.notice_id))
            self.assertEqual([one.notice_id], [each.id for each in self.sink.notices])
            self.publisher._away = 0
            self.outcome()
        self.assertEqual((0, 1), (delivery.acks, self.resending.under_way))

    def test_each_is_acknowledged_for_its_own_outcome(self) -> None:
        """Sinks settle in any order."""
        deliveries = self.take(request(), request(), request())
        held, self.sink.held = self.sink.held, []
        for at in (2, 0, 1):
            item, settled = held[at]
            settled(fakes.settlement(item))
            self.assertTrue(eventually(lambda at=at: deliveries[at].acks))
        self.assertEqual([1, 1, 1], [each.acks for each in deliveries])

    def test_a_few_are_remembered_not_all(self) -> None:
        self.resending._remembered = 2
        letters = [request() for _ in range(3)]
        deliveries = self.take(*letters)
        self.sink.settle_all()
        self.assertTrue(eventually(lambda: all(each.acks for each in deliveries)))
        self.take(*letters)
        self.assertEqual([letters[0].notice_id], [n.id for n in self.sink.notices])
