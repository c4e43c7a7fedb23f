"""Messages to a queue that another service owns, with confirms.

The queue is never declared here: its owner alone knows its arguments, and a
declare with others is refused and closes the channel (406).  ``mandatory``
tells when it is not there.  ADR 16.
"""

from collections.abc import Sequence

from oslo_config import cfg

from escalator import errors
from escalator.bus import broker


class SamplePublisher:
    """One connection, used by one thread.

    :param url: the broker's transport URL; None means our own bus.
    :param queue: published to by name, through the nameless exchange.
    :param timeout_s: for one attempt: connecting, or all confirms.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, url: str | None, queue: str, timeout_s: float
    ) -> None:
        self._broker = broker.Broker(conf, url)
        self._queue = queue
        self._timeout_s = timeout_s
        self._link: broker.Link | None = None

    def publish(self, bodies: Sequence[bytes]) -> None:
        """Try once, in order; return once the broker has all of them safely.

        :raises BusUnavailable: it has not; any part may have been taken.
        """
        try:
            is_routed = self._send(bodies)
        except broker.RECOVERABLE as error:
            self._abandon()
            raise self._unavailable(repr(error)) from error
        if not is_routed:
            raise self._unavailable(
                f"there is no queue {self._queue}; the service that listens to it "
                "makes it when it starts: is it up, and is it on this broker?"
            )

    def close(self) -> None:
        """Close the connection; idempotent."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _send(self, bodies: Sequence[bytes]) -> bool:
        link = self._current()
        for body in bodies:
            link.send(body, "", self._queue, is_mandatory=True, delivery_mode=2)
        return link.wait_confirmed(self._timeout_s)

    def _current(self) -> broker.Link:
        """Return the link, another one if the broker has closed it meanwhile."""
        if self._link is not None:
            try:
                self._link.read_ready()
            except broker.RECOVERABLE:
                self._abandon()
        if self._link is None:
            self._link = self._broker.connect(self._timeout_s)
            self._link.confirm()
        return self._link

    def _abandon(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abandon()

    def _unavailable(self, reason: str) -> errors.BusUnavailable:
        return errors.BusUnavailable(timeout_s=self._timeout_s, reason=reason)
