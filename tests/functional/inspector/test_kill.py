"""kill -9 of an inspector whose VIM did not mark in time; a real broker."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import uuid
from collections.abc import Iterator
from typing import Any

from escalator.bus import events as bus
from escalator.domain import events
from escalator.drivers.vim import simulated
from tests.fixtures import bus as helpers
from tests.fixtures import rabbit
from tests.functional.inspector import inspector_process

CLOUD = {"hosts": [{"name": f"h{n}"} for n in range(20)], "instances": []}


class TestKill(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "vim.sqlite")
        self.vim = simulated.Simulated(self.path, CLOUD)
        self.conf = helpers.make_conf(rabbit.shared().url)
        self.publisher = bus.EventPublisher(self.conf)
        self.addCleanup(self.publisher.close)
        self.told = helpers.Inbox()
        kinds = (events.HostMarkedDown, events.HostMarkedUp)
        listener = bus.EventListener(
            self.conf, "conductor", dict.fromkeys(kinds, self.told)
        )
        listener.start()
        self.addCleanup(listener.wait, 5.0)
        self.addCleanup(listener.stop)
        self.assertTrue(listener.wait_ready(10.0))

    def launch(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", inspector_process.__name__]
            + [rabbit.shared().url, self.conf.bus.prefix, self.path],
            stdout=subprocess.PIPE,
            cwd=pathlib.Path(__file__).parents[3],
        )
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(b"ready\n", process.stdout.readline())
        return process

    @contextlib.contextmanager
    def dead_vim(self) -> Iterator[None]:
        """Let every change wait, as a VIM that is stuck does; reads go on."""
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")

    def down(self) -> set[str]:
        return {each.name for each in self.vim.list_hosts() if each.is_forced_down}

    def events(self) -> list[Any]:
        return [found.event for batch in self.told.batches for found in batch]

    def test_a_mark_that_was_missing_is_made_up_for_by_the_next(self) -> None:
        """DR-2: the notice is out, the mark is not, the process dies."""
        process = self.launch()
        with self.dead_vim():
            self.publisher.publish(helpers.fault("h1"))
            self.assertTrue(self.told.wait(1))
            self.assertFalse(self.events()[0].impacts[0].is_marked_down)
            process.kill()
            process.wait()
        self.assertEqual(set(), self.down())
        self.launch()
        self.assertTrue(helpers.eventually(lambda: self.down() == {"h1"}))
        self.assertTrue(self.told.wait(2))
        self.assertEqual(1, len(set(self.told.ids)), "the repeat has another id")

    def test_a_mark_that_was_not_undone_is_undone_by_the_next(self) -> None:
        """DR-10: a host that lives does not stay forced down."""
        process = self.launch()
        fact = helpers.fault("h1")
        self.publisher.publish(fact)
        self.assertTrue(helpers.eventually(lambda: self.down() == {"h1"}))
        with self.dead_vim():
            self.publisher.publish(
                events.FaultCleared(str(uuid.uuid4()), fact.faults, 1e9)
            )
            self.assertTrue(self.told.wait(2))
            process.kill()
            process.wait()
        self.assertEqual({"h1"}, self.down())
        self.launch()
        self.assertTrue(helpers.eventually(lambda: not self.down()))

    def test_new_faults_are_told_while_the_vim_is_dead(self) -> None:
        """More facts than prefetch lets through unacknowledged."""
        self.launch()
        with self.dead_vim():
            for number in range(15):
                self.publisher.publish(helpers.fault(f"h{number}"))
            self.assertTrue(self.told.wait(15, 30.0))
        self.assertTrue(helpers.eventually(lambda: len(self.down()) == 15, 20.0))


if __name__ == "__main__":
    unittest.main()
