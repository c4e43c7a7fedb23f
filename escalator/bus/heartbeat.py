"""Agents' heartbeats: cheap, late ones are worthless.

No confirm, no acknowledgement, and the broker drops a beat after two of its
intervals.  Every listener gets every beat.
"""

import collections
import logging
import threading
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from escalator import errors
from escalator.bus import broker, envelope, reader
from escalator.domain import events

LOG = logging.getLogger(__name__)

SEND_LIMIT_S = 0.4
"""Half a second is left for the answers of the handshake and the declare."""

LIFETIME_INTERVALS = 2


class BeatSender:
    """Sends beats; never raises and never takes longer than a second."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._broker = broker.Broker(conf)
        self._lock = threading.Lock()
        self._link: broker.Link | None = None

    def send(self, beat: events.AgentBeat) -> bool:
        """Write one beat; False if the broker is out of reach."""
        if not self._lock.acquire(timeout=SEND_LIMIT_S):
            return False
        try:
            self._write(self._connected(), beat)
        except broker.RECOVERABLE as error:
            LOG.debug("beat not sent: %r", error)
            self._drop()
            return False
        finally:
            self._lock.release()
        return True

    def close(self) -> None:
        """Disconnect; idempotent."""
        with self._lock:
            self._drop()

    def _connected(self) -> broker.Link:
        """Return the link, a new one if the broker left the old one."""
        if self._link is None:
            link = self._broker.connect(SEND_LIMIT_S)
            self._link = link
            self._broker.names.declare_beats(link.channel)
        elif not self._link.is_memory:
            self._link.read_ready()
        return self._link

    def _write(self, link: broker.Link, beat: events.AgentBeat) -> None:
        lifetime_s = beat.interval_s * LIFETIME_INTERVALS
        link.send(
            envelope.encode(beat),
            exchange=self._broker.names.beats,
            routing_key=self._broker.names.routing_key("beat"),
            delivery_mode=1,
            expiration=str(max(int(lifetime_s * 1000), 1)),
        )

    def _drop(self) -> None:
        if self._link is not None:
            self._link.abandon()
            self._link = None


class BeatListener:
    """Gives every beat to ``handle``, in the listener's own thread.

    :param handle: must be quick; what it raises is logged.
    :ivar counts: received, dead (did not parse), failed.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, handle: Callable[[events.AgentBeat], None]
    ) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self._handle = handle
        self._broker = broker.Broker(conf)
        self._queue = ""
        self._reader = reader.Reader(self._broker, "beat-reader", self._consume)

    def start(self) -> None:
        """Begin to listen; returns at once, also while the broker is away."""
        self._reader.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the listener is connected; for tests and probes."""
        return self._reader.is_connected.wait(timeout_s)

    def stop(self) -> None:
        """Receive no more beats."""
        self._reader.soon(self._end)

    def wait(self, timeout_s: float = 5.0) -> bool:
        """Disconnect; False if that took too long."""
        return self._reader.close(timeout_s)

    def _consume(self, link: broker.Link) -> None:
        self._queue = self._broker.names.declare_beat_queue(link.channel)
        link.channel.basic_consume(
            queue=self._queue,
            no_ack=True,
            consumer_tag="beat",
            callback=lambda raw: self._receive(link, raw),
        )

    def _end(self, link: broker.Link) -> None:
        link.channel.basic_cancel("beat")
        if link.is_memory:
            self._broker.names.remove_own(link.channel, self._queue, "beat")

    def _receive(self, link: broker.Link, raw: Any) -> None:
        message = link.channel.message_to_python(raw)
        self.counts["received"] += 1
        try:
            beat = envelope.decode("beat", message.body)
        except errors.BadMessage as error:
            self.counts["dead"] += 1
            LOG.warning("%s", error)
            return
        if not isinstance(beat, events.AgentBeat):
            self.counts["dead"] += 1
            return
        try:
            self._handle(beat)
        except Exception:
            self.counts["failed"] += 1
            LOG.exception("the handler of a heartbeat failed")
