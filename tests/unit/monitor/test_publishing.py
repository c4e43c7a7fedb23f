"""No verdict is lost or overtaken while the broker is away."""

import threading
import unittest

from escalator import errors
from escalator.domain import events
from escalator.monitor import publishing

EVENTS = [events.FaultConfirmed(str(n), ()) for n in range(5)]


class Broker:
    """Refuses ``away`` times, then takes everything."""

    def __init__(self, away: int, error: Exception) -> None:
        self.away = away
        self.error = error
        self.taken: list[events.Event] = []
        self.refused = threading.Semaphore(0)
        self.is_done = threading.Event()

    def publish(self, event: events.Event) -> None:
        if self.away:
            self.away -= 1
            self.refused.release()
            raise self.error
        self.taken.append(event)
        if len(self.taken) == len(EVENTS):
            self.is_done.set()


class PublishingTest(unittest.TestCase):
    def check(self, broker: Broker) -> None:
        queue = publishing.Publishing(broker, retry_s=0.001)
        queue.start()
        for event in EVENTS:
            queue.put(event)
        self.assertTrue(broker.is_done.wait(10))
        queue.stop(10)
        self.assertEqual(EVENTS, broker.taken)

    def test_in_order(self) -> None:
        self.check(Broker(0, errors.BusUnavailable()))

    def test_repeated_until_the_broker_is_back(self) -> None:
        self.check(Broker(20, errors.BusUnavailable()))

    def test_also_after_an_error_nobody_thought_of(self) -> None:
        self.check(Broker(3, RuntimeError("odd")))

    def test_a_stop_publishes_what_is_left(self) -> None:
        broker = Broker(0, errors.BusUnavailable())
        queue = publishing.Publishing(broker, retry_s=0.001)
        for event in EVENTS:
            queue.put(event)
        queue.start()
        queue.stop(10)
        self.assertEqual(EVENTS, broker.taken)

    def test_a_stop_does_not_wait_for_a_broker_that_is_away(self) -> None:
        broker = Broker(10**9, errors.BusUnavailable())
        queue = publishing.Publishing(broker, retry_s=30.0)
        queue.start()
        queue.put(EVENTS[0])
        self.assertTrue(broker.refused.acquire(timeout=10))
        with self.assertLogs("escalator.monitor.publishing", "WARNING"):
            queue.stop(10)
        self.assertFalse(queue._thread.is_alive())
