"""Heartbeats over a real broker: fresh or not at all."""

import time
import unittest

from escalator.bus import heartbeat, topology
from escalator.domain import events
from tests.fixtures import bus as helpers
from tests.fixtures import rabbit
from tests.functional.bus import test_events


def beat(interval_s: float = 1.0, **facts: str) -> events.AgentBeat:
    """Return a beat of an agent on host h1."""
    return events.AgentBeat("h1", "a1", ("node",), facts, time.time(), interval_s)


class Heartbeats(unittest.TestCase):
    def setUp(self) -> None:
        self.broker = rabbit.shared()
        self.conf = helpers.make_conf(self.broker.url)
        self.sender = heartbeat.BeatSender(self.conf)
        self.addCleanup(self.sender.close)

    def listen(self) -> list[events.AgentBeat]:
        heard: list[events.AgentBeat] = []
        listener = heartbeat.BeatListener(self.conf, heard.append)
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        self.assertTrue(listener.wait_ready(10.0))
        return heard

    def test_every_listener_hears_every_beat(self) -> None:
        first, second = self.listen(), self.listen()
        sent = beat(kernel="6.1")
        self.assertTrue(self.sender.send(sent))
        self.assertTrue(helpers.eventually(lambda: first == second == [sent]))

    def test_the_broker_drops_a_beat_after_two_intervals(self) -> None:
        """Section 5 of the issue: a per-message TTL and no acknowledgement."""
        names = topology.Topology(self.conf.bus.prefix, is_quorum=True)
        with test_events.raw_channel(self.conf) as channel:
            queue = names.declare_beat_queue(channel)
            self.sender.send(beat(interval_s=60.0, age="fresh"))
            self.sender.send(beat(interval_s=0.1, age="stale"))
            time.sleep(0.5)
            kept = channel.basic_get(queue=queue, no_ack=True)
            self.assertIn("fresh", str(kept.body))
            self.assertEqual("120000", kept.properties["expiration"])
            self.assertIsNone(channel.basic_get(queue=queue, no_ack=True))

    def test_a_beat_never_blocks_or_raises(self) -> None:
        """Neither while the broker hangs nor while it is away."""
        self.assertTrue(self.sender.send(beat()))
        self.broker.pause()
        self.addCleanup(self.broker.resume)
        fresh = heartbeat.BeatSender(self.conf)
        for sender in (self.sender, fresh):
            began = time.monotonic()
            sender.send(beat())
            self.assertLess(time.monotonic() - began, 1.0)
        self.broker.kill9()
        began = time.monotonic()
        self.assertFalse(self.sender.send(beat()))
        self.assertLess(time.monotonic() - began, 1.0)
        self.broker.restart()
        heard = self.listen()
        self.assertTrue(self.sender.send(beat()))
        self.assertTrue(helpers.eventually(lambda: len(heard) == 1))

    def test_a_beat_that_does_not_parse_is_counted(self) -> None:
        heard: list[events.AgentBeat] = []
        listener = heartbeat.BeatListener(self.conf, heard.append)
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        self.assertTrue(listener.wait_ready(10.0))
        with test_events.raw_channel(self.conf) as channel:
            channel.basic_publish(
                channel.prepare_message(b"{}"), exchange=f"{self.conf.bus.prefix}.beats"
            )
        self.assertTrue(helpers.eventually(lambda: listener.counts["dead"] == 1))
        self.sender.send(beat())
        self.assertTrue(helpers.eventually(lambda: len(heard) == 1))
