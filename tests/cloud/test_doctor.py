"""escalator-doctor-test against services on a real cloud (DR-1, DR-2, DR-6, DR-8)."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from escalator.cmd.doctor import alarms
from escalator.domain import events
from tests.cloud import base
from tests.fixtures import bus, cloud_bed

LIMIT_S = 300


@unittest.skipIf(os.geteuid() != 0, "nodes are network namespaces: that needs root")
class DoctorTestCase(base.CloudTestCase):
    way = "direct"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = cloud_bed.settings_for_aodh(cls.way, cls.transport_url())
        cls.bed = cloud_bed.CloudBed(cls.connection, settings).start()
        cls.addClassCleanup(cls.bed.stop)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_it(self, *more, host=""):
        """Run the command as an operator does; returns status, figures, output."""
        host = host or sorted(self.bed.nodes)[-1]
        told = self.folder / "doctor.json"
        done = subprocess.run(
            self.command(host, *more),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env={**os.environ, "COLUMNS": "160"},
        )
        output = f"{done.stdout}{done.stderr}\n{self.bed.logs()[-4000:]}"
        figures = json.loads(told.read_text()) if told.exists() else {}
        return done.returncode, figures, output

    def command(self, host, *more):
        return [
            str(pathlib.Path(sys.prefix, "bin", "escalator-doctor-test")),
            *("--host", host, "--settle-s", "2"),
            *("--json", str(self.folder / "doctor.json")),
            *("--image", base.setting("image", "cirros")),
            *("--flavor", base.setting("flavor", "m1.tiny")),
            *("--network", base.setting("network", "none")),
            *("--log", str(self.folder / "consumer.log"), *more),
        ]

    def link(self, host):
        return (
            "--interface",
            self.bed.nodes[host].port,
            "--namespace",
            self.bed.bed.hub.netns,
        )

    def is_link_up(self, host):
        argv = ["ip", "-n", self.bed.bed.hub.netns, "-j", "link", "show"]
        done = subprocess.run(
            [*argv, self.bed.nodes[host].port],
            capture_output=True,
            text=True,
            check=True,
        )
        return "UP" in json.loads(done.stdout)[0]["flags"]

    def alarms(self):
        """Return the names of the test's alarms."""
        found = alarms.read_all(self.connection)
        return [n for n in (each["name"] for each in found) if n.startswith("doctor-")]

    def left_behind(self):
        """Return projects of the test that were not taken away."""
        names = [each.name for each in self.connection.identity.projects()]
        return [name for name in names if name.startswith("doctor-test-")]


class TestDirect(DoctorTestCase):
    """Our own event at alarm.all."""

    def test_owners_of_a_dead_host_know_within_a_second(self):
        host = sorted(self.bed.nodes)[-1]
        status, told, output = self.run_it(
            *self.link(host),
            *("--instances", "4", "--owners", "2", "--runs", "2"),
            *("--monitor-log", str(self.bed.log_of("monitor"))),
        )
        self.assertEqual(0, status, output)
        self.assertEqual((2, 2), (told["summary"]["runs"], told["summary"]["ok"]))
        for run in told["runs"]:
            self.assertEqual(["DOWN"], run["host_statuses"])
            self.assertLess(run["notification_time_s"], 1.0)
            self.assertEqual([], run["lost"])
            self.assertEqual(set(events.HOPS), set(run["hops_ms"]))
            # Nova's instance states are set after the owners were told.
            self.assertGreater(run["hops_ms"]["T3"], run["hops_ms"]["T5"])
        self.assertIn("OK", output)
        self.assertIn(
            "doctor consumer notified at", (self.folder / "consumer.log").read_text()
        )
        self.assertEqual([], self.left_behind())

    def test_a_test_that_is_killed(self):
        """Its link is mended; --clear takes away the rest, and nothing of others."""
        identity = self.connection.identity
        like_ours = identity.create_project(name="doctor-test-abcdef-0")
        self.addCleanup(identity.delete_project, like_ours)
        host = sorted(self.bed.nodes)[-1]
        process = subprocess.Popen(
            self.command(host, *self.link(host), "--instances=2", "--owners=2"),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertTrue(bus.eventually(lambda: not self.is_link_up(host), LIMIT_S))
        process.kill()
        self.assertTrue(bus.eventually(lambda: self.is_link_up(host)))
        self.assertEqual(3, len(self.left_behind()))
        self.assertEqual(2, len(self.alarms()))
        status, _, output = self.run_it("--clear")
        self.assertEqual(0, status, output)
        self.assertIn("taken away", output)
        self.assertEqual([like_ours.name], self.left_behind())
        self.assertEqual([], self.alarms())
        names = [
            each.name
            for found in (
                self.connection.compute.servers(all_projects=True),
                identity.users(),
            )
            for each in found
        ]
        self.assertEqual([], [n for n in names if n.startswith("doctor-test-")])
        status, _, output = self.run_it("--clear")
        self.assertEqual(0, status, output)
        self.assertIn("Nothing was left", output)

    def test_a_failure_that_nobody_sees_is_no_success(self):
        """Exit status 2, the step and the reason; nothing is left behind."""
        status, told, output = self.run_it(
            "--inject-command=true", "--restore-command=true", "--timeout-s=4"
        )
        self.assertEqual(2, status, output)
        self.assertIn("found no fault", told["failure"])
        self.assertEqual([], self.left_behind())

    def test_a_command_that_fails_is_named(self):
        status, told, output = self.run_it(
            "--inject-command=false", "--restore-command=true"
        )
        self.assertEqual(2, status, output)
        self.assertIn("inject_failure", told["failure"])
        self.assertEqual([], self.left_behind())


class TestConservative(DoctorTestCase):
    """Through os-resetState, Nova's notification and Ceilometer."""

    way = "nova"

    def test_the_way_through_nova_and_ceilometer(self):
        host = sorted(self.bed.nodes)[-1]
        status, told, output = self.run_it(
            *self.link(host), "--instances", "2", "--budget-s", "5"
        )
        self.assertEqual(0, status, output)
        self.assertEqual(["DOWN"], told["runs"][0]["host_statuses"])
