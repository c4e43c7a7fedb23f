"""The embedded default: the demo's promises, and the thread from the CLI."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]
CAMPAIGN = ROOT / "etc/escalator/campaigns/rolling-packages.yaml"
ENV = {**os.environ, "PYTHONWARNINGS": "ignore", "COLUMNS": "120"}


def program(name):
    return str(pathlib.Path(sys.prefix, "bin", name))


class TestDemo(unittest.TestCase):
    def demo(self, *more):
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, "report.json")
            argv = [program("escalator-standalone"), "--demo", CAMPAIGN]
            done = subprocess.run(
                [*argv, "--report", report, "--log", f"{folder}/log", *more],
                capture_output=True,
                text=True,
                timeout=150,
                cwd=ROOT,
                env=ENV,
            )
            self.assertEqual(0, done.returncode, done.stdout[-3000:] + done.stderr)
            return json.loads(report.read_text()), done.stdout

    def test_a_host_dies_and_everything_is_undone(self):
        """DC-4, DR-1, DR-9, R-2: told within a second, rolled back, quarantined."""
        told, shown = self.demo()
        self.assertEqual([], told["broken_promises"])
        self.assertEqual("rolled_back", told["final_state"])
        states = [each["state"] for each in told["campaign_states"]]
        self.assertEqual(
            ["validated", "preflight", "running", "rolling_back", "rolled_back"],
            states,
        )
        self.assertTrue(told["notices"])
        for notice in told["notices"]:
            self.assertLess(notice["detected_to_handler_ms"], 1000)
            self.assertEqual(10, len(notice["times"]))
        dead = told["hosts"].pop(told["dead_host"])
        self.assertIn("quarantined", dead["remark"])
        self.assertEqual({"1.0"}, {h["version_after"] for h in told["hosts"].values()})
        self.assertEqual(0, told["invariant_violations"])
        self.assertIn("every promise was kept", shown)

    def test_no_fault_ends_in_success(self):
        """P-0: unattended to the end."""
        told, _ = self.demo("--no-fault")
        self.assertEqual("committed", told["final_state"])
        self.assertEqual({"2.0"}, {h["version_after"] for h in told["hosts"].values()})

    def test_a_campaign_that_is_refused(self):
        """Place, reason and remedy; nothing is begun."""
        with tempfile.TemporaryDirectory() as folder:
            wrong = pathlib.Path(folder, "wrong.yaml")
            right = CAMPAIGN.read_text()
            wrong.write_text(right.replace("package.install", "package.instal"))
            done = subprocess.run(
                [program("escalator-standalone"), "--demo", wrong],
                capture_output=True,
                text=True,
                timeout=60,
                cwd=ROOT,
                env=ENV,
            )
        self.assertEqual(1, done.returncode)
        self.assertRegex(
            done.stderr, r"line \d+: no action package.instal is installed \[C404\]"
        )
        self.assertIn("Remedy: ", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


class TestCommandLine(unittest.TestCase):
    """`openstack upgrade ...` against a live, whole Escalator."""

    def setUp(self):
        self.server = subprocess.Popen(
            [program("escalator-standalone")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=ENV,
        )
        self.addCleanup(self.end)
        self.endpoint = self.server.stdout.readline().rsplit(" at ", 1)[-1].strip()

    def end(self):
        self.server.terminate()
        self.server.stdout.close()
        self.assertEqual(0, self.server.wait(60))

    def openstack(self, *words, status=0):
        done = subprocess.run(
            [program("openstack"), "--os-auth-type", "none"]
            + ["--os-endpoint", self.endpoint, "upgrade", *words],
            capture_output=True,
            text=True,
            timeout=120,
            env=ENV,
        )
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done

    def test_a_campaign_from_the_command_line(self):
        """DC-5: create, start, wait, list, explain, hosts; a refusal tells why."""
        bad = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.addCleanup(bad.close)
        bad.write(CAMPAIGN.read_text().replace("[fleet, rack,", "[fleet, rock,"))
        bad.flush()
        refused = self.openstack("campaign", "create", bad.name, status=1)
        self.assertIn("rock", refused.stderr)
        self.assertRegex(refused.stderr, r"line \d+|/procedures/0/budgets/1")
        self.assertEqual(
            [], json.loads(self.openstack("campaign", "list", "-f", "json").stdout)
        )
        self.openstack("campaign", "validate", str(CAMPAIGN))
        made = json.loads(
            self.openstack(
                "campaign", "create", str(CAMPAIGN), "--start", "--wait", "-f", "json"
            ).stdout
        )
        values = {key.lower(): value for key, value in made.items()}
        self.assertEqual("committed", values["state"])
        hosts = json.loads(self.openstack("host", "list", "-f", "json").stdout)
        self.assertEqual(12, len(hosts))
        self.openstack("campaign", "start", values["id"], status=1)
