"""What every sink must do; a driver's test inherits this mixin."""

import queue
import threading
import time
import unittest
import uuid
from typing import Any

from escalator.domain import events, notice
from escalator.drivers import base

SETTLED_S = 10.0


def make_notice(url: str, **changes: Any) -> notice.Notice:
    """Build a notice with ids of its own."""
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "cause_id": str(uuid.uuid4()),
        "subscription_id": "subscription",
        "project_id": "red",
        "url": url,
        "fault_ids": ("fault",),
        "body": {"event": "host.down"},
        "times": {"T6": 1.0, "T7": 2.0},
    }
    return notice.Notice(**{**values, **changes})


class Sending:
    """Submits notices and collects what became of them."""

    def __init__(self, sink: base.Sink) -> None:
        self._sink = sink
        self._settled: queue.SimpleQueue[events.NoticeSettled] = queue.SimpleQueue()

    def submit(self, url: str, **changes: Any) -> notice.Notice:
        made = make_notice(url, **changes)
        self._sink.submit(made, self._settled.put)
        return made

    def next(self) -> events.NoticeSettled:
        return self._settled.get(timeout=SETTLED_S)

    def collect(self, count: int) -> list[events.NoticeSettled]:
        return [self.next() for _ in range(count)]

    @property
    def is_quiet(self) -> bool:
        return self._settled.empty()


class SinkContract(unittest.TestCase):
    """A driver's test sets the four and inherits every promise below.

    :cvar TAKES: a URL whose consumer takes notices.
    :cvar REFUSES: a URL whose consumer never will.
    :cvar HANGS: a URL whose consumer never answers.
    """

    TAKES = REFUSES = HANGS = ""

    def make_sink(self) -> base.Sink:
        """Return a sink that gives up in less than ``SETTLED_S``."""
        raise unittest.SkipTest("the mixin itself has no driver to test")

    def setUp(self) -> None:
        self.sink = self.make_sink()
        self.sink.start()
        self.addCleanup(self.sink.stop, 0.0)
        self.sending = Sending(self.sink)

    def test_tells_of_a_delivered_notice_with_its_checkpoints(self) -> None:
        """DR-9: T6 and T7 are kept, T8 and T9 added."""
        before = time.time()
        sent = self.sending.submit(self.TAKES)
        settled = self.sending.next()
        self.assertEqual(
            ("delivered", sent.id, sent.cause_id, sent.subscription_id, "red"),
            (
                settled.state,
                settled.notice_id,
                settled.cause_id,
                settled.subscription_id,
                settled.project_id,
            ),
        )
        self.assertEqual(("fault",), settled.fault_ids)
        self.assertEqual(
            (1.0, 2.0, "", "", 1),
            (
                settled.times["T6"],
                settled.times["T7"],
                settled.error,
                settled.body,
                settled.attempts,
            ),
        )
        self.assertLessEqual(before, settled.times["T8"])
        self.assertLessEqual(settled.times["T8"], settled.times["T9"])

    def test_a_dead_letter_keeps_its_reason_and_body(self) -> None:
        self.sending.submit(self.REFUSES)
        settled = self.sending.next()
        self.assertEqual("dead", settled.state)
        self.assertTrue(settled.error)
        self.assertIn("host.down", settled.body)
        self.assertNotIn("T9", settled.times)

    def test_settles_every_notice_exactly_once(self) -> None:
        urls = [self.TAKES, self.REFUSES, self.HANGS] * 5
        sent = {self.sending.submit(url).id for url in urls}
        settled = self.sending.collect(len(urls))
        self.assertEqual(sorted(sent), sorted(item.notice_id for item in settled))
        self.assertTrue(self.sending.is_quiet)

    def test_same_outcome_has_the_same_event_id(self) -> None:
        """The conductor drops a repeat by it."""
        sent = self.sending.submit(self.TAKES)
        self.sending.submit(self.TAKES, id=sent.id)
        one, two = self.sending.collect(2)
        self.assertEqual(one.event_id, two.event_id)

    def test_a_hanging_consumer_delays_nobody_else(self) -> None:
        for _ in range(20):
            self.sending.submit(self.HANGS)
        sent = self.sending.submit(self.TAKES)
        self.assertEqual(sent.id, self.sending.next().notice_id)

    def test_takes_notices_from_many_threads(self) -> None:
        def burst() -> None:
            for _ in range(25):
                self.sending.submit(self.TAKES)

        threads = [threading.Thread(target=burst) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        states = {item.state for item in self.sending.collect(100)}
        self.assertEqual({"delivered"}, states)

    def test_stop_leaves_what_hangs_unsettled(self) -> None:
        self.sending.submit(self.HANGS)
        self.sink.stop(0.05)
        self.assertTrue(self.sending.is_quiet)
