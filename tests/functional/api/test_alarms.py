"""Alarms from the callback to the subscriber: real processes, real broker, kills."""

import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from typing import Any

import requests

from tests.fixtures import consumer, daemon, ports, rabbit

WAIT_S = 30.0
QUIET_S = 2.0
"""Seconds without a notice after which none is expected any more."""
AWAY_S = 8.0
"""Seconds in which Aodh is answered while the conductor is away."""

_CONF = """\
[DEFAULT]
debug = true
transport_url = {bus}
graceful_shutdown_timeout = 5
[api]
bind_port = {port}
auth_strategy = noauth
[notifier]
signing_key = {key}
allowed_networks = 127.0.0.0/8
[vim]
simulated_path = {folder}/vim.sqlite
simulated_inventory = {folder}/inventory.yaml
[conductor]
inventory_interval_s = 0.5
outbox_retry_s = 0.5
"""
_INVENTORY = """\
hosts:
- {name: h1, address: 192.0.2.1}
- {name: h2, address: 192.0.2.2}
instances:
- {id: 52de86b0-0000-4000-8000-000000000001, project: red, host: h2}
"""


class TestDaemons(unittest.TestCase):
    """API, conductor, inspector and notifier as users run them."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        broker = rabbit.Rabbit().start()
        cls.addClassCleanup(broker.stop)
        port = ports.free_port()
        cls.root = f"http://127.0.0.1:{port}"
        values = {"bus": broker.url, "port": port, "folder": folder.name}
        cls.conf = cls.folder / "escalator.conf"
        cls.conf.write_text(_CONF.format(key=secrets.token_hex(32), **values))
        (cls.folder / "inventory.yaml").write_text(_INVENTORY)
        cls.database = cls.folder / "database.conf"
        cls.database.write_text(
            f"[database]\nconnection = sqlite:///{cls.folder}/e.sqlite\n"
        )
        manage = str(pathlib.Path(sys.prefix, "bin", "escalator-db-manage"))
        files = [f"--config-file={each}" for each in (cls.conf, cls.database)]
        subprocess.run([manage, *files, "upgrade"], check=True, capture_output=True)
        cls.daemons: dict[str, daemon.Daemon] = {}
        cls.addClassCleanup(cls.stop_all)
        for name in ("conductor", "api", "inspector", "notifier"):
            cls.launch(name)
        for each in cls.daemons.values():
            each.wait_ready()

    @classmethod
    def launch(cls, name: str) -> None:
        files = [cls.conf] + ([cls.database] if name == "conductor" else [])
        log = cls.folder / f"{name}.log"
        cls.daemons[name] = daemon.Daemon(name, files, log)

    @classmethod
    def stop_all(cls) -> None:
        for each in cls.daemons.values():
            each.stop()

    def setUp(self) -> None:
        self.wait(lambda: len(self.get("/v1/hosts")["hosts"]) == 2)

    def get(self, path: str) -> dict[str, Any]:
        answer = requests.get(self.root + path, timeout=30)
        self.assertEqual(200, answer.status_code, answer.text)
        return dict(answer.json())

    def wait(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not is_true():
            self.assertLess(time.monotonic(), deadline, "it took too long")
            time.sleep(0.05)

    def bind(self, **given: str) -> dict[str, Any]:
        body = {"alarm": {"name": "mine", **given}}
        answer = requests.post(f"{self.root}/v1/alarms", json=body, timeout=30)
        self.assertEqual(201, answer.status_code, answer.text)
        made: dict[str, Any] = answer.json()["alarm"]
        self.addCleanup(requests.delete, f"{self.root}/v1/alarms/{made['id']}")
        return made

    def report(self, made: dict[str, Any], current: str = "alarm", **more: Any) -> Any:
        body = {
            "alarm_name": "load",
            "alarm_id": f"aodh-{made['id']}",
            "severity": "low",
            "previous": "ok",
            "current": current,
            "reason": "too much",
            "reason_data": {},
            **more,
        }
        return requests.post(made["callback_url"], json=body, timeout=30)

    def subscribe(self, **given: Any) -> consumer.ConsumerProcess:
        heard = consumer.ConsumerProcess(self.folder / secrets.token_hex(4))
        self.addCleanup(heard.stop)
        body = {"subscription": {"url": heard.url, "all_projects": True, **given}}
        url = f"{self.root}/v1/subscriptions"
        answer = requests.post(url, json=body, timeout=30)
        self.assertEqual(201, answer.status_code, answer.text)
        made = answer.json()["subscription"]
        self.addCleanup(requests.delete, f"{url}/{made['id']}")
        return heard

    def told(self, heard: consumer.ConsumerProcess) -> list[tuple[str, str, str]]:
        """Return (event, type of fault, host) of every notice."""
        return [
            (call["body"]["event"], fault["fault_type"], fault["host_ref"])
            for call in heard.heard()
            for fault in call["body"].get("faults", ())
        ]

    def fault_of(self, made: dict[str, Any]) -> dict[str, Any]:
        """Return the only fault of an alarm, once it is known."""

        def found() -> list[dict[str, Any]]:
            ids = [row["id"] for row in self.get("/v1/faults")["faults"]]
            rows = [self.get(f"/v1/faults/{each}")["fault"] for each in ids]
            return [r for r in rows if r["evidence"].get("alarm_id") == made["id"]]

        self.wait(lambda: bool(found()))
        (fault,) = found()
        return fault

    def test_watched_faults_are_told_and_others_stay_silent(self) -> None:
        """DR-4: by the subscription's fault types and severity."""
        every = self.subscribe()
        watching = self.subscribe(fault_types=["alarm"])
        others = self.subscribe(fault_types=["host.down", "link.down"])
        graver = self.subscribe(fault_types=["alarm"], min_severity="major")
        time.sleep(QUIET_S)
        made = self.bind(host="h1", severity="minor")
        self.assertEqual(202, self.report(made).status_code)
        raised = ("host.down", "alarm", "h1")
        self.wait(lambda: raised in self.told(watching) and raised in self.told(every))
        self.assertEqual(202, self.report(made, "ok").status_code)
        cleared = ("host.up", "alarm", "h1")
        self.wait(lambda: cleared in self.told(watching))
        time.sleep(QUIET_S)
        self.assertEqual([raised, cleared], self.told(watching))
        self.assertEqual(([], []), (self.told(others), self.told(graver)))
        fault = self.fault_of(made)
        self.assertEqual(("cleared", "minor"), (fault["state"], fault["severity"]))
        self.assertFalse(fault["is_marked_down"])
        self.assertIn("T9", {name for n in fault["notices"] for name in n["times"]})
        self.assertEqual("up", self.get("/v1/hosts/h1")["host"]["state"])

    def test_a_host_goes_down_if_the_alarm_says_so(self) -> None:
        made = self.bind(host="h2", fault_type="host.down")
        self.report(made)
        self.wait(lambda: self.get("/v1/hosts/h2")["host"]["state"] == "down")
        fault = self.fault_of(made)
        self.assertTrue(fault["is_marked_down"])
        self.assertEqual(["red"], [each["project_id"] for each in fault["instances"]])
        requests.delete(f"{self.root}/v1/alarms/{made['id']}", timeout=30)
        self.wait(lambda: self.get("/v1/hosts/h2")["host"]["state"] == "up")

    def test_a_conductor_killed_after_the_answer_has_forgotten_nothing(self) -> None:
        heard = self.subscribe(fault_types=["alarm"])
        time.sleep(QUIET_S)
        made = self.bind(host="h1")
        self.assertEqual(202, self.report(made).status_code)
        self.daemons["conductor"].kill9()
        self.launch("conductor")
        self.daemons["conductor"].wait_ready()
        self.wait(lambda: ("host.down", "alarm", "h1") in self.told(heard))
        self.assertEqual("raised", self.fault_of(made)["state"])

    def test_a_report_while_the_conductor_is_dead_is_not_lost(self) -> None:
        """Aodh tries nothing again."""
        made = self.bind(host="h1")
        self.daemons["conductor"].kill9()
        try:
            before = time.monotonic()
            self.assertEqual(202, self.report(made).status_code)
            taken = time.monotonic() - before
            forged = {**made, "callback_url": f"{self.root}/v1/alarms/aodh/{'A' * 43}"}
            self.assertEqual(202, self.report(forged).status_code)
        finally:
            self.launch("conductor")
            self.daemons["conductor"].wait_ready()
        self.assertLess(taken, AWAY_S)
        self.assertEqual("raised", self.fault_of(made)["state"])
        self.wait(lambda: "No alarm has this token" in self.log("conductor"))

    def test_a_revoked_token_is_void_at_once(self) -> None:
        made = self.bind()
        self.assertEqual(202, self.report(made).status_code)
        url = f"{self.root}/v1/alarms/{made['id']}"
        self.assertEqual(204, requests.delete(url, timeout=30).status_code)
        self.assertEqual(404, self.report(made).status_code)
        shown = self.get(f"/v1/alarms/{made['id']}")["alarm"]
        self.assertEqual(1, shown["reports"])
        (seen,) = self.get(f"/v1/alarms/{made['id']}/observations")["observations"]
        self.assertEqual(("alarm", "raised"), (seen["state"], seen["verdict"]))

    def test_no_log_has_a_token(self) -> None:
        """At level DEBUG, refused or not, too large, chunked or misspelt."""
        made = self.bind()
        url = made["callback_url"]
        self.assertEqual(202, self.report(made).status_code)
        self.assertEqual(400, self.report(made, alarm_id="other").status_code)
        large = b'{"a": "' + b"x" * 66_000 + b'"}'
        kind = {"Content-Type": "application/json"}
        for data in (large, iter([large])):
            answer = requests.post(url, data=data, headers=kind, timeout=30)
            self.assertEqual(413, answer.status_code)
        requests.get(f"{url}/more", timeout=30)
        self.wait(lambda: "/v1/alarms/aodh/*** -> 413" in self.log("api"))
        for name in self.daemons:
            self.assertNotIn(made["token"], self.log(name), name)
        self.assertIn("Reports of alarms are refused", self.log("api"))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")
