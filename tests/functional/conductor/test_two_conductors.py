"""Two conductors share one campaign's work on MariaDB; one is killed."""

import collections
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from escalator.db import models
from escalator.domain import invariants, plan
from tests.fixtures import engine as beds
from tests.fixtures import mariadb

HOSTS = 30
LIMIT_S = 90
PARALLEL = 6


class TestTwoConductors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = mariadb.MariaDB()
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        name = f"engine_{self._testMethodName}"[:60]
        self.url = self.server.create_database(name)
        self.fleet = os.path.join(folder.name, "fleet.sqlite")
        self.database = beds.database(self.url)
        self.addCleanup(self.database.dispose)
        beds.add_hosts(self.database, HOSTS, racks=5)
        self.bed = beds.EngineBed(self.database, beds.FakeFleet(), "observer")
        beds.start_campaign(self.bed, beds.rolling_plan(parallel=PARALLEL))

    def launch(self, *names):
        """Start conductors that begin to work together."""
        processes = [self.prepare(name) for name in names]
        for process in processes:
            self.assertEqual(b"ready\n", process.stdout.readline())
        for process in processes:
            process.stdin.close()
        return processes

    def prepare(self, name):
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.fixtures.conductor_process"]
            + [self.url, self.fleet, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=pathlib.Path(__file__).parents[3],
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def done(self):
        return sum(row["state"] == "done" for row in self.bed.rows(models.step))

    def await_steps(self, count):
        end = time.monotonic() + LIMIT_S
        while self.done() < count:
            self.assertLess(time.monotonic(), end, self.bed.journal()[-5:])
            time.sleep(0.02)

    def actors(self):
        return {row["actor"] for row in self.bed.rows(models.journal)}

    def await_work_of(self, name, steps):
        """Wait until so much is done and this one had a part in it."""
        self.await_steps(steps)
        end = time.monotonic() + LIMIT_S
        while name not in self.actors():
            self.assertLess(time.monotonic(), end, self.actors())
            time.sleep(0.02)

    def put_to_sleep(self, process):
        """Stop a conductor, but not in the middle of what its agents do."""
        with sqlite3.connect(self.fleet, isolation_level=None, timeout=30) as fleet:
            fleet.execute("BEGIN IMMEDIATE")
            process.send_signal(signal.SIGSTOP)
            fleet.execute("ROLLBACK")

    def check_the_end(self, *living):
        for process in living:
            self.assertEqual(0, process.wait(LIMIT_S))
        self.assertEqual("committed", self.bed.state())
        with sqlite3.connect(self.fleet) as fleet:
            rows = fleet.execute("SELECT host, action, intent FROM outcome").fetchall()
        counts = collections.Counter(rows)
        self.assertEqual(HOSTS * len(beds.ROLLING), len(counts))
        self.assertEqual({1}, set(counts.values()))
        self.assertEqual([], self.bed.rows(models.token_hold))
        self.assertEqual([], self.violations())

    def violations(self):
        entries = [
            invariants.Entry(
                row["seq"], row["host"], row["object_type"], row["to_state"]
            )
            for row in self.bed.rows(models.journal)
        ]
        targets = {
            row["name"]: plan.Target(row["name"], row["role"], row["rack"])
            for row in self.bed.rows(models.host)
        }
        budgets = beds.rolling_plan().budgets
        return invariants.check_journal(entries, budgets, targets)

    def test_both_work_and_one_is_killed(self):
        """Rules 2 to 5: nothing is lost, nothing is done twice."""
        chance = random.Random(20261121)  # noqa: S311
        first, second = self.launch("conductor-1", "conductor-2")
        self.await_work_of("conductor-1", chance.randrange(10, 40))
        first.send_signal(signal.SIGKILL)
        self.await_work_of("conductor-2", chance.randrange(60, 100))
        second.send_signal(signal.SIGKILL)
        (third,) = self.launch("conductor-3")
        self.check_the_end(third)
        self.assertLessEqual(
            {"conductor-1", "conductor-2", "conductor-3"}, self.actors()
        )

    def test_one_that_wakes_up_late_is_refused_by_the_fence(self):
        """A stopped conductor comes back after its leases: all stale."""
        sleeper, other = self.launch("conductor-1", "conductor-2")
        self.await_steps(20)
        self.put_to_sleep(sleeper)
        self.await_steps(HOSTS * len(beds.ROLLING) - 30)
        sleeper.send_signal(signal.SIGCONT)
        self.check_the_end(sleeper, other)
