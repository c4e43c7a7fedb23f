"""The six daemons as separate processes over a real broker.

One ``escalator.conf`` for all; the database stands in a file that only the
conductor is given (RU-2).
"""

import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import requests

from tests.fixtures import ports, rabbit

ALL = ("conductor", "api", "monitor", "inspector", "notifier", "agent", "scheduler")
READY_S = 60
KEY = secrets.token_hex(32)


class Daemon:
    """One service and its log."""

    def __init__(self, folder, name, *files):
        self.name = name
        self.log = pathlib.Path(folder, f"{name}.log")
        program = pathlib.Path(sys.prefix, "bin", f"escalator-{name}")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program, *(f"--config-file={each}" for each in files)],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
                start_new_session=True,
            )

    def wait_for(self, text, limit_s=READY_S):
        end = time.monotonic() + limit_s
        while text not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(
                    f"{self.name}: no {text!r}: {self.log.read_text()}"
                )
            time.sleep(0.05)

    def workers(self):
        """Return the ids of what any thread of the master has started."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        found = [path.read_text().split() for path in tasks.glob("*/children")]
        return sorted(int(pid) for pids in found for pid in pids)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)


class TestDaemons(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.broker = rabbit.Rabbit().start()
        cls.addClassCleanup(cls.broker.stop)
        cls.port = ports.free_port()
        cls.conf = pathlib.Path(cls.folder.name, "escalator.conf")
        cls.write_conf()
        cls.database = pathlib.Path(cls.folder.name, "database.conf")
        cls.database.write_text(
            f"[database]\nconnection = sqlite:///{cls.folder.name}/e.sqlite\n"
        )
        manage = pathlib.Path(sys.prefix, "bin", "escalator-db-manage")
        subprocess.run(
            [manage, f"--config-file={cls.conf}", f"--config-file={cls.database}"]
            + ["upgrade"],
            check=True,
            capture_output=True,
        )

    @classmethod
    def write_conf(cls, **more):
        extra = "\n".join(f"{name} = {value}" for name, value in more.items())
        cls.conf.write_text(
            f"""
[DEFAULT]
transport_url = {cls.broker.url}
graceful_shutdown_timeout = 20
{extra}
[api]
bind_port = {cls.port}
auth_strategy = noauth
[notifier]
signing_key = {KEY}
[vim]
simulated_path = {cls.folder.name}/vim.sqlite
[agent]
host = node-1
state_path = {cls.folder.name}/agent
[monitor]
probes = simulated
"""
        )

    def start(self, name):
        files = [self.conf] + ([self.database] if name == "conductor" else [])
        daemon = Daemon(self.folder.name, name, *files)
        self.addCleanup(daemon.end)
        return daemon

    def check_priority(self, workers):
        """Whoever stands in the path of a fault goes before the others."""
        if os.geteuid() != 0:
            return
        for name, pids in workers.items():
            threads = [int(each) for each in os.listdir(f"/proc/{pids[0]}/task")]
            policies = [os.sched_getscheduler(thread) for thread in threads]
            nices = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]
            with self.subTest(name=name):
                is_prompt = name in ("monitor", "inspector", "notifier")
                self.assertEqual(is_prompt, min(nices) < 0)
                self.assertEqual(is_prompt, any(policies))
                self.assertIn(os.SCHED_OTHER, policies)

    def test_all_serve_tell_of_themselves_reload_and_end(self):
        """Start, records with heartbeats (RU-3), SIGHUP, SIGTERM (RU-8)."""
        daemons = {name: self.start(name) for name in ALL}
        for daemon in daemons.values():
            daemon.wait_for(" is ready")
        self.check_records()
        before = {name: each.workers() for name, each in daemons.items()}
        self.assertNotIn([], before.values())
        self.check_priority(before)
        self.write_conf(debug="true")
        for daemon in daemons.values():
            daemon.process.send_signal(signal.SIGHUP)
        for name, daemon in daemons.items():
            daemon.wait_for("has re-read its options")
            self.assertEqual(before[name], daemon.workers(), name)
        self.check_records()
        for name, daemon in reversed(daemons.items()):
            self.assertEqual(0, daemon.end(), name)
            self.assertIn("has stopped", daemon.log.read_text(), name)
            self.assertNotIn("Traceback", daemon.log.read_text(), name)

    def check_records(self):
        end = time.monotonic() + 20
        wanted = {f"escalator-{name}" for name in ALL}
        seen = set()
        while time.monotonic() < end:
            url = f"http://127.0.0.1:{self.port}/v1/services"
            rows = requests.get(url, timeout=10).json()["services"]
            seen = {row["binary"] for row in rows if row["state"] == "up"}
            if wanted <= seen:
                figures = {row["binary"]: row["figures"] for row in rows}
                self.assertIn("probe_loop.lateness", figures["escalator-monitor"])
                return
            time.sleep(0.2)
        self.fail(f"no record of {wanted - seen}")


class TestRefusals(unittest.TestCase):
    """Configuration errors stop a service at start with the option's name."""

    CASES = (
        ("conductor", "[DEFAULT]\n", "[database]/connection"),
        ("notifier", "[DEFAULT]\n", "[notifier]/signing_key"),
        ("notifier", "[notifier]\nsigning_key = short\n", "[notifier]/signing_key"),
        ("monitor", "[monitor]\ninterval_s = soon\n", "interval_s"),
        ("monitor", "[monitor]\nprobes = dowsing\n", "dowsing"),
        ("inspector", "[vim]\ndriver = none-such\n", "none-such"),
        ("agent", "[agent]\ncapabilities = flying\n", "capabilities"),
        ("api", "[api]\nauth_strategy = trust\n", "auth_strategy"),
    )

    def test_each_names_the_option(self):
        with tempfile.TemporaryDirectory() as folder:
            conf = pathlib.Path(folder, "bad.conf")
            for name, text, wanted in self.CASES:
                with self.subTest(service=name, text=text):
                    conf.write_text(text)
                    daemon = Daemon(folder, name, conf)
                    self.assertEqual(1, daemon.process.wait(60))
                    self.assertIn(wanted, daemon.log.read_text())
                    self.assertNotIn("Traceback", daemon.log.read_text())
                    daemon.log.unlink()
