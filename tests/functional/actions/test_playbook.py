"""Playbooks run by a real ansible-runner."""

import dataclasses
import os
import shutil
import sys
import threading
import unittest
from typing import Any

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import playbook
from tests.fixtures import action_bed
from tests.unit.drivers import contract_action

NOTE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: note the word
      ansible.builtin.shell: "echo {{ word }} >> {{ log }}"
"""
FORGET = NOTE.replace("{{ word }} >>", "nothing >>")
BROKEN = """
- hosts: all
  gather_facts: false
  tasks:
    - name: give up
      ansible.builtin.fail: {msg: there is no disk}
"""
SLOW = """
- hosts: all
  gather_facts: false
  tasks:
    - name: a quick one
      ansible.builtin.debug: {msg: hello}
    - name: a slow one
      ansible.builtin.wait_for: {path: "{{ gate }}", sleep: 1, timeout: 60}
"""


def missing() -> str:
    near = os.path.join(os.path.dirname(sys.executable), "ansible-runner")
    is_there = os.path.exists(near) or shutil.which("ansible-runner")
    return "" if is_there else "ansible-runner is not installed: escalator[playbook]"


@unittest.skipIf(missing(), missing())
class Bench(action_bed.ActionBed):
    SECRET = "opensesame"

    def setUp(self) -> None:
        super().setUp()
        os.mkdir(self.path("playbooks"))
        for name, text in (
            ("note", NOTE),
            ("forget", FORGET),
            ("broken", BROKEN),
            ("slow", SLOW),
        ):
            self.write(f"playbooks/{name}.yml", text)
        self.grant(playbooks=self.path("playbooks"))
        self.write("log", "nothing\n")
        self.order = dataclasses.replace(self.plays("note"), timeout_s=120.0)

    def plays(self, name: str, **params: Any) -> commands.RunStep:
        variables = {
            "word": "hello",
            "log": self.path("log"),
            "gate": self.path("gate"),
            "unused": self.SECRET,
        }
        known = {
            "playbook": f"{name}.yml",
            "undo_playbook": "forget.yml",
            "variables": variables,
        }
        return self.with_params(**{**known, **params})

    def make_action(self) -> base.Action:
        return playbook.Run(self.resources)

    def make_undo(self) -> base.Action | None:
        return playbook.Undo(self.resources)

    def make_hopeless_order(self) -> commands.RunStep:
        return dataclasses.replace(
            self.plays("broken"), step_id="hopeless", timeout_s=120.0
        )

    def words(self) -> list[str]:
        return self.read("log").split()

    def count_changes(self) -> int:
        return len(self.words())

    def read_target(self) -> Any:
        return self.words()[-1]


class TestPlaybook(Bench, contract_action.ActionContract):
    def test_what_it_did_is_counted(self) -> None:
        result = self.make_action().run(self.order)
        wanted = {"playbook": "note.yml", "ok": 1, "changed": 1, "failures": 0}
        self.assertEqual(wanted, result)

    def test_the_variables_do_not_stay(self) -> None:
        self.make_action().run(self.order)
        self.refused(self.make_action(), self.make_hopeless_order())
        for room in ("kept", "jobs"):
            for folder, _, names in os.walk(self.path(room)):
                for name in names:
                    with open(os.path.join(folder, name), "rb") as source:
                        self.assertNotIn(self.SECRET.encode(), source.read(), name)

    def test_a_failed_task_is_named(self) -> None:
        error = self.refused(self.make_action(), self.plays("broken"))
        self.assertEqual("permanent", error.failure_class)
        self.assertIn("give up: there is no disk", str(error))
        self.assertEqual(1, error.result["failures"])


class TestProgress(Bench):
    def test_tasks_are_told_and_a_run_under_way_is_collected(self) -> None:
        """As by the agent's next process: the playbook runs once."""
        order = dataclasses.replace(self.plays("slow"), timeout_s=120.0)
        results: list[dict[str, Any]] = []

        def act() -> None:
            results.append(self.make_action().run(order))

        both = [threading.Thread(target=act) for _ in range(2)]
        both[0].start()
        self.wait_for(lambda: self.told, "the first look")
        both[1].start()
        self.wait_for(lambda: self.told[-1]["task"] == "a slow one", "the second task")
        self.assertEqual((1, "tasks"), (self.told[-1]["done"], self.told[-1]["unit"]))
        self.write("gate", "")
        for thread in both:
            thread.join(60)
        self.assertEqual(2, len(results))
        self.assertEqual(results[0], results[1])


class TestLimits(Bench):
    def test_only_what_is_in_the_directory(self) -> None:
        os.symlink("/etc", self.path("playbooks", "out"))
        for name in ("none", "out/passwd"):
            error = self.refused(self.make_action(), self.plays(name))
            self.assertIn("No playbook", str(error))
        self.grant(playbooks="")
        error = self.refused(self.make_action(), self.order)
        self.assertIn("playbook_path", str(error))
