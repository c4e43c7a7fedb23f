"""Services that are started while what they need is away (RU-8)."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from tests.fixtures import bus, ports

LIMIT_S = 60.0
STOP_S = 30.0
"""Less than cotyledon leaves a worker that does not end, which is a minute."""


class StartingTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.log = self.folder / "log"

    def begin(self, service: str, *lines: str) -> None:
        path = self.folder / "escalator.conf"
        path.write_text("\n".join((*lines, "")))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    pathlib.Path(sys.prefix, "bin", f"escalator-{service}"),
                    f"--config-file={path}",
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def await_line(self, text: str, times: int = 1) -> None:
        def has_come() -> bool:
            return self.log.read_text().count(text) >= times

        self.assertTrue(bus.eventually(has_come, LIMIT_S), self.log.read_text())

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, self.process.wait(STOP_S), self.log.read_text())
        return self.log.read_text()

    def test_without_the_database(self) -> None:
        """A line each time; it tries on, and stops when it is told to."""
        port = ports.free_port()
        self.begin(
            "conductor",
            "[database]",
            f"connection = mysql+pymysql://u:pass-word@127.0.0.1:{port}/x",
            "max_retries = 1",
            "retry_interval = 1",
        )
        line = "escalator-conductor did not start: The database does not answer"
        self.await_line(line, times=2)
        told = self.end()
        self.assertNotIn("Traceback", told)
        self.assertNotIn("pass-word", told)

    def test_without_the_broker(self) -> None:
        """It waits for it, and stops when it is told to."""
        for service in ("monitor", "scheduler"):
            with self.subTest(service):
                self.begin(
                    service,
                    "[DEFAULT]",
                    f"transport_url = rabbit://u:p@127.0.0.1:{ports.free_port()}/",
                )
                self.await_line("Connection failed")
                self.assertIn("is stopped before it has started", self.end())
