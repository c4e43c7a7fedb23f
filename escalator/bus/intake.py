"""What a listener's reader does with each message, in the reader's thread."""

import collections
import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.bus import broker, delivery, envelope, topology

LOG = logging.getLogger(__name__)

REASON_HEADER = "x-escalator-reason"
AGAIN_HEADER = "x-escalator-again"
BURY_LIMIT_S = 5.0


class Intake:
    """Consumes a pool's queues, hands facts to lanes, settles and buries them.

    Everything but :meth:`give_back` and :meth:`wait_settled` runs in the
    reader's thread, which alone may touch a link.

    :param kinds: types that have a handler.
    """

    def __init__(
        self,
        names: topology.Topology,
        pool: str,
        kinds: frozenset[type[Any]],
        lanes: Mapping[str, delivery.Lane],
        counts: "collections.Counter[str]",
    ) -> None:
        self.soon: Callable[[Callable[[broker.Link], None]], None]
        self.is_stopping = False
        self._names = names
        self._pool = pool
        self._kinds = kinds
        self._lanes = lanes
        self._counts = counts
        self._own: dict[str, str] = {}
        self._open: dict[delivery.Delivery, _Receipt] = {}
        self._settled = threading.Event()
        self._settled.set()

    def consume(self, link: broker.Link, prefetch: int) -> None:
        """Declare the queues on a new link and begin to receive."""
        if self.is_stopping:
            return
        link.confirm()
        link.channel.basic_qos(0, prefetch, False)
        for topic in self._lanes:
            queue = self._names.declare_pool(link.channel, topic, self._pool)
            if self._pool not in topology.POOLS[topic]:
                self._own[topic] = queue
            link.channel.basic_consume(
                queue=queue,
                no_ack=False,
                consumer_tag=topic,
                callback=functools.partial(self._receive, link, topic, queue),
            )

    def cancel(self, link: broker.Link) -> None:
        """Receive no more."""
        for topic in self._lanes:
            link.channel.basic_cancel(topic)

    def forget(self) -> None:
        """The link is lost: whatever is open comes again."""
        self._open.clear()
        self._settled.set()
        self._own.clear()
        for lane in self._lanes.values():
            lane.forget()

    def remove_own(self, link: broker.Link) -> None:
        """Remove exclusive queues where the broker does not do so itself."""
        if link.is_memory:
            for topic, queue in self._own.items():
                self._names.remove_own(link.channel, queue, topic)

    def give_back(self) -> None:
        """Return all that is open to the broker."""
        for left in list(self._open):
            left.requeue()

    def wait_settled(self, timeout_s: float) -> bool:
        """Wait until nothing is open; False if time was up first."""
        return self._settled.wait(timeout_s)

    def _receive(self, link: broker.Link, topic: str, queue: str, raw: Any) -> None:
        message = link.channel.message_to_python(raw)
        receipt = _Receipt(link, queue, message)
        self._counts["received"] += 1
        try:
            fact = envelope.decode(topic, message.body)
        except errors.BadMessage as error:
            self.soon(functools.partial(self._bury, receipt, str(error)))
            return
        if type(fact) not in self._kinds:
            self._counts["dropped"] += 1
            self.soon(receipt.ack)
            return
        found = delivery.Delivery(fact, receipt.is_again, time.time(), self._settle)
        self._open[found] = receipt
        self._settled.clear()
        self._lanes[topic].put(found)

    def _settle(self, found: delivery.Delivery, is_done: bool) -> None:
        """Send the verdict from the reader's thread; any thread may call."""
        receipt = self._open.pop(found, None)
        if receipt is None:
            return
        self.soon(receipt.ack if is_done else receipt.requeue)
        if not self._open:
            self._settled.set()

    def _bury(self, receipt: "_Receipt", reason: str, link: broker.Link) -> None:
        """Move a bad message to the dead queue; nothing is lost in between."""
        if link is not receipt.link:
            return
        self._counts["dead"] += 1
        LOG.error("%s: buried a message: %s", self._pool, reason)
        receipt.copy_to(self._names.dead_queue(self._pool), {REASON_HEADER: reason})
        link.wait_confirmed(BURY_LIMIT_S)
        receipt.ack(link)


class _Receipt:
    """How to settle one message on the link that it came by."""

    def __init__(self, link: broker.Link, queue: str, message: Any) -> None:
        self.link = link
        self._queue = queue
        self._message = message

    @property
    def is_again(self) -> bool:
        return bool(
            self._message.delivery_info.get("redelivered")
            or self._message.headers.get(AGAIN_HEADER)
        )

    def ack(self, link: broker.Link) -> None:
        if link is self.link:
            link.channel.basic_ack(self._message.delivery_tag)

    def requeue(self, link: broker.Link) -> None:
        """Give the message back to its queue.

        The in-memory broker would give it to every pool of the topic, so
        there it is put into its queue by name.
        """
        if link is not self.link:
            return
        if link.is_memory:
            self.copy_to(self._queue, {AGAIN_HEADER: True})
            self.ack(link)
        else:
            link.channel.basic_reject(self._message.delivery_tag, requeue=True)

    def copy_to(self, queue: str, headers: dict[str, Any]) -> None:
        body = self._message.body
        self.link.send(
            body.encode() if isinstance(body, str) else bytes(body),
            exchange="",
            routing_key=queue,
            is_mandatory=True,
            delivery_mode=2,
            headers={**self._message.headers, **headers},
        )
