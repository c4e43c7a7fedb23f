"""A preflight's question to an agent: every action of the plan, one answer (V-3)."""

import os
import tempfile
import unittest
from typing import Any

from escalator import errors
from escalator.agent import deeds
from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers.action import http, package, vim
from escalator.drivers.vim import simulated
from tests.fixtures import debian, orders

ACTIONS = {
    "package.install": package.Install,
    "http.verify": http.Verify,
    "vim.drain": vim.Drain,
}


class InquiryTest(unittest.TestCase):
    def setUp(self) -> None:
        self.node = debian.FakeNode()
        resources = {"jobs": self.node, "apt_sources": "/nowhere/escalator.list"}
        self.worker = deeds.Deeds(ACTIONS, {}, resources, lambda: {"disk_free_gib": 7})

    def ask(self, *wanted: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        asked = [{"action": action, "with": params} for action, params in wanted]
        order = orders.make_order(
            kind=commands.ASK, intent=commands.ASK, action="", params={"deeds": asked}
        )
        return self.worker.carry_out(order)

    def test_every_action_is_asked_by_itself(self) -> None:
        """Each has jobs of its own: the second gets no answer of the first."""
        answer = self.ask(
            ("package.install", {"packages": {"demo-service": "2.0"}}),
            ("package.install", {"packages": {"libdemo": "3.0"}}),
        )
        (told,) = answer["obstacles"]
        self.assertIn("package.install: E: Version '3.0' for 'libdemo'", told)
        self.assertEqual({"disk_free_gib": 7}, answer["facts"])
        self.assertEqual(
            ["ask-0-simulate", "ask-1-simulate"],
            [name for name in self.node.names() if name.endswith("simulate")],
        )
        self.assertEqual(0, self.node.changes)

    def test_what_comes_before_it_counts_unless_that_cannot_be_done(self) -> None:
        """V-3: one install may bring what the next one needs."""
        self.ask(
            ("package.install", {"packages": {"libdemo": "2.0"}}),
            ("package.install", {"packages": {"demo-extra": "9.0"}}),
            ("package.install", {"packages": {"demo-service": "2.0"}}),
        )
        wanted = [
            [word for word in argv if "=2.0" in word or "=9.0" in word]
            for name, argv in self.node.calls
            if name.endswith("simulate")
        ]
        self.assertEqual(
            [
                ["libdemo=2.0"],
                ["demo-extra=9.0", "libdemo=2.0"],
                ["demo-service=2.0", "libdemo=2.0"],
            ],
            wanted,
        )

    def test_what_comes_before_may_remove_what_is_in_its_way(self) -> None:
        self.ask(
            (
                "package.install",
                {"packages": {"libdemo": "2.0"}, "may_remove": True},
            ),
            ("package.install", {"packages": {"demo-service": "2.0"}}),
        )
        self.assertNotIn("--no-remove", self.node.argv("ask-1-simulate"))

    def test_what_does_not_belong_to_this_agent_is_passed_over(self) -> None:
        answer = self.ask(("unit.enable", {}), ("vim.drain", {}))
        self.assertEqual([], answer["obstacles"])
        self.assertEqual([], self.node.calls)

    def test_an_agent_of_the_vim_is_asked_about_drains(self) -> None:
        """V-3: by the VIM; and nothing of its own host is told."""
        with tempfile.TemporaryDirectory() as folder:
            cloud = {
                "hosts": [{"name": "node-1"}, {"name": "node-2", "capacity": 1}],
                "instances": [
                    {"id": i, "project": "red", "host": "node-1"} for i in ("i1", "i2")
                ],
            }
            path = os.path.join(folder, "vim.sqlite")
            resources = {"vim": simulated.Simulated(path, cloud)}
            worker = deeds.Deeds(ACTIONS, {}, resources, lambda: {"disk_free_gib": 7})
            asked = [{"action": "vim.drain", "with": {}}]
            order = orders.make_order(
                executor="vim",
                kind=commands.ASK,
                intent=commands.ASK,
                action="",
                params={"deeds": asked},
            )
            answer = worker.carry_out(order)
        told = "vim.drain: instance i2 fits on no other host"
        self.assertEqual({"facts": {}, "obstacles": [told]}, answer)

    def test_parameters_that_it_refuses_are_told(self) -> None:
        (told,) = self.ask(("package.install", {"packages": {"-o": "1"}}))["obstacles"]
        self.assertIn("package.install: parameter $.packages", told)
        self.assertEqual([], self.node.calls)

    def test_one_that_cannot_tell_fails_the_answer(self) -> None:
        self.node.answers["ask-0-update"] = (100, "E: Failed to fetch http://repo")
        with self.assertRaises(errors.ActionFailed) as caught:
            self.ask(("package.install", {"packages": {"demo-service": "2.0"}}))
        self.assertEqual("transient", caught.exception.failure_class)

    def test_facts_alone(self) -> None:
        answer = self.ask()
        self.assertEqual({"facts": {"disk_free_gib": 7}, "obstacles": []}, answer)

    def test_figures_are_collected_if_they_are_asked_for(self) -> None:
        """V-6: several collectors of a kind; one that fails does not hide others."""
        kinds = {
            "b": collector("statistics", {"load": 1}),
            "c": collector("statistics", {"heat": 50}),
            "d": collector("logs", {"errors": 3}),
            "e": collector("logs", None),
        }
        worker = deeds.Deeds({}, {}, {}, dict, kinds)
        order = orders.make_order(
            kind=commands.ASK,
            intent=commands.ASK,
            action="",
            params={"collect": ["statistics", "logs", "dreams"]},
        )
        self.assertEqual(
            {
                "statistics": {"figures": {"load": 1, "heat": 50}, "trouble": ""},
                "logs": {"figures": {"errors": 3}, "trouble": "read failed: away"},
                "dreams": {"figures": {}, "trouble": ""},
            },
            worker.carry_out(order)["collected"],
        )


def collector(name: str, told: dict[str, float] | None) -> type[base.Collector]:
    class Collector(base.Collector):
        kind = name

        def collect(self, timeout_s: float) -> dict[str, float]:
            if told is None:
                raise errors.ActionFailed(action="read", reason="away")
            return told

    return Collector
