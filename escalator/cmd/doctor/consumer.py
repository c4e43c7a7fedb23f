"""The consumer of the test: the owner's webhook (Doctor's step 9).

Every alarm has a path of its own.  The moment of a notice is taken first thing
in the handler; then, still inside it, the owner asks Nova what it says of the
host (DR-2).
"""

import dataclasses
import http.server
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

LOG = logging.getLogger(__name__)

MOST_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """One notice.

    :ivar at: epoch seconds.
    :ivar instance_id: whose alarm it was.
    :ivar host_status: what the owner read inside the handler; empty if this
        notice did not ask.
    :ivar event_id: the event that fired the alarm, as Aodh names it.
    """

    at: float
    instance_id: str
    host_status: str
    event_id: str


class Consumer:
    """Takes alarms at ``http://ADDRESS:PORT/INSTANCE``.

    :param address: where it listens; Aodh must reach it.
    :param read_status: (instance id) -> host status as the owner sees it; asked
        for the first notice of each owner after :meth:`begin`.
    :param owner_of: instance id -> owner.
    """

    def __init__(self, address: str, read_status: Callable[[str], str]) -> None:
        self.owner_of: dict[str, str] = {}
        self._read_status = read_status
        self._heard: list[Heard] = []
        self._asked: set[str] = set()
        self._changed = threading.Condition()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = type("Server", (_Server,), {"address_family": family})
        self._server = kind((address, 0), _handler_of(self))
        host = f"[{address}]" if ":" in address else address
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.daemon = True

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def begin(self, asking: Collection[str] | None = None) -> None:
        """Forget what was heard: a run begins.

        :param asking: owners that ask in this run; None: all of them.
        """
        with self._changed:
            self._heard.clear()
            self._asked.clear()
            if asking is not None:
                self._asked.update(set(self.owner_of.values()) - set(asking))

    def wait(self, instances: int, timeout_s: float) -> list[Heard]:
        """Wait for a notice of so many instances; return everything heard."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while len({each.instance_id for each in self._heard}) < instances:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return list(self._heard)

    def take(self, at: float, path: str, body: bytes) -> None:
        """Note one notice; the handler answers when this returns."""
        instance_id = path.strip("/")
        owner = self.owner_of.get(instance_id)
        event_id = _event_id(body)
        if owner is None or event_id is None:
            LOG.warning("Something else than an alarm of the test came to %s", path)
            return
        LOG.info("doctor consumer notified at %.6f: %s", at, instance_id)
        with self._changed:
            is_first = owner not in self._asked
            self._asked.add(owner)
        status = self._ask(instance_id) if is_first else ""
        with self._changed:
            self._heard.append(Heard(at, instance_id, status, event_id))
            self._changed.notify_all()

    def _ask(self, instance_id: str) -> str:
        try:
            return self._read_status(instance_id)
        except Exception as error:
            LOG.warning("The owner could not ask for the host's status: %s", error)
            return f"not told: {type(error).__name__}"


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def _event_id(body: bytes) -> str | None:
    """Return the id of the event that fired the alarm; none if this is no alarm."""
    try:
        told: Any = json.loads(body)
        is_alarm = told["current"] == "alarm"
        event_id = str(told["reason_data"]["event"]["message_id"])
    except (ValueError, TypeError, LookupError):
        return None
    return event_id if is_alarm else None


def _handler_of(consumer: Consumer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            at = time.time()
            size = int(self.headers.get("Content-Length", 0))
            if size > MOST_BYTES:
                self.send_error(413)
                return
            consumer.take(at, self.path, self.rfile.read(size))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            LOG.debug(format, *args)

    return Handler
