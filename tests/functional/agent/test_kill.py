"""kill -9 of an agent at seeded moments: no side effect twice, none unreported."""

import dataclasses
import json
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from typing import Any

from escalator.domain import commands
from tests.fixtures import orders

SEED = 20240917
ROUNDS = 12
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))


class Agent:
    """One agent process and its reports."""

    def __init__(self, folder: str) -> None:
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.functional.agent.agent_process", folder],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def order(self, order: commands.RunStep) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(dataclasses.asdict(order)) + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End the agent and all that a supervisor would end with it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._reader.join(5)

    def outcome(self, order: commands.RunStep) -> dict[str, Any]:
        """Return the next outcome of that attempt; old ones may come again."""
        while True:
            report = self.reports.get(timeout=20)
            is_outcome = report["outcome"] not in ("running", "refused")
            if is_outcome and report["step_id"] == order.step_id:
                if report["fence"] == order.fence:
                    return report

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                self.reports.put(json.loads(line))


class KillTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def begin(self) -> Agent:
        made = Agent(self.folder)
        self.addCleanup(made.kill)
        return made

    def order_for(self, path: str) -> commands.RunStep:
        return orders.make_order(action="spell", params={"path": path})

    def run_to_its_end(self, agent: Agent, order: commands.RunStep) -> dict[str, Any]:
        """Act as the conductor does: resend, and on a doubt order once more."""
        agent.order(order)
        report = agent.outcome(order)
        while report["outcome"] == "unknown":
            order = dataclasses.replace(
                order,
                attempt=order.attempt + 1,
                fence=order.fence + 1,
                is_resumed=True,
            )
            agent.order(order)
            report = agent.outcome(order)
        return report

    def test_side_effects_happen_once_wherever_the_agent_is_killed(self) -> None:
        chance = random.Random(SEED)
        seen: list[str] = []
        for number in range(ROUNDS):
            path = os.path.join(self.folder, f"text-{number}")
            order = self.order_for(path)
            agent = self.begin()
            agent.order(order)
            if chance.random() < 0.8:
                agent.reports.get(timeout=20)
            for _ in range(chance.randint(1, 2)):
                time.sleep(chance.uniform(0, 0.4))
                agent.kill()
                agent = self.begin()
            report = self.run_to_its_end(agent, order)
            agent.kill()
            with self.subTest(seed=SEED, round=number):
                self.assertEqual("done", report["outcome"], report)
                self.assertEqual({"text": "ab"}, report["result"])
                with open(path, encoding="utf-8") as source:
                    self.assertEqual("ab", source.read())
            seen.append(f"attempt {report['attempt']}")
        self.assertIn("attempt 1", seen, "no kill ever hit a running program")

    def test_an_outcome_that_nobody_heard_is_reported_after_a_restart(self) -> None:
        """The program ends while no agent lives."""
        path = os.path.join(self.folder, "text")
        order = self.order_for(path)
        agent = self.begin()
        agent.order(order)
        while not os.path.exists(path):
            time.sleep(0.005)
        agent.kill()
        time.sleep(0.5)
        report = self.begin().outcome(order)
        self.assertEqual(
            ("done", {"text": "ab"}), (report["outcome"], report["result"])
        )
        self.assertEqual(order.fence, report["fence"])


if __name__ == "__main__":
    unittest.main()
