"""One file, several processes, some of them killed."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any

import yaml

from escalator.drivers.vim import simulated
from tests.functional.inspector import vim_process

SEED = 20261121
LIMIT_S = 60.0


class Process:
    """Another process at the VIM; waits until :meth:`begin`."""

    def __init__(self, *argv: str) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", vim_process.__name__, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        assert self._popen.stdout is not None
        assert self._popen.stdout.readline() == "ready\n"

    def begin(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()

    def result(self) -> Any:
        output, _ = self._popen.communicate(timeout=LIMIT_S)
        if self._popen.returncode:
            raise AssertionError(f"exit status {self._popen.returncode}")
        return json.loads(output)

    def kill(self) -> None:
        self._popen.kill()
        self._popen.communicate()


def cloud(hosts: int, on_each: int, capacity: int) -> dict[str, Any]:
    """Return a cloud where the n-th instances of 3 hosts in a row are a group."""
    return {
        "hosts": [{"name": f"h{n:03}", "capacity": capacity} for n in range(hosts)],
        "instances": [
            {
                "id": f"i{host:03}-{n:03}",
                "project": f"p{n % 3}",
                "host": f"h{host:03}",
                "group": f"g{host // 3}-{n}" if n % 2 else "",
            }
            for host in range(hosts)
            for n in range(on_each)
        ],
    }


def crowded() -> dict[str, Any]:
    """Return a cloud with 201 instances on h000; one of them fits on h005 only."""
    hosts = [{"name": f"h{n:03}", "capacity": 300} for n in range(6)]
    crowd = [{"id": f"i{n}", "project": "p", "host": "h000"} for n in range(200)]
    apart = [
        {"id": f"g{n}", "project": "p", "host": f"h{n:03}", "group": "apart"}
        for n in range(5)
    ]
    return {"hosts": hosts, "instances": crowd + apart}


def on(vim: simulated.Simulated, host: str) -> set[str]:
    """Return the ids of the instances on a host."""
    return {each.id for each in vim.list_instances() if each.host == host}


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = os.path.join(folder.name, "vim.sqlite")

    def processes(self, *each: tuple[str, ...]) -> list[Process]:
        made = [Process(verb, self.path, *rest) for verb, *rest in each]
        for process in made:
            self.addCleanup(process.kill)
            process.wait_ready()
        return made


class TestKilledInADrain(Case):
    def test_every_instance_is_on_exactly_one_host(self) -> None:
        """O-0c: kill -9 at any moment; a repeated drain ends what was begun."""
        vim = simulated.Simulated(self.path, cloud(9, 12, 40))
        before = {each.id for each in vim.list_instances()}
        moment = random.Random(SEED)
        for _ in range(8):
            changes = vim.read_changes() + moment.randrange(1, 60)
            (process,) = self.processes(("drain", "h000"))
            process.begin()
            while vim.read_changes() < changes:
                time.sleep(moment.uniform(0, 0.002))
            process.kill()
            listed = vim.list_instances()
            self.assertEqual(len(before), len(listed))
            self.assertEqual(before, {each.id for each in listed})
            self.assertEqual([], vim.invariants())
        self.assertEqual(on(vim, "h000"), set(vim.drain("h000")))
        self.assertEqual(set(), on(vim, "h000"))
        self.assertEqual([], vim.invariants())

    def test_a_repeat_moves_only_what_is_left(self) -> None:
        """kill -9 half-way: the moved stay moved, none is lost or doubled."""
        vim = simulated.Simulated(self.path, crowded())
        before = {each.id for each in vim.list_instances()}
        begun = vim.read_changes()
        (process,) = self.processes(("drain", "h000"))
        process.begin()
        while vim.read_changes() < begun + 20:
            time.sleep(0.0005)
        process.kill()
        left = on(vim, "h000")
        self.assertTrue(0 < len(left) < 201, len(left))
        self.assertEqual(left, set(vim.drain("h000")))
        self.assertEqual(set(), on(vim, "h000"))
        self.assertIn("g0", on(vim, "h005"))
        self.assertEqual(before, {each.id for each in vim.list_instances()})
        self.assertEqual([], vim.invariants())


class TestCordon(Case):
    def test_no_boot_lands_after_the_cordon(self) -> None:
        """O-0d: 100 concurrent boots while the emptiest host is closed."""
        vim = simulated.Simulated(self.path, cloud(4, 90, 1000))
        vim.drain("h000")
        begun = vim.read_changes()
        starts = [("boot", f"b{n}", "25") for n in range(4)]
        processes = self.processes(*starts)
        for process in processes:
            process.begin()
        while vim.read_changes() < begun + 5:
            time.sleep(0.0005)
        vim.set_scheduling("h000", False, "race")
        at_return = on(vim, "h000")
        booted = sum(process.result() for process in processes)
        self.assertEqual(100, booted)
        self.assertTrue(at_return, "nothing would have landed there")
        self.assertLess(len(at_return), 100, "the race was over before the cordon")
        self.assertEqual(at_return, on(vim, "h000"))
        self.assertEqual(460, len(vim.list_instances()))
        self.assertEqual(at_return, set(vim.drain("h000")))
        self.assertEqual(set(), on(vim, "h000"))


class TestMarking(Case):
    def test_two_processes_mark_at_once(self) -> None:
        """DR-5, DR-10: overlapping hosts; every state is restored in the end."""
        vim = simulated.Simulated(self.path, cloud(30, 5, 10))
        before = vim.list_instances()
        names = [each.name for each in vim.list_hosts()]
        processes = self.processes(
            ("mark", "20", *names[:20]), ("mark", "20", *names[10:])
        )
        for process in processes:
            process.begin()
        self.assertEqual([20, 20], [process.result() for process in processes])
        self.assertTrue(all(each.is_forced_down for each in vim.list_hosts()))
        self.assertEqual({"error"}, {each.state for each in vim.list_instances()})
        vim.mark_down(names, False)
        self.assertEqual(before, vim.list_instances())


class TestStart(Case):
    def test_processes_that_start_together_fill_it_once(self) -> None:
        inventory = self.folder / "inventory.yaml"
        inventory.write_text(yaml.safe_dump(cloud(10, 20, 40)))
        for attempt in range(3):
            self.path = str(self.folder / f"vim-{attempt}.sqlite")
            processes = self.processes(*[("create", str(inventory))] * 5)
            for process in processes:
                process.begin()
            self.assertEqual([200] * 5, [process.result() for process in processes])
            self.assertEqual([], simulated.Simulated(self.path).invariants())
