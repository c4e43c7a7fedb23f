"""A real alarm of Aodh, fired by an event, holds a campaign of a real API."""

import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from typing import Any

import oslo_messaging
import requests
from oslo_config import cfg

from tests.cloud import base
from tests.fixtures import daemon, ports, rabbit

WAIT_S = 30.0
QUIET_S = 3.0
"""Seconds without a report after which none is expected any more."""

EVENT_TYPE = "escalator.test"
_CONF = """\
[DEFAULT]
transport_url = {bus}
graceful_shutdown_timeout = 5
[api]
bind_port = {port}
auth_strategy = noauth
[notifier]
signing_key = {key}
[vim]
simulated_path = {folder}/vim.sqlite
simulated_inventory = {folder}/inventory.yaml
[conductor]
inventory_interval_s = 0.5
"""
_AGENT = """\
[agent]
host = {host}
capabilities = {capabilities}
state_path = {folder}/{host}
"""
_INVENTORY = """\
hosts:
- {name: h1, address: 192.0.2.1, role: compute}
- {name: h2, address: 192.0.2.2, role: compute}
"""
_CAMPAIGN = """\
apiVersion: escalator.campaign/v1
kind: Campaign
metadata: {name: NAME, owner: noc, smoothness: smooth}
selectors:
  computes: {match: {role: compute}}
budgets:
  - {id: fleet, scope: all, max_down: 1}
recovery:
  ladder:
    - {try: hold}
  on_fault: {do: hold, scope: campaign}
procedures:
  - id: computes
    level: 10
    select: computes
    method: rolling
    parallel: 1
    budgets: [fleet]
    on_failure: ladder
    steps:
      - id: cordon
        action: vim.disable_scheduling
        undo: vim.enable_scheduling
        idempotent: natural
        expected: 1s
        timeout: 30s
"""


class AlarmSourceTest(base.CloudTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        url = cls.transport_url()
        folder = tempfile.TemporaryDirectory(prefix="cloud-alarm-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        broker = rabbit.Rabbit().start()
        cls.addClassCleanup(broker.stop)
        port = ports.free_port()
        cls.root = f"http://127.0.0.1:{port}"
        cls.start_services(bus=broker.url, port=port)
        identity = cls.connection.identity
        project = identity.create_project(
            name=base.unique("alarm"), domain_id="default"
        )
        cls.addClassCleanup(identity.delete_project, project)
        cls.project = str(project.id)
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        transport = oslo_messaging.get_notification_transport(conf, url=url)
        cls.addClassCleanup(transport.cleanup)
        cls.notifier = oslo_messaging.Notifier(
            transport,
            driver="messagingv2",
            publisher_id="test",
            topics=["alarm.all"],
            retry=3,
        )

    @classmethod
    def start_services(cls, **values: Any) -> None:
        conf = cls.folder / "escalator.conf"
        key = secrets.token_hex(32)
        conf.write_text(_CONF.format(folder=cls.folder, key=key, **values))
        (cls.folder / "inventory.yaml").write_text(_INVENTORY)
        database = cls.folder / "database.conf"
        database.write_text(
            f"[database]\nconnection = sqlite:///{cls.folder}/e.sqlite\n"
        )
        manage = str(pathlib.Path(sys.prefix, "bin", "escalator-db-manage"))
        files = [f"--config-file={each}" for each in (conf, database)]
        subprocess.run([manage, *files, "upgrade"], check=True, capture_output=True)
        files = {"conductor": [conf, database], "api": [conf]}
        for host, capabilities in (("h1", "node,vim"), ("h2", "node")):
            own = cls.folder / f"{host}.conf"
            values = {"host": host, "capabilities": capabilities}
            own.write_text(_AGENT.format(folder=cls.folder, **values))
            files[host] = [conf, own]
        started = []
        for name, needed in files.items():
            program = name if name in ("conductor", "api") else "agent"
            made = daemon.Daemon(program, needed, cls.folder / f"{name}.log")
            cls.addClassCleanup(made.stop)
            started.append(made)
        for made in started:
            made.wait_ready()

    def setUp(self) -> None:
        self.wait(self.are_ready)
        self.campaign = self.start_campaign()

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = requests.request(method, self.root + path, json=body, timeout=30)
        self.assertLess(answer.status_code, 300, answer.text)
        return dict(answer.json()) if answer.content else {}

    def wait(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not is_true():
            self.assertLess(time.monotonic(), deadline, self.logs())
            time.sleep(0.05)

    def are_ready(self) -> bool:
        """Tell whether both hosts are known, and their agents heard."""
        hosts = self.ask("GET", "/v1/hosts")["hosts"]
        return [bool(host["agent_seen_at"]) for host in hosts] == [True, True]

    def logs(self) -> str:
        paths = sorted(self.folder.glob("*.log"))
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in paths)

    def act(self, name: str, **arguments: str) -> None:
        path = f"/v1/campaigns/{self.campaign}/actions"
        self.ask("POST", path, {"action": {"name": name, "arguments": arguments}})

    def start_campaign(self) -> str:
        """Return a campaign that runs until somebody stops it: h2 is closed."""
        document = _CAMPAIGN.replace("NAME", base.unique("alarm"))
        body = {"campaign": {"document": document}}
        self.campaign = self.ask("POST", "/v1/campaigns", body)["campaign"]["id"]
        self.addCleanup(self.end_campaign, self.campaign)
        self.act("pause", target="h2")
        self.act("start")
        found = self.shown()
        self.assertEqual("running", found["state"], found["state_reason"])
        return self.campaign

    def end_campaign(self, campaign_id: str) -> None:
        """Let go of the hosts."""
        self.act("rollback")
        self.wait(lambda: self.shown()["state"] == "rolled_back")

    def shown(self) -> dict[str, Any]:
        found = self.ask("GET", f"/v1/campaigns/{self.campaign}")["campaign"]
        return dict(found)

    def alarm(self, **given: Any) -> tuple[str, str]:
        """Bind an alarm to the campaign; return Escalator's id and Aodh's."""
        body = {"name": "cloud", "campaign_id": self.campaign}
        made = self.ask("POST", "/v1/alarms", {"alarm": body})["alarm"]
        url = made["callback_url"]
        query = {"field": "traits.key", "op": "eq", "type": "string"}
        alarm = {
            "name": base.unique("alarm"),
            "type": "event",
            "project_id": self.project,
            "severity": "critical",
            "alarm_actions": [url],
            "ok_actions": [url],
            "event_rule": {
                "event_type": EVENT_TYPE,
                "query": [{**query, "value": made["id"]}],
            },
            **given,
        }
        session, where = self.connection.session, {"service_type": "alarming"}
        found = session.post("/v2/alarms", json=alarm, endpoint_filter=where).json()
        path = f"/v2/alarms/{found['alarm_id']}"
        self.addCleanup(session.delete, path, endpoint_filter=where)
        return str(made["id"]), str(found["alarm_id"])

    def fire(self, key: str, message_id: str = "") -> None:
        """Send an event that the alarm of ``key`` is on."""
        event = {
            "event_type": EVENT_TYPE,
            "message_id": message_id or str(uuid.uuid4()),
            "generated": "2026-11-21T00:00:00",
            "traits": [["project_id", 1, self.project], ["key", 1, key]],
        }
        self.notifier.sample({}, EVENT_TYPE, [event])

    def reports(self, alarm_id: str) -> tuple[int, int]:
        row = self.ask("GET", f"/v1/alarms/{alarm_id}")["alarm"]
        return row["reports"], row["repeats"]

    def wait_held(self) -> dict[str, Any]:
        self.wait(lambda: self.shown()["state"] == "paused")
        return self.shown()

    def test_an_event_holds_the_campaign_and_says_why(self) -> None:
        mine, theirs = self.alarm(repeat_actions=True)
        before = time.time()
        self.fire(mine)
        held = self.wait_held()
        row = self.ask("GET", f"/v1/alarms/{mine}")["alarm"]
        print(f"sent -> campaign held: {(time.time() - before) * 1000:.0f} ms")
        self.assertEqual((theirs, "alarm"), (row["aodh_alarm_id"], row["state"]))
        self.assertIn("(critical): Event <id=", held["state_reason"])
        lines = self.ask("GET", f"/v1/campaigns/{self.campaign}/journal")["journal"]
        self.assertIn(f"alarm:{mine}", {line["actor"] for line in lines})

    def test_each_event_counts_once(self) -> None:
        mine, _ = self.alarm(repeat_actions=True)
        first = str(uuid.uuid4())
        self.fire(mine, first)
        self.wait_held()
        self.act("resume")
        self.fire(mine, first)
        self.wait(lambda: self.reports(mine) == (2, 1))
        self.assertEqual("running", self.shown()["state"])
        self.fire(mine)
        self.wait_held()

    def test_an_alarm_that_is_set_to_ok_is_armed_again(self) -> None:
        """Aodh posts nothing for it; without repeats it fires once before."""
        mine, theirs = self.alarm(repeat_actions=False)
        self.fire(mine)
        self.wait_held()
        self.act("resume")
        self.fire(mine)
        time.sleep(QUIET_S)
        self.assertEqual(
            ((1, 0), "running"), (self.reports(mine), self.shown()["state"])
        )
        self.connection.session.put(
            f"/v2/alarms/{theirs}/state",
            json="ok",
            endpoint_filter={"service_type": "alarming"},
        )
        time.sleep(QUIET_S)
        self.assertEqual((1, 0), self.reports(mine))
        self.fire(mine)
        self.wait_held()
        self.assertEqual((2, 0), self.reports(mine))

    def test_a_revoked_alarm_holds_nothing(self) -> None:
        mine, _ = self.alarm(repeat_actions=True)
        self.ask("DELETE", f"/v1/alarms/{mine}")
        self.fire(mine)
        log = self.folder / "api.log"
        self.wait(lambda: "Reports of alarms are refused" in log.read_text())
        self.assertEqual("running", self.shown()["state"])
