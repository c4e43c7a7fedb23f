"""The engine with one real agent process: stopped, hung, lost and late steps."""

import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from typing import Any

import yaml

from escalator.conductor import explaining
from escalator.db import facts, models
from escalator.domain import commands, events, plan
from tests.fixtures import engine as beds

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
HOST = "h000"
LIMIT_S = 60.0
HOLD = (plan.Rung("hold"),)

WAITS = "echo begin >> {0}/log; echo $$ > {0}/pid; until test -e {0}/go; do sleep 0.1;"
COMMANDS = {
    # Silent until the file go is there.
    "still": f"{WAITS} done; echo end >> {{0}}/log",
    # The same, and puts something out meanwhile.
    "busy": f"{WAITS} echo tick; done; echo end >> {{0}}/log",
    "stubborn": f"trap '' TERM; {WAITS} done; echo end >> {{0}}/log",
}


class OneAgent:
    """An agent process in place of the fleet: a bus of pipes.

    :ivar is_held_back: orders stay on the bus until it is set to False.
    """

    def __init__(self, configuration: str) -> None:
        self.configuration = configuration
        self.heard: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.is_held_back = False
        self._held: list[str] = []
        self.begin()

    def begin(self) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.fixtures.agent_process",
                self.configuration,
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(
            target=self._read, args=(self.process.stdout,), daemon=True
        )
        self._reader.start()

    def run(self, order: commands.RunStep) -> None:
        self._say("run", order)

    def probe(self, probe: commands.ProbeStep) -> None:
        self._say("probe", probe)

    def stop(self, stop: commands.StopStep) -> None:
        self._say("stop", stop)

    def release(self) -> None:
        """Let what is held back through."""
        self.is_held_back = False
        held, self._held = self._held, []
        for line in held:
            self._write(line)

    def kill(self) -> None:
        """End the agent as nothing can be ended more suddenly; programs stay."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    def _say(self, kind: str, command: Any) -> None:
        line = json.dumps({kind: dataclasses.asdict(command)}) + "\n"
        if self.is_held_back:
            self._held.append(line)
        else:
            self._write(line)

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # nobody listens: the message is lost

    def _read(self, pipe: Any) -> None:
        for line in pipe:
            if line.endswith("\n"):
                ((kind, values),) = json.loads(line).items()
                self.heard.put((kind, values))


class Bed(beds.EngineBed):
    """Takes what the agent said in before each round."""

    def step(self) -> bool:
        time.sleep(0.02)
        beats = []
        while not self.fleet.heard.empty():
            kind, values = self.fleet.heard.get()
            if kind == "report":
                self.reports.append(events.StepReported(**values))
            else:
                values["capabilities"] = tuple(values["capabilities"])
                beats.append(events.AgentBeat(**values))
        with self.database.begin() as connection:
            facts.note_beats(connection, beats, self.database.now(connection))
        return super().step()


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        self.database = beds.database(f"sqlite:///{self.path('e.sqlite')}")
        self.addCleanup(self.database.dispose)
        beds.add_hosts(self.database, 1)
        entries = {
            name: {
                "argv": ["/bin/sh", "-c", text.format(self.folder)],
                "idempotence": "natural",
            }
            for name, text in COMMANDS.items()
        }
        with open(self.path("commands.yaml"), "w", encoding="utf-8") as target:
            yaml.safe_dump(entries, target)
        with open(self.path("agent.conf"), "w", encoding="utf-8") as target:
            target.write(
                f"[agent]\nhost = {HOST}\nstate_path = {self.path('state')}\n"
                f"heartbeat_interval_s = 0.2\nwatched_packages =\n"
                f"allowed_commands = {self.path('commands.yaml')}\n"
            )
        self.agent = OneAgent(self.path("agent.conf"))
        self.addCleanup(self.end)
        self.bed = Bed(
            self.database,
            self.agent,  # type: ignore[arg-type]
            chosen=beds.settings(agent_silent_s=1.5),
        )
        while self.agent.heard.empty():  # it beats as soon as it listens
            time.sleep(0.05)

    def end(self) -> None:
        self.go()
        self.agent.kill()

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def go(self) -> None:
        """Let the command come to its end."""
        with open(self.path("go"), "w", encoding="utf-8"):
            return

    def log(self) -> list[str]:
        if not os.path.exists(self.path("log")):
            return []
        with open(self.path("log"), encoding="utf-8") as source:
            return source.read().split()

    def begin(self, command: str, ladder: Any = HOLD, **step: Any) -> None:
        """Start a campaign of one step, and wait until the command runs."""
        values = {"params": {"command": command}, "timeout_s": 40.0, **step}
        made = beds.step("work", "command.run", "", idempotence="natural", **values)
        self.campaign_id = beds.start_campaign(
            self.bed, beds.rolling_plan(steps=(made,), ladder=ladder)
        )
        self.until(self.log)

    def until(self, is_so: Any) -> None:
        end = time.monotonic() + LIMIT_S
        while not is_so():
            self.assertLess(time.monotonic(), end, self.bed.journal()[-9:])
            self.bed.step()

    def act(self, action: str, **arguments: Any) -> None:
        self.bed.steers.act(self.campaign_id, action, arguments, "op", None)

    def run_until(self, *wanted: str) -> str:
        return self.bed.run_until(wanted, LIMIT_S)

    def row(self) -> dict[str, Any]:
        """Return the only step."""
        (row,) = self.bed.rows(models.step)
        return row

    def told(self) -> list[tuple[str, str]]:
        """Return (state, reason) of everything that waits."""
        teller = explaining.Explaining(self.bed.engine, self.bed.execution.admission)
        found = teller.explain(self.campaign_id)
        return [(each["state"], each["reason"]) for each in found]

    def is_program_alive(self) -> bool:
        with open(self.path("pid"), encoding="utf-8") as source:
            try:
                os.kill(int(source.read()), 0)
            except ProcessLookupError:
                return False
        return True

    def lines(self, to_state: str) -> list[dict[str, Any]]:
        rows = self.bed.rows(models.journal)
        return [row for row in rows if row["to_state"] == to_state]


class TestPause(Case):
    def test_a_step_that_says_so_is_stopped_and_repeated(self) -> None:
        """E-0: on_pause: stop."""
        self.begin("still", on_pause="stop")
        self.act("pause")
        self.assertEqual("paused", self.run_until("paused", "holding"))
        self.assertFalse(self.is_program_alive())
        self.assertEqual(["begin"], self.log())
        self.assertEqual("ready", self.row()["state"])
        self.assertIn(("ready", self.row()["reason"]), self.told())
        self.assertIn("stopped by a pause", self.row()["reason"])
        (line,) = self.lines("stopping")
        self.assertEqual(
            ("op", 1, "work"), (line["actor"], line["fence"], line["name"])
        )
        self.go()
        self.act("resume")
        self.assertEqual("committed", self.run_until("committed", "holding"))
        self.assertEqual(["begin", "begin", "end"], self.log())
        self.assertEqual((2, 2), (self.row()["attempt"], self.row()["fence"]))

    def test_any_other_runs_to_its_end(self) -> None:
        self.begin("still")
        self.act("pause")
        for _ in range(30):
            self.bed.step()
        self.assertEqual("pausing", self.bed.state())
        self.assertTrue(self.is_program_alive())
        self.go()
        self.assertEqual("paused", self.run_until("paused", "holding"))
        self.assertEqual(["begin", "end"], self.log())

    def test_a_paused_host_stops_and_the_campaign_goes_on(self) -> None:
        self.begin("still", on_pause="stop")
        self.act("pause", rack="r9")
        self.assertEqual([], self.lines("stopping"), "it is not of that rack")
        self.act("pause", target=HOST)
        self.until(lambda: self.row()["state"] == "held")
        self.assertFalse(self.is_program_alive())
        self.assertEqual("running", self.bed.state())
        self.go()
        self.act("resume", target=HOST)
        self.assertEqual("committed", self.run_until("committed", "holding"))

    def test_an_agent_that_is_killed_meanwhile_stops_it_when_it_is_back(self) -> None:
        """The mark is on disk before the program is signalled."""
        self.begin("stubborn", on_pause="stop")
        marks = os.path.join(self.path("state"), HOST, "jobs", self.row()["id"])
        self.act("pause")
        self.until(lambda: os.path.exists(os.path.join(marks, "1.ending")))
        self.agent.kill()
        self.assertTrue(self.is_program_alive())
        self.agent.begin()
        self.assertEqual("paused", self.run_until("paused", "holding"))
        self.assertFalse(self.is_program_alive())
        self.assertEqual(["begin"], self.log())
        self.assertEqual("ready", self.row()["state"])


class TestThree(Case):
    """P-4e: hung, lost and late are three things."""

    def test_hung_has_no_progress_though_its_agent_lives(self) -> None:
        self.begin("still", progress_s=1.0)
        self.assertEqual("holding", self.run_until("holding", "committed"))
        self.assertEqual(("hung", "hung"), self.seen())
        self.assertIn("no progress for 1.", self.row()["reason"])
        self.assertIn("its agent lives", self.row()["reason"])
        self.assertFalse(self.is_program_alive())
        self.assertIn(("hung", f"waits: hung: {self.row()['reason']}"), self.told())
        beats = self.bed.rows(models.host)[0]["agent_seen_at"]
        self.assertGreater(beats, self.row()["started_at"], "no heartbeat went on")

    def test_slow_with_progress_is_not_hung(self) -> None:
        self.begin("busy", progress_s=1.0)
        end = time.monotonic() + 3.0
        while time.monotonic() < end:
            self.bed.step()
        self.assertEqual("running", self.row()["state"])
        self.go()
        self.assertEqual("committed", self.run_until("committed", "holding"))

    def test_hung_is_also_an_agent_that_beats_and_says_nothing(self) -> None:
        self.agent.is_held_back = True
        made = beds.step("work", "command.run", timeout_s=0.5)
        self.campaign_id = beds.start_campaign(
            self.bed, beds.rolling_plan(steps=(made,), ladder=(plan.Rung("hold"),))
        )
        self.assertEqual("holding", self.run_until("holding"))
        self.assertEqual(("hung", "hung"), self.seen())
        self.assertIn("lives but says nothing of it", self.row()["reason"])

    def test_lost_is_gone_with_its_agent(self) -> None:
        self.begin("still", timeout_s=8.0)
        self.agent.kill()
        self.assertEqual("holding", self.run_until("holding", "committed"))
        self.assertEqual(("lost", "lost"), self.seen())
        self.assertIn("its agent was last heard of", self.row()["reason"])
        self.assertIn(("lost", f"waits: lost: {self.row()['reason']}"), self.told())

    def test_late_has_an_old_fence_and_changes_nothing(self) -> None:
        """The agent sleeps until its step is ordered anew, and then reports."""
        ladder = (plan.Rung("retry", ("lost",), times=1), plan.Rung("hold"))
        self.begin("still", ladder, timeout_s=8.0)
        self.agent.is_held_back = True
        os.kill(self.agent.process.pid, signal.SIGSTOP)
        self.go()
        self.until(lambda: self.row()["fence"] == 2)
        os.kill(self.agent.process.pid, signal.SIGCONT)
        self.until(lambda: self.lines("late"))
        (line,) = self.lines("late")[:1]
        self.assertEqual(1, line["fence"])
        self.assertIn("its fence 1 is not the present one, 2", line["detail"])
        self.assertEqual(("dispatched", 2), (self.row()["state"], self.row()["fence"]))
        self.assertIn(("late", line["detail"]), self.told())
        self.agent.release()
        self.assertEqual("committed", self.run_until("committed", "holding"))
        self.assertEqual(["begin", "end"], self.log(), "the node knew that it was done")
        self.assertNotIn("late", [state for state, _ in self.told()])

    def seen(self) -> tuple[str, str]:
        return self.row()["state"], self.row()["failure_class"]
