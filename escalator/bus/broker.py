"""Connections to the broker, for facts and heartbeats.

py-amqp waits without a limit in several places (closing, reading the answer to
a declare); a :class:`Link` never does: every socket operation has a limit and
a link that failed is dropped, not closed politely.
"""

import contextlib
import itertools
import select
import time
from collections.abc import Callable, Sequence
from typing import Any

import amqp
import kombu
from oslo_config import cfg

from escalator.bus import topology, transport

RECOVERABLE: tuple[type[Exception], ...] = (
    amqp.AMQPError,
    OSError,
    AttributeError,
    kombu.exceptions.KombuError,
)
"""What a lost connection can raise; py-amqp sometimes reads from None."""

CLOSE_LIMIT_S = 1.0
MEMORY_POLL_S = 0.01


class Broker:
    """Makes links to the brokers of a URL, in turn after a failure.

    :param url: another one than ``transport_url``.
    """

    def __init__(self, conf: cfg.ConfigOpts, url: str | None = None) -> None:
        self.is_memory = transport.is_memory(conf, url)
        self.names = topology.Topology(conf.bus.prefix, conf.bus.quorum_queues)
        self._urls = transport.kombu_urls(conf, url)
        self._ssl = transport.ssl_options(conf, url)
        self._turn = itertools.count()
        self._at = next(self._turn)

    def connect(self, timeout_s: float, heartbeat_s: int = 0) -> "Link":
        """Return a new link with one open channel.

        :raises RECOVERABLE: this broker cannot be reached; the next call
            tries the next one.
        """
        url = self._urls[self._at % len(self._urls)]
        client = kombu.Connection(
            url,
            ssl=dict(self._ssl) if isinstance(self._ssl, dict) else self._ssl,
            connect_timeout=timeout_s,
            heartbeat=heartbeat_s,
            login_method="PLAIN",
        )
        try:
            return Link(client, self.is_memory, timeout_s)
        except RECOVERABLE:
            self._at = next(self._turn)
            raise


class Link:
    """One connection with one channel; used by one thread at a time."""

    def __init__(
        self, client: kombu.Connection, is_memory: bool, timeout_s: float
    ) -> None:
        self.is_memory = is_memory
        self.declared: set[str] = set()
        self._transport = client.transport
        self.connection = self._transport.establish_connection()
        try:
            self._limit(timeout_s)
            self.channel = self._transport.create_channel(self.connection)
        except BaseException:
            self.abandon()
            raise
        self._unconfirmed: set[int] = set()
        self._sent = 0
        self._refused = 0
        self._returned = 0

    def fileno(self) -> int:
        """Return the socket to wait on; never called for the memory broker."""
        found: int = self.connection.sock.fileno()
        return found

    def tick(self) -> None:
        """Send a heartbeat if one is due.

        :raises RECOVERABLE: the broker's own heartbeats stay away.
        """
        if not self.is_memory:
            self.connection.heartbeat_tick(rate=2)

    def read_ready(self) -> bool:
        """Read what is at hand, without waiting; True if there was anything.

        :raises RECOVERABLE: the connection is lost.
        """
        if self.is_memory:
            return self._poll_memory()
        found = False
        while self._has_input():
            self.connection.blocking_read(CLOSE_LIMIT_S)
            found = True
        return found

    def confirm(self) -> None:
        """Let the broker confirm each message from now on."""
        if self.is_memory:
            return
        self.channel.events["basic_ack"].add(self._on_ack)
        self.channel.events["basic_nack"].add(self._on_nack)
        self.channel.events["basic_return"].add(self._on_return)
        self.channel.confirm_select()

    def send(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        is_mandatory: bool = False,
        **properties: Any,
    ) -> None:
        """Write one message; :meth:`wait_confirmed` tells what became of it."""
        headers = properties.pop("headers", None)
        message = self.channel.prepare_message(
            body,
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers or {},
            properties=properties,
        )
        if self.is_memory:
            self.channel.basic_publish(message, exchange, routing_key)
            return
        self._sent += 1
        self._unconfirmed.add(self._sent)
        self.channel.basic_publish(
            message, exchange, routing_key, mandatory=is_mandatory
        )

    def wait_confirmed(self, timeout_s: float) -> bool:
        """Wait until all that was sent is confirmed; False if any had no queue.

        :raises RECOVERABLE: the broker refused one, or did not confirm in
            time: the link must be abandoned.
        """
        deadline = time.monotonic() + timeout_s
        while self._unconfirmed:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no confirm")
            self.connection.drain_events(timeout=left)
        refused, self._refused = self._refused, 0
        returned, self._returned = self._returned, 0
        if refused:
            raise amqp.MessageNacked(f"{refused} messages were refused")
        return not returned

    def abandon(self) -> None:
        """Drop the connection at once; never waits, never raises."""
        with contextlib.suppress(Exception):
            if self.is_memory:
                self._transport.close_connection(self.connection)
            else:
                self.connection.collect()

    def close(self) -> None:
        """Take leave of the broker, for at most ``CLOSE_LIMIT_S``."""
        with contextlib.suppress(*RECOVERABLE):
            self._limit(CLOSE_LIMIT_S)
            self._transport.close_connection(self.connection)
        self.abandon()

    def _limit(self, timeout_s: float) -> None:
        if not self.is_memory:
            self.connection.sock.settimeout(timeout_s)

    def _poll_memory(self) -> bool:
        try:
            self._transport.drain_events(self.connection, timeout=0)
        except TimeoutError:
            return False
        return True

    def _has_input(self) -> bool:
        sock = self.connection.sock
        pending: Callable[[], int] | None = getattr(sock, "pending", None)
        if pending is not None and pending() > 0:
            return True
        return bool(select.select([sock], [], [], 0)[0])

    def _settled(self, tag: int, multiple: bool) -> int:
        if not multiple:
            self._unconfirmed.discard(tag)
            return 1
        done = {sent for sent in self._unconfirmed if sent <= tag}
        self._unconfirmed -= done
        return len(done)

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settled(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._refused += self._settled(tag, multiple)

    def _on_return(self, *_details: Any) -> None:
        self._returned += 1


def wait_readable(link: Link, others: Sequence[Any], timeout_s: float) -> None:
    """Wait until the link or one of ``others`` has input, or time is up.

    The memory broker has no socket: it is asked again every ``MEMORY_POLL_S``.
    """
    if link.is_memory:
        select.select(others, [], [], min(timeout_s, MEMORY_POLL_S))
    else:
        select.select([*others, link], [], [], timeout_s)
