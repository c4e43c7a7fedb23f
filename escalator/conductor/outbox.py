"""Sends what committed transactions owe to the bus, in order.

Fresh messages are sent at once by the conductor that wrote them; what it
leaves behind when it dies is taken over by any other after a moment.
Repeats are harmless: agents refuse what they know, facts carry ids.
"""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from escalator import errors
from escalator.db import outbox, session

LOG = logging.getLogger(__name__)

Message = dict[str, Any]


class Outbox:
    """A thread that sends; :meth:`send` returns at once.

    :param deliver: sends one message; raises a retryable EscalatorError.
    :param retry_s: seconds before another try, and between two sweeps.
    """

    def __init__(
        self,
        database: session.Database,
        deliver: Callable[[Message], None],
        retry_s: float,
    ) -> None:
        self.database = database
        self.deliver = deliver
        self.retry_s = retry_s
        self._fresh: queue.Queue[list[Message] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._is_stopping = False

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send what is at hand, then end."""
        self._is_stopping = True
        self._fresh.put(None)
        self._thread.join(timeout=10)

    def send(self, messages: list[Message]) -> None:
        """Take the messages of a committed transaction."""
        if messages:
            self._fresh.put(messages)

    def _run(self) -> None:
        while True:
            try:
                messages = self._fresh.get(timeout=self.retry_s)
            except queue.Empty:
                messages = []
            if messages is None:
                return
            try:
                self._deliver_all(messages or self._overdue())
            except Exception:
                LOG.exception("The outbox could not be worked off; trying again")

    @session.retry_on_conflict
    def _overdue(self) -> list[Message]:
        with self.database.begin() as connection:
            now = self.database.now(connection)
            return outbox.claim_overdue(
                self.database, connection, now, now + self.retry_s * 5, 100
            )

    def _deliver_all(self, messages: list[Message]) -> None:
        sent: list[str] = []
        for message in messages:
            try:
                self.deliver(message)
            except errors.EscalatorError as error:
                LOG.info(
                    "Not sent yet: %s to %s: %s",
                    message["kind"],
                    message["target"],
                    error,
                )
                if not error.retryable:
                    raise
            else:
                sent.append(message["id"])
        if sent:
            self._forget(sent)

    @session.retry_on_conflict
    def _forget(self, ids: list[str]) -> None:
        with self.database.begin() as connection:
            outbox.delete(connection, ids)
