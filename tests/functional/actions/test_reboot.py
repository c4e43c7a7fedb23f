"""Reboots: a program kills the agent, and it comes up in another boot."""

import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import host
from tests.fixtures import action_bed, orders
from tests.unit.drivers import contract_action

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

REBOOT = """
import os, signal, sys, time, uuid
folder, kills = sys.argv[1], sys.argv[2] == "kill"
with open(folder + "/calls", "a") as log:
    log.write("reboot\\n")
if kills:
    os.kill(int(open(folder + "/agent.pid").read()), signal.SIGKILL)
if sys.argv[3] == "works":
    with open(folder + "/boot_id", "w") as target:
        target.write(str(uuid.uuid4()))
    if kills:  # a system that goes down takes the job's wrapper along
        os.kill(os.getppid(), signal.SIGKILL)
"""


class Bench(action_bed.ActionBed):
    def setUp(self) -> None:
        super().setUp()
        self.write("boot_id", "first\n")
        self.write("calls", "")
        self.order = orders.make_order(action="host.reboot", params={})
        self.asks("stay", "works")

    def asks(self, *how: str) -> None:
        self.argv = (sys.executable, "-S", "-c", REBOOT, self.folder, *how)
        self.grant(reboot=self.argv, boot_id=self.path("boot_id"))

    def count_changes(self) -> int:
        return len(self.read("calls").split())


class TestReboot(Bench, contract_action.ActionContract):
    def make_action(self) -> base.Action:
        return host.Reboot(self.resources)

    def make_hopeless_order(self) -> commands.RunStep | None:
        self.grant(reboot=("/bin/false",))
        return dataclasses.replace(self.order, step_id="hopeless")

    def test_the_same_boot_id_is_a_timeout(self) -> None:
        self.asks("stay", "hangs")
        order = dataclasses.replace(self.order, timeout_s=1.0)
        error = self.refused(self.make_action(), order)
        self.assertEqual("timeout", error.failure_class)

    def test_a_second_attempt_asks_again_if_the_first_one_did_nothing(self) -> None:
        self.asks("stay", "hangs")
        order = dataclasses.replace(self.order, timeout_s=0.5)
        self.refused(self.make_action(), order)
        self.asks("stay", "works")
        self.make_action().run(self.again())
        self.assertEqual(2, self.count_changes())

    def test_begun_anew_it_reboots_again(self) -> None:
        self.make_action().run(self.order)
        order = dataclasses.replace(self.again(), rerun=1)
        self.assertIsNone(self.make_action().detect(order))
        self.make_action().run(order)
        self.assertEqual(2, self.count_changes())


class Agent:
    """An agent of one boot."""

    def __init__(self, bed: Bench) -> None:
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "tests.fixtures.agent_process",
                bed.path("agent.conf"),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": ROOT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        bed.write("agent.pid", str(self.process.pid))
        bed.addCleanup(self.end)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def order(self, order: commands.RunStep) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"run": dataclasses.asdict(order)}) + "\n")
        self.process.stdin.flush()

    def outcome(self) -> dict[str, Any]:
        while True:
            report = self.reports.get(timeout=20)
            if report["outcome"] != "running":
                return report

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._reader.join(5)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            ((kind, told),) = json.loads(line).items()
            if kind == "report":
                self.reports.put(told)


class TestTheAgentSurvives(Bench):
    def begin(self, *how: str) -> Agent:
        self.asks(*how)
        program = self.write("reboot.py", REBOOT)
        argv = [sys.executable, "-S", program, self.folder, *how]
        self.write(
            "agent.conf",
            f"[agent]\nhost = node-1\nstate_path = {self.path('state')}\n"
            f"boot_id_path = {self.path('boot_id')}\n"
            f"reboot_command = {','.join(argv)}\n",
        )
        return Agent(self)

    def test_the_next_boot_reports_the_step_done(self) -> None:
        agent = self.begin("kill", "works")
        agent.order(self.order)
        self.assertEqual(-signal.SIGKILL, agent.process.wait(20))
        self.wait_for(lambda: self.read("boot_id").strip() not in ("", "first"))
        report = Agent(self).outcome()
        self.assertEqual("done", report["outcome"], report)
        self.assertEqual(self.order.step_id, report["step_id"])
        self.assertEqual("first", report["result"]["previous"]["boot_id"])
        self.assertEqual(self.read("boot_id"), report["result"]["boot_id"])
        self.assertEqual(1, self.count_changes())

    def test_the_agent_alone_is_restarted_and_goes_on_waiting(self) -> None:
        """The boot comes later than the agent's restart: it is no second one."""
        agent = self.begin("kill", "hangs")
        agent.order(self.order)
        agent.process.wait(20)
        second = Agent(self)
        self.assertEqual("running", second.reports.get(timeout=20)["outcome"])
        self.write("boot_id", "second")
        self.assertEqual("done", second.outcome()["outcome"])
        self.assertEqual(1, self.count_changes())

    def test_the_same_boot_id_fails_at_last(self) -> None:
        self.order = dataclasses.replace(
            self.order, timeout_s=4.0, deadline_at=time.time() + 4.0
        )
        agent = self.begin("kill", "hangs")
        agent.order(self.order)
        agent.process.wait(20)
        report = Agent(self).outcome()
        self.assertEqual(
            ("failed", "timeout"), (report["outcome"], report["failure_class"])
        )

    def test_an_action_that_this_agent_does_not_have_is_refused(self) -> None:
        agent = self.begin("stay", "works")
        agent.order(dataclasses.replace(self.order, action="host.explode"))
        report = agent.outcome()
        self.assertEqual("failed", report["outcome"])
        self.assertIn("has no action 'host.explode'", report["detail"])
