"""The thread that owns a consuming connection."""

import collections
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable

from escalator.bus import broker

LOG = logging.getLogger(__name__)

CONNECT_LIMIT_S = 2.0
HEARTBEAT_S = 4
TICK_S = 1.0
RECONNECT_S = 0.1

Deed = Callable[[broker.Link], None]


class Reader:
    """Reads one connection and reconnects for ever.

    py-amqp is not thread-safe, so other threads hand their acknowledgements
    in as deeds: :meth:`soon` wakes the thread through a socket pair.

    :param set_up: declares and consumes on each new link.
    :param on_lost: told after a link is gone, in the reader's thread.
    :param patience_s: how long to leave input where it is before it is read.
    """

    def __init__(
        self,
        source: broker.Broker,
        name: str,
        set_up: Deed,
        on_lost: Callable[[], None] = lambda: None,
        patience_s: float = 0.0,
    ) -> None:
        self.is_connected = threading.Event()
        self._broker = source
        self._set_up = set_up
        self._on_lost = on_lost
        self._patience_s = patience_s
        self._deeds: collections.deque[Deed] = collections.deque()
        self._waker, self._alarm = socket.socketpair()
        self._waker.setblocking(False)
        self._alarm.setblocking(False)
        self._closing = threading.Event()
        self._is_told = False
        self._tick_at = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def soon(self, deed: Deed) -> None:
        """Let the reader's thread do ``deed`` at once; dropped if not connected."""
        self._deeds.append(deed)
        with contextlib.suppress(OSError):
            self._waker.send(b"!")

    def close(self, timeout_s: float) -> bool:
        """Take leave and end the thread; False if it does not end in time."""
        self._closing.set()
        self.soon(lambda link: None)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._live()
            except broker.RECOVERABLE as error:
                level = logging.DEBUG if self._is_told else logging.WARNING
                LOG.log(level, "%s: no broker: %r", self._thread.name, error)
                self._is_told = True
            except Exception:
                LOG.exception("%s: reconnecting", self._thread.name)
            self._forget()
            self._closing.wait(RECONNECT_S)

    def _live(self) -> None:
        """Serve one link from its making to its end."""
        link = self._broker.connect(CONNECT_LIMIT_S, HEARTBEAT_S)
        try:
            self._set_up(link)
            self.is_connected.set()
            self._is_told = False
            self._be_patient()
            while not self._closing.is_set():
                self._turn(link)
            self._do_deeds(link)
            link.close()
        finally:
            link.abandon()

    def _turn(self, link: broker.Link) -> None:
        self._do_deeds(link)
        if not link.read_ready():
            broker.wait_readable(link, [self._alarm], TICK_S)
            with contextlib.suppress(BlockingIOError):
                self._alarm.recv(4096)
            self._be_patient()
        now = time.monotonic()
        if now >= self._tick_at:
            self._tick_at = now + TICK_S
            link.tick()

    def _be_patient(self) -> None:
        """Leave what has arrived where it is, for somebody in a hurry."""
        if self._patience_s:
            self._closing.wait(self._patience_s)

    def _do_deeds(self, link: broker.Link) -> None:
        while self._deeds:
            self._deeds.popleft()(link)

    def _forget(self) -> None:
        self.is_connected.clear()
        self._deeds.clear()
        self._on_lost()
