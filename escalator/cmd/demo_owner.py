"""An owner of instances: receives webhooks, checks them, notes the time."""

import http.server
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from escalator import errors
from escalator.domain import webhook

LOG = logging.getLogger(__name__)

TIMESTAMP = "X-Escalator-Timestamp"
SIGNATURE = "X-Escalator-Signature"
RECOVER_EVERY_S = 0.5


class Owner:
    """A webhook consumer of one project.

    Recreates what it lost on other hosts (Doctor's step 10), and tries again
    where nothing fits yet: hosts that are being upgraded take nothing.

    :param recover: recreates what a project has on dead hosts, as far as it fits.
    :ivar received: (time, body) of every notice, stamped first thing.
    :ivar forged: notices whose signature was wrong.
    :ivar is_hit: an instance of the project was on the host that died.
    """

    def __init__(
        self,
        name: str,
        project_id: str,
        recover: Callable[[str], object],
    ) -> None:
        self.name = name
        self.project_id = project_id
        self.subscription_id = ""
        self.secret = ""
        self.received: list[tuple[float, dict[str, Any]]] = []
        self.forged = 0
        self.is_hit = False
        self.recover = recover
        self._stopping = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), _handler_of(self)
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, name=name, daemon=True
        )

    @property
    def url(self) -> str:
        """Return where notices are to be posted."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/notice"

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, at: float, headers: Any, raw: bytes) -> None:
        """Check and keep one notice."""
        stamp, given = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if not webhook.verify(self.secret, stamp, raw, given, at):
            self.forged += 1
            return
        body = json.loads(raw)
        self.received.append((at, body))
        if body.get("event") == "host.down" and not self._watching.is_alive():
            self._watching = threading.Thread(target=self._watch, daemon=True)
            self._watching.start()

    def _watch(self) -> None:
        """Look after the instances from the first notice on.

        One may have been on its way to the host when it died: no notice names it.
        """
        while not self._stopping.wait(RECOVER_EVERY_S):
            try:
                self.recover(self.project_id)
            except errors.EscalatorError as error:
                LOG.info("%s tries again: %s", self.name, error)

    def faults(self) -> list[tuple[float, dict[str, Any]]]:
        """Return the notices of faults."""
        return [(at, body) for at, body in self.received if body.get("faults")]


def _handler_of(owner: Owner) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            at = time.time()
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()
            owner.take(at, self.headers, raw)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the terminal for the picture."""

    return Handler
