"""http.verify against a real HTTP server on loopback."""

import http.server
import threading
import time
import unittest
from typing import Any

from escalator import errors
from escalator.drivers.action import http as http_action
from tests.fixtures import orders


class Daemon(http.server.BaseHTTPRequestHandler):
    body = b"demo-service 1.0\n"
    status = 200
    location = ""

    def do_GET(self) -> None:
        self.send_response(self.status)
        if self.location:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        return


class HttpVerifyTest(unittest.TestCase):
    def setUp(self) -> None:
        self.handler = type("Handler", (Daemon,), {})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        self.params = {"port": self.server.server_port, "expect": "1.0"}

    def verify(self, **params: Any) -> dict[str, Any]:
        order = orders.make_order(
            action="http.verify", params={**self.params, **params}, timeout_s=5.0
        )
        return http_action.Verify({}).run(order)

    def test_the_right_answer(self) -> None:
        self.assertEqual("demo-service 1.0\n", self.verify()["answer"])

    def test_a_daemon_that_is_late(self) -> None:
        def upgrade() -> None:
            self.handler.body = b"demo-service 2.0\n"  # type: ignore[attr-defined]

        timer = threading.Timer(0.3, upgrade)
        timer.start()
        self.addCleanup(timer.join)
        self.assertIn("2.0", self.verify(expect="2.0", within_s=3.0)["answer"])

    def test_the_wrong_answer_fails_verification_in_time(self) -> None:
        begun = time.monotonic()
        with self.assertRaisesRegex(errors.ActionFailed, "1.0") as caught:
            self.verify(expect="2.0", within_s=0.3)
        self.assertEqual("verification", caught.exception.failure_class)
        self.assertLess(time.monotonic() - begun, 2)

    def test_nobody_there_fails_verification(self) -> None:
        with self.assertRaises(errors.ActionFailed) as caught:
            self.verify(port=1, within_s=0.2)
        self.assertEqual("verification", caught.exception.failure_class)

    def test_a_redirect_is_no_answer(self) -> None:
        self.handler.status = 302  # type: ignore[attr-defined]
        self.handler.location = "http://127.0.0.1:1/"  # type: ignore[attr-defined]
        with self.assertRaisesRegex(errors.ActionFailed, "answered 302"):
            self.verify(within_s=0.2)


if __name__ == "__main__":
    unittest.main()
