"""The Aodh sink with a publisher of its own instead of a broker.

The mixin of all sinks does not apply: it tells consumers apart by URL, and here
everybody has the same broker.
"""

import json
import threading
import time
import unittest
import uuid
from collections.abc import Sequence
from typing import Any

from escalator import errors
from escalator.domain import aodh_event
from escalator.drivers.sink import aodh
from tests.unit.drivers import contract_sink

QUICK = aodh.Patience(retry_s=5.0, backoff_s=0.001, backoff_max_s=0.005)


class FakePublisher:
    """Takes messages, unless the broker is away for the first ``away`` tries."""

    def __init__(self, away: int = 0) -> None:
        self.away, self.breaks = away, 0
        self.taken: list[dict[str, Any]] = []
        self.tried = threading.Semaphore(0)
        self.is_closed = False

    def publish(self, bodies: Sequence[bytes]) -> None:
        self.tried.release()
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("a bug")
        if self.away:
            self.away -= 1
            raise errors.BusUnavailable(timeout_s=1, reason="there is no queue q")
        self.taken += [json.loads(json.loads(b)["oslo.message"]) for b in bodies]

    def close(self) -> None:
        self.is_closed = True


def body(name: str = "e") -> dict[str, Any]:
    return {"events": [{"event_type": name, "traits": []}]}


class AodhTest(unittest.TestCase):
    def start(
        self,
        patience: aodh.Patience = QUICK,
        away: int = 0,
        canary_s: float = 0.0,
        breaks: int = 0,
    ) -> contract_sink.Sending:
        self.publisher = FakePublisher(away)
        self.publisher.breaks = breaks
        self.sink = aodh.Aodh(lambda: self.publisher, patience, 1, canary_s)
        self.sink.start()
        self.addCleanup(self.sink.stop, 1.0)
        return contract_sink.Sending(self.sink)

    def test_tells_when_the_broker_confirmed_and_not_when_it_was_heard(self) -> None:
        """DR-9: T9 is Aodh's, and not known."""
        sending = self.start()
        sent = sending.submit("", body=body())
        settled = sending.next()
        self.assertEqual(
            ("delivered", sent.id, 1, "", ""),
            (
                settled.state,
                settled.notice_id,
                settled.attempts,
                settled.error,
                settled.body,
            ),
        )
        self.assertEqual({"T6", "T7", "T8"}, set(settled.times))
        self.assertEqual(sent.id, self.publisher.taken[0]["message_id"])

    def test_tries_until_the_broker_is_back_and_keeps_the_order(self) -> None:
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING") as logs:
            sending = self.start(away=3)
            cause = str(uuid.uuid4())
            sent = [
                sending.submit("", body=body(), cause_id=cause).id for _ in range(30)
            ]
            settled = sending.collect(30)
        self.assertEqual({"delivered"}, {item.state for item in settled})
        self.assertEqual(sent, [m["message_id"] for m in self.publisher.taken])
        self.assertEqual(4, settled[0].attempts)
        self.assertIn("there is no queue q", logs.output[0])

    def test_patience_has_an_end(self) -> None:
        with self.assertLogs("escalator.drivers.sink.aodh", "ERROR"):
            sending = self.start(aodh.Patience(0.02, 0.01, 0.01), away=10**6)
            sending.submit("", body=body("escalator.host.down"))
            settled = sending.next()
        self.assertEqual("dead", settled.state)
        self.assertIn("there is no queue q", settled.error)
        self.assertIn("escalator.host.down", settled.body)
        self.assertNotIn("T8", settled.times)

    def test_no_more_facts_are_held_than_leave_room_for_other_sinks(self) -> None:
        patience = aodh.Patience(60.0, 0.001, 0.002, waiting_limit=2)
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING"):
            sending = self.start(patience, away=10**6)
            causes = [str(uuid.uuid4()) for _ in range(3)]
            sending.submit("", body=body(), cause_id=causes[0])
            self.assertTrue(self.publisher.tried.acquire(timeout=5))
            self.assertTrue(self.publisher.tried.acquire(timeout=5))
            for cause in (causes[1], causes[2], causes[1]):
                sending.submit("", body=body(), cause_id=cause)
            settled = sending.next()
            self.assertEqual(("dead", causes[2]), (settled.state, settled.cause_id))
            self.assertIn("event_type", settled.body)
            self.publisher.away = 0
            others = sending.collect(3)
        self.assertEqual({"delivered"}, {item.state for item in others})

    def test_what_cannot_be_encoded_holds_nothing_up(self) -> None:
        sending = self.start()
        with self.assertLogs("escalator.drivers.sink.aodh", "ERROR"):
            sending.submit("", body={})
            self.assertEqual("dead", sending.next().state)
        sending.submit("", body=body())
        self.assertEqual("delivered", sending.next().state)

    def test_same_outcome_has_the_same_event_id(self) -> None:
        sending = self.start()
        sent = sending.submit("", body=body())
        sending.submit("", id=sent.id, body=body())
        one, two = sending.collect(2)
        self.assertEqual(one.event_id, two.event_id)

    def test_a_canary_sings_while_nothing_happens(self) -> None:
        self.start(canary_s=0.01)
        for _ in range(3):
            self.assertTrue(self.publisher.tried.acquire(timeout=5))
        (event,) = self.publisher.taken[0]["payload"]
        self.assertEqual(aodh_event.CANARY, event["event_type"])

    def test_stop_leaves_what_waits_unsettled(self) -> None:
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING"):
            sending = self.start(away=10**6)
            sending.submit("", body=body())
            self.assertTrue(self.publisher.tried.acquire(timeout=5))
            self.sink.stop(2.0)
        self.assertTrue(sending.is_quiet)
        self.assertTrue(self.publisher.is_closed)

    def test_an_unforeseen_error_ends_no_thread(self) -> None:
        with self.assertLogs("escalator.drivers.sink.aodh", "ERROR"):
            sending = self.start(canary_s=60.0, breaks=2)
            sending.submit("", body=body())
            self.assertEqual("delivered", sending.next().state)

    def test_submit_never_waits(self) -> None:
        with self.assertLogs("escalator.drivers.sink.aodh", "WARNING"):
            sending = self.start(away=10**6)
            before = time.monotonic()
            cause = str(uuid.uuid4())
            for _ in range(100):
                sending.submit("", body=body(), cause_id=cause)
            self.assertLess(time.monotonic() - before, 1.0)
            self.assertTrue(self.publisher.tried.acquire(timeout=5))
