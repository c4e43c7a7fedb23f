"""The real ``openstack`` command against the real HTTP server, without Keystone."""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import unittest
from typing import Any

import requests

import tests  # noqa: F401
from escalator.api import server
from escalator.objects import base
from tests.fixtures import api

OPENSTACK = pathlib.Path(sys.executable).with_name("openstack")
FINDING = {
    "rule": "C101",
    "pointer": "/procedures/0/steps/1",
    "line": 12,
    "detail": "cordon changes the target but says no undo.",
    "remedy": "Add undo, or undo: none_needed.",
}


class TestOpenstack(unittest.TestCase):
    def setUp(self) -> None:
        self.house = api.House()
        base.use_store(self.house.store)
        self.service = server.ApiService(self.house.conf, self.house.app)
        self.service.start()
        self.addCleanup(self.service.stop)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.file = pathlib.Path(folder.name, "campaign.yaml")
        self.file.write_text(api.DOCUMENT)

    def run_command(self, *words: str) -> subprocess.CompletedProcess[str]:
        kept = ("PATH", "LANG", "VIRTUAL_ENV", "PYTHONPATH")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        return subprocess.run(
            [
                str(OPENSTACK),
                "--os-auth-type",
                "none",
                "--os-endpoint",
                self.service.url,
                "upgrade",
                *words,
            ],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env={**env, "HOME": self.folder, "PYTHONWARNINGS": "ignore"},
        )

    def json_of(self, *words: str) -> Any:
        done = self.run_command(*words, "-f", "json")
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def test_submit_start_and_list(self) -> None:
        made = self.json_of(
            "campaign", "create", str(self.file), "--param", "version=2.0", "--start"
        )
        self.assertEqual("running", made["state"])
        self.assertEqual({"version": "2.0"}, made["params"])
        (listed,) = self.json_of("campaign", "list")
        self.assertEqual(made["id"], listed["id"])
        self.assertEqual(
            ["create", "act"], [call[0] for call in self.house.conductor.calls]
        )

    def test_a_refused_file(self) -> None:
        """Bad input: the place, the rule's id and the remedy; exit status 1."""
        self.house.conductor.findings = [FINDING]
        for verb in ("validate", "create"):
            done = self.run_command("campaign", verb, str(self.file))
            self.assertEqual(1, done.returncode)
            place = f"{self.file}:12:/procedures/0/steps/1: "
            self.assertIn(f"{place}{FINDING['detail']} [C101]", done.stderr)
            self.assertIn(f"Remedy: {FINDING['remedy']}", done.stderr)
        self.assertEqual([], self.house.store.rows["campaign"])

    def test_a_missed_goal_is_a_failure_with_its_output(self) -> None:
        row = self.house.store.add("campaign", api.campaign_row(state="rolled_back"))
        done = self.run_command(
            "campaign", "resume", row["id"], "--wait", "--timeout", "5", "-f", "json"
        )
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertEqual("rolled_back", json.loads(done.stdout)["state"])

    def test_explain_tells_the_campaign_beside_a_host(self) -> None:
        """A host of a campaign that does not go on waits for that."""
        made = self.house.store.add("campaign", api.campaign_row(state="holding"))
        self.house.conductor.campaign_explain = lambda ctxt, campaign_id: [
            {
                "host": host,
                "procedure": procedure,
                "step": "",
                "state": "holding",
                "code": code,
                "reason": "waits",
                "remedy": "campaign resume",
            }
            for host, procedure, code in (
                ("", "", "W156"),
                ("", "computes", "W118"),
                ("compute-01", "computes", "W145"),
                ("compute-02", "computes", "W145"),
            )
        ]
        words = ("campaign", "explain", made["id"])
        self.assertEqual(4, len(self.json_of(*words)))
        found = self.json_of(*words, "compute-02")
        self.assertEqual(
            [("", "W156"), ("compute-02", "W145")],
            [(row["host"], row["code"]) for row in found],
        )
        done = self.run_command(*words, "compute-09")
        self.assertEqual(1, done.returncode)
        self.assertIn("no such host", done.stderr)

    def test_what_a_process_measures(self) -> None:
        figures = {"nova.force_down": {"count": 12, "p99_ms": 80.25}}
        row = {"binary": "escalator-inspector", "host": "ctl", "figures": figures}
        self.house.store.add("service", {**api.service_row(), **row})
        (brief,) = self.json_of("service", "list")
        self.assertNotIn("figures", brief)
        (whole,) = self.json_of("service", "list", "--long")
        self.assertEqual(figures, whole["figures"])
        done = self.run_command("service", "list", "--long")
        self.assertIn("nova.force_down count=12 p99_ms=80.25", done.stdout)

    def test_dead_letters_are_sent_again(self) -> None:
        """One that is refused: the reason beside it, exit status 1."""
        row = self.house.store.add("notice", api.notice_row())
        (listed,) = self.json_of("notice", "list", "--state", "dead")
        self.assertEqual(row["id"], listed["id"])
        (sent,) = self.json_of("notice", "resend", "--all")
        self.assertEqual("resending", sent["state"])
        shown = self.json_of("notice", "show", row["id"])
        self.assertEqual(
            ("resending", row["fault_ids"]), (shown["state"], shown["fault_ids"])
        )
        self.assertEqual([], self.json_of("notice", "resend", "--all"))
        gone = "5a6e46a0-6d3c-4c27-8f44-0d3a9cb7cbbb"
        done = self.run_command("notice", "resend", gone, "-f", "json")
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn("not_found", json.loads(done.stdout)[0]["refusal"])

    def test_what_a_preflight_collected(self) -> None:
        """V-6: each figure beside what it was when the campaign started."""
        made = self.house.store.add("campaign", api.campaign_row(state="running"))
        self.house.store.add("preflight", api.preflight_row(made["id"]))
        words = ("campaign", "preflight", "readings", made["id"])
        listed = self.json_of(*words, "--host", "compute-02")
        self.assertEqual(
            [
                {
                    "kind": "logs",
                    "host": "compute-02",
                    "name": "journal_errors",
                    "value": 3.0,
                    "baseline": 1.0,
                }
            ],
            listed,
        )
        self.assertEqual([], self.json_of(*words, "--kind", "alarms"))

    def test_watch_without_a_terminal(self) -> None:
        row = self.house.store.add("campaign", api.campaign_row(state="committed"))
        self.house.store.add("step", api.step_row(row["id"], 1))
        self.house.store.add("journal", api.journal_row(row["id"], 1))
        done = self.run_command("campaign", "watch", row["id"])
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("compute-01 install: ready -> dispatched", done.stdout)
        self.assertRegex(done.stdout, r"compute-01 +upgraded")

    def test_a_fault_with_its_hops(self) -> None:
        """DR-9: T0 to T9 with ms per hop, for people and for programs."""
        row = self.house.store.add("fault", api.fault_row())
        told = self.run_command("fault", "show", row["id"]).stdout
        self.assertRegex(told, r"T0 -> T1 +300\.000 ms")
        self.assertRegex(told, r"T8 -> T9 +6\.000 ms")
        fault = self.json_of("fault", "show", row["id"])
        self.assertEqual(20.0, fault["notices"][0]["detected_to_taken_ms"])

    def test_a_version_can_be_asked_for(self) -> None:
        done = self.run_command("host", "list", "--os-upgrade-api-version", "1.9")
        self.assertEqual(1, done.returncode)
        self.assertIn("maximum of 1.0", done.stderr)
        self.assertEqual([], self.json_of("host", "list"))

    def test_a_subscription_comes_and_goes(self) -> None:
        made = self.json_of(
            *("subscription", "create", "--url", "https://noc.example/"),
            *("--all-projects", "--min-probes", "2"),
        )
        self.assertEqual(2, made["min_probes"])
        (row,) = self.json_of("subscription", "list")
        self.assertEqual(2, row["min_probes"])
        self.assertEqual(64, len(made["secret"]))
        done = self.run_command("subscription", "delete", made["id"], "not-there")
        self.assertEqual(1, done.returncode)
        self.assertIn("1 of 2 were not deleted", done.stderr)
        self.assertEqual([], self.json_of("subscription", "list"))

    def test_an_alarm_comes_reports_and_goes(self) -> None:
        row = self.house.store.add("campaign", api.campaign_row())
        made = self.json_of(
            *("alarm", "create", "too slow", "--campaign", row["id"]),
            *("--event-type", "x.y"),
        )
        self.assertEqual("hold", made["reaction"])
        words = shlex.split(made["aodh_command"])
        self.assertEqual(["openstack", "alarm", "create", "--name"], words[:4])
        self.assertIn("too slow", words)
        self.assertEqual(made["callback_url"], words[words.index("--alarm-action") + 1])
        self.assertTrue(made["callback_url"].startswith(self.service.url))
        report = {
            "alarm_id": "a",
            "alarm_name": "n",
            "severity": "low",
            "previous": "ok",
            "current": "alarm",
            "reason": "",
        }
        answer = requests.post(made["callback_url"], json=report, timeout=10)
        self.assertEqual(202, answer.status_code, answer.text)
        (listed,) = self.json_of("alarm", "list")
        self.assertIsNone(listed["revoked_at"])
        self.house.store.add(
            "observation",
            {
                "seq": 1,
                "alarm_id": made["id"],
                "at": api.NOW,
                "previous": "ok",
                "state": "alarm",
                "reason": "",
                "verdict": "raised",
                "outcome": "campaign held",
            },
        )
        told = self.run_command("alarm", "show", made["id"]).stdout
        self.assertIn("alarm: campaign held (raised)", told)
        self.assertNotIn(made["callback_url"], told)
        done = self.run_command("alarm", "delete", made["id"], "not-there")
        self.assertEqual(1, done.returncode)
        self.assertIn("1 of 2 were not deleted", done.stderr)
        shown = self.json_of("alarm", "show", made["id"])
        self.assertIsNotNone(shown["revoked_at"])
