"""escalator-doctor-test leaves nothing behind when a signal stops it."""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LIMIT_S = 30.0


class StoppedTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cloud = self.folder / "cloud"
        self.cloud.mkdir()
        self.report = self.folder / "report.json"
        # A shell without job control has SIGINT ignored, and so would what we start.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        self.cut = self.cloud / "cut"

    def begin(
        self, settle_s: float = 0.0, boot_s: float = 0.0, slow_s: float = 0.0
    ) -> None:
        given = [
            *("--instances=2", "--owners=2", f"--settle-s={settle_s}"),
            *(f"--inject-command=touch {self.cut}", f"--json={self.report}"),
            f"--restore-command=rm {self.cut}",
        ]
        place = [str(self.cloud), str(boot_s), str(slow_s)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.fixtures.doctor_cloud"]
            + [*place, *given],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.process.kill)

    def made(self) -> list[str]:
        return sorted(each.name for each in self.cloud.iterdir())

    def await_made(self, *names: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not set(names) <= set(self.made()):
            self.assertLess(time.monotonic(), deadline, self.made())
            time.sleep(0.01)

    def end(self, *signals: signal.Signals) -> int:
        for each in signals:
            self.process.send_signal(each)
            time.sleep(0.2)
        _, self.said = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode

    def test_while_the_host_is_broken(self) -> None:
        self.begin()
        self.await_made("cut", "project-1", "user-2", "server-5", "alarm-8")
        self.assertEqual(143, self.end(signal.SIGTERM), self.said)
        self.assertEqual([], self.made())
        self.assertIn("stopped by SIGTERM", self.said)
        told = json.loads(self.report.read_text())
        self.assertEqual("stopped by SIGTERM", told["failure"])

    def test_killed_while_the_host_is_broken(self) -> None:
        """The host is mended all the same."""
        self.begin()
        self.await_made("cut", "alarm-8")
        self.assertEqual(-9, self.end(signal.SIGKILL), self.said)
        deadline = time.monotonic() + LIMIT_S
        while self.cut.exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_while_the_alarms_settle(self) -> None:
        self.begin(settle_s=60.0)
        self.await_made("alarm-8")
        self.assertEqual(130, self.end(signal.SIGINT), self.said)
        self.assertEqual([], self.made())

    def test_while_a_server_boots(self) -> None:
        self.begin(boot_s=60.0)
        self.await_made("server-5")
        self.assertEqual(143, self.end(signal.SIGTERM), self.said)
        self.assertEqual([], self.made())

    def test_while_something_is_being_made(self) -> None:
        """The cloud has it already, its answer is still on the way."""
        self.begin(slow_s=0.5)
        self.await_made("user-2")
        self.assertEqual(143, self.end(signal.SIGTERM), self.said)
        self.assertEqual([], self.made())

    def test_impatience_does_not_stop_the_taking_away(self) -> None:
        self.begin(boot_s=60.0, slow_s=0.3)
        self.await_made("server-5")
        signals = (signal.SIGINT, signal.SIGINT, signal.SIGTERM)
        self.assertEqual(130, self.end(*signals), self.said)
        self.assertEqual([], self.made())
