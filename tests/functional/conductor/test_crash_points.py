"""A conductor is killed at every place where something is written or sent."""

import collections
import datetime
import itertools
import pathlib
import random
import shutil
import sqlite3
import tempfile
import unittest

from escalator.db import models, preflights, work
from escalator.domain import change_window, commands, invariants, plan
from tests.fixtures import crash, folding
from tests.fixtures import engine as beds

HOSTS = 3
BROKEN = "h001"
FAILS = {(BROKEN, "install")}
STRIDE = 3
"""Every so many-th place is tried; the first one changes with the test."""


class Case(unittest.TestCase):
    """One campaign, played as often as a conductor is killed.

    :cvar fails: see ``conductor_process.SharedFleet``.
    """

    hosts = HOSTS
    fails = FAILS

    @classmethod
    def begin(cls, bed):
        """Store the campaign that is played."""
        beds.start_campaign(bed, beds.rolling_plan(parallel=1))

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.fresh = cls.folder / "fresh.sqlite"
        database = beds.database(f"sqlite:///{cls.fresh}")
        beds.add_hosts(database, cls.hosts)
        bed = beds.EngineBed(database, beds.FakeFleet())
        cls.begin(bed)
        database.dispose()
        cls.undisturbed = cls.prepare("undisturbed")
        crash.run(cls.undisturbed, "conductor", crash.Fuse(), cls.fails)

    @classmethod
    def prepare(cls, name):
        """Return a folder with the campaign before its first step."""
        folder = cls.folder / name
        folder.mkdir()
        shutil.copy(cls.fresh, folder / "engine.sqlite")
        return folder

    def play(self, name, *fuses):
        """Let conductors die; the last one lives.  Returns the folder."""
        folder = self.prepare(name)
        for number, fuse in enumerate(fuses):
            passed = crash.run(folder, f"conductor-{number}", fuse, self.fails)
            self.assertIsNone(passed, "nobody was killed")
        crash.run(folder, "conductor-last", crash.Fuse(), self.fails)
        return folder

    def done(self, folder):
        """Return what was done how often, and what was told."""
        with sqlite3.connect(folder / "fleet.sqlite") as fleet:
            rows = fleet.execute("SELECT host, action, intent FROM outcome").fetchall()
            news = fleet.execute("SELECT state FROM news").fetchall()
        return collections.Counter(rows), {state for (state,) in news}

    def check(self, folder):
        url = f"sqlite:///{folder / 'engine.sqlite'}"
        bed = beds.EngineBed(beds.database(url), beds.FakeFleet())
        self.addCleanup(bed.database.dispose)
        self.assertEqual("rolled_back", bed.state())
        self.assertEqual(self.done(self.undisturbed), self.done(folder))
        self.assertEqual([], bed.rows(models.token_hold))
        self.assertEqual([], bed.rows(models.outbox))
        self.assertEqual([], folding.unfolded(bed))
        self.assertEqual([], self.violations(bed))

    def violations(self, bed):
        entries = [
            invariants.Entry(
                row["seq"], row["host"], row["object_type"], row["to_state"]
            )
            for row in bed.rows(models.journal)
        ]
        targets = {
            row["name"]: plan.Target(row["name"], row["role"], row["rack"])
            for row in bed.rows(models.host)
        }
        return invariants.check_journal(entries, beds.rolling_plan().budgets, targets)

    def try_every(self, place, first):
        """Kill at one place after the other, until a run has no more of them.

        How many there are differs a little: some turns look, and find nothing.
        """
        for left in itertools.count(first, STRIDE):
            folder = self.prepare(f"{place} {left}")
            fuse = crash.Fuse(place, left)
            passed = crash.run(folder, "conductor-first", fuse, self.fails)
            with self.subTest(place=place, left=left):
                if passed is None:
                    crash.run(folder, "conductor-last", crash.Fuse(), self.fails)
                self.check(folder)
            if passed is not None:
                break
        self.assertGreater(left, 20, passed)


class TestCrashPoints(Case):
    """Rules 1 to 4 of the engine, and the outbox.

    The second of three hosts fails for good: it is undone and tried again,
    then the procedure rolls back.  So the places lie in steps forward, in a
    compensation and in an unwinding.
    """

    def test_before_a_commit(self):
        """What was decided is forgotten, and decided again."""
        self.try_every(crash.BEFORE_COMMIT, 1)

    def test_between_a_commit_and_its_messages(self):
        """The messages wait in the outbox."""
        self.try_every(crash.AFTER_COMMIT, 2)

    def test_between_a_message_and_its_mark(self):
        """The message is sent again, and refused by the fence."""
        self.try_every(crash.AFTER_DELIVERY, 3)

    def test_again_and_again(self):
        """Those who take over are killed too."""
        chance = random.Random(20261121)  # noqa: S311
        for number in range(10):
            fuses = [
                crash.Fuse(chance.choice(crash.PLACES), chance.randint(1, 8))
                for _ in range(4)
            ]
            with self.subTest([(fuse.place, fuse.left) for fuse in fuses]):
                self.check(self.play(f"again {number}", *fuses))

    def test_the_check_sees_a_repeat(self):
        """A negative control: an action done twice does not pass."""
        folder = self.play("repeated")
        with sqlite3.connect(folder / "fleet.sqlite") as fleet:
            fleet.execute(
                "INSERT INTO outcome SELECT step_id, fence + 99, host, action, intent,"
                " '' FROM outcome WHERE host = ? LIMIT 1",
                (BROKEN,),
            )
        with self.assertRaises(AssertionError):
            self.check(folder)


class TestOpenings(TestCrashPoints):
    """A change window opens, agents and the VIM are asked, and what fails goes back.

    No question is asked twice for a conductor's death (V-3, V-5).
    """

    @classmethod
    def begin(cls, bed):
        now = datetime.datetime.now(datetime.UTC)
        hour = datetime.timedelta(hours=1)
        window = change_window.ChangeWindow(
            "night", start=(now - hour).isoformat(), end=(now + 5 * hour).isoformat()
        )
        drain = beds.step("drain", "vim.drain", executor="vim")
        steps = [drain if each.id == "drain" else each for each in beds.ROLLING]
        made = beds.rolling_plan(
            parallel=1,
            steps=tuple(steps),
            windows=(window,),
            preflight=plan.Preflight(
                checks={"artifacts": "block", "migration": "block"}
            ),
        )
        report = {
            "id": work.new_id(),
            "campaign_id": beds.start_campaign(bed, made),
            "plan_rev": 1,
            "made_at": (now - 2 * hour).timestamp(),
        }
        lists = {"remedies": [], "collected": [], "refusal": ""}
        with bed.database.begin() as connection:
            preflights.store(connection, report | lists, (), ())

    def check(self, folder):
        super().check(folder)
        done, _ = self.done(folder)
        asked = {host: times for (host, _, intent), times in done.items()
                 if intent == commands.ASK}  # fmt: skip
        self.assertEqual({"h000": 2, "h001": 2, "h002": 2}, asked)
