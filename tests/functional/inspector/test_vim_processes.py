"""The simulated VIM between processes: a race of boots, and kill -9."""

import multiprocessing
import os
import tempfile
import time
import unittest
from typing import Any

from escalator.drivers.vim import simulated

SPAWN = multiprocessing.get_context("spawn")
HOSTS = [{"name": f"host-{n:02d}", "capacity": 300} for n in range(1, 7)]
GROUPED = [
    {"id": f"i{n:03d}", "project": "red", "host": "host-01"} for n in range(200)
] + [
    {"id": f"g{n}", "project": "red", "host": host["name"], "group": "apart"}
    for n, host in enumerate(HOSTS[:5])
]


def boot_many(path: str, name: str, go: Any) -> None:
    vim = simulated.Simulated(path)
    go.wait(30)
    for number in range(25):
        vim.boot(f"{name}-{number}", "red")


def drain(path: str) -> None:
    simulated.Simulated(path).drain("host-01")


class Case(unittest.TestCase):
    instances: list[dict[str, Any]] = []

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "vim.sqlite")
        cloud = {"hosts": HOSTS, "instances": self.instances}
        self.vim = simulated.Simulated(self.path, cloud)

    def on(self, host: str) -> set[str]:
        return {e.id for e in self.vim.list_instances() if e.host == host}

    def launch(self, target: Any, *args: Any) -> Any:
        process = SPAWN.Process(target=target, args=(self.path, *args))
        process.start()
        self.addCleanup(process.join, 30)
        self.addCleanup(process.kill)
        return process


class TestRace(Case):
    def test_nothing_lands_once_a_host_is_cordoned(self) -> None:
        """O-0d: 100 boots by four processes while a host is cordoned."""
        go = SPAWN.Event()
        booting = [self.launch(boot_many, f"p{n}", go) for n in range(4)]
        go.set()
        while len(self.vim.list_instances()) < 24:
            time.sleep(0.001)
        self.vim.set_scheduling("host-01", False, "test")
        there, so_far = self.on("host-01"), len(self.vim.list_instances())
        for process in booting:
            process.join(60)
        self.assertEqual(100, len(self.vim.list_instances()))
        self.assertLess(so_far, 100, "the boots were over before the cordon")
        self.assertTrue(there)
        self.assertEqual(there, self.on("host-01"))
        self.vim.drain("host-01")
        self.assertEqual(set(), self.on("host-01"))


class TestKill(Case):
    instances = GROUPED

    def test_a_killed_drain_is_finished_by_a_repeat(self) -> None:
        """kill -9 half-way: the moved stay moved, none is lost or doubled."""
        before = {each.id for each in self.vim.list_instances()}
        start = self.vim.read_changes()
        process = self.launch(drain)
        while self.vim.read_changes() < start + 20:
            time.sleep(0.0005)
        process.kill()
        process.join(30)
        self.assertEqual(-9, process.exitcode, "it had ended before the kill")
        left = self.on("host-01")
        self.assertTrue(0 < len(left) < 201, len(left))
        # The only host free of the group's members is host-06.
        self.assertEqual(left, set(self.vim.drain("host-01")))
        self.assertEqual(set(), self.on("host-01"))
        self.assertEqual(before, {each.id for each in self.vim.list_instances()})
        self.assertEqual([], self.vim.invariants())


if __name__ == "__main__":
    unittest.main()
