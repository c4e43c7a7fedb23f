"""A campaign holds what scales, upgrades, and gives it back as it was (S-7).

The conductor on a real SQLite database; the VIM's agent carries out the real actions,
on the simulated VIM.
"""

import collections
import dataclasses
import os
import pathlib
import shutil
import signal
import sqlite3
import traceback
import uuid

import sqlalchemy as sa

from escalator.agent import deeds
from escalator.conductor import steering
from escalator.db import models
from escalator.domain import plan
from escalator.drivers.action import scaling as actions
from escalator.drivers.vim import simulated
from tests.fixtures import crash
from tests.fixtures import engine as beds
from tests.functional.conductor import test_engine

ACTIONS = {"scaling.hold": actions.Hold, "scaling.release": actions.Release}
UNDO = {"scaling.hold": "scaling.release", "scaling.release": "scaling.hold"}
OVER = ("committed", "rolled_back", "failed", "holding")
CLOUD = {
    "hosts": [{"name": "h000", "capacity": 99}],
    "scaling": [
        {"name": "on", "project": "red"},
        {"name": "off", "project": "red", "enabled": False},
        {"name": "on too", "project": "blue"},
    ],
}
LADDER = (
    plan.Rung("retry", ("transient",), times=2, backoff_s=0.01),
    plan.Rung("rollback", scope="campaign"),
)
ACTED = "acted"
"""A place where a process may be killed: the VIM has changed, nobody knows it."""


class Fleet(beds.FakeFleet):
    """Its VIM agent acts on a VIM; while the others act, load fires every policy.

    :ivar scaled: (action, intent) that was under way -> how often something scaled up.
    """

    def __init__(self, vim, program=None, fuse=lambda place: None):
        super().__init__(self.watched)
        self.vim = vim
        self.inner = program or (lambda order, times: None)
        self.fuse = fuse
        self.scaled = collections.Counter()
        self.worker = deeds.Deeds(ACTIONS, {}, {"vim": vim})

    def watched(self, order, times):
        if order.action in ("install", "restore"):
            for each in self.vim.scaling.triggers():
                is_up = bool(self.vim.scaling.fire(each.name))
                self.scaled[order.action, order.intent] += is_up
        return self.inner(order, times)

    def run(self, order):
        key = (order.step_id, order.fence)
        is_known = key in self.outcomes
        report = super().run(order)
        is_due = order.executor == "vim" and report and report.outcome == "done"
        if is_due and not is_known:
            try:
                values = {"result": self.worker.carry_out(order)}
            except Exception as error:
                kind, detail = deeds.classify(error)
                values = {
                    "outcome": "failed",
                    "failure_class": kind,
                    "detail": detail,
                }
            self.fuse(ACTED)
            self.outcomes[key] = dataclasses.replace(report, **values)
        return self.outcomes.get(key, report)


def step(name, action):
    made = beds.step(name, action, "x", executor="vim", idempotence="natural")
    return dataclasses.replace(made, undo=(plan.Undo(UNDO[action], "vim", {}),))


def held_plan(**changes):
    """Return the usual plan between a hold and a release."""
    usual = beds.rolling_plan(parallel=2, ladder=LADDER, **changes)
    (computes,) = usual.procedures
    first, last = (
        dataclasses.replace(
            computes,
            id=name,
            level=level,
            selector="one",
            parallel=1,
            budgets=(),
            steps=(step(name, f"scaling.{name}"),),
        )
        for name, level in (("hold", 0), ("release", 20))
    )
    one = plan.Selector("one", (plan.Condition("role", ("controller",)),), ())
    return dataclasses.replace(
        usual,
        selectors=(*usual.selectors, one),
        procedures=(first, computes, last),
    )


def fails(order, times):
    """Let the second host fail for good."""
    if (order.host, order.action, order.intent) == ("h001", "install", "run"):
        return ("failed", "permanent", "planted")
    return None


class Case(test_engine.Case):
    hosts = 3

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.database.engine.url.database).parent
        with self.database.begin() as connection:
            row = connection.execute(sa.select(models.host)).mappings().first()
            lead = {**row, "name": "lead", "role": "controller", "server_groups": []}
            connection.execute(sa.insert(models.host).values(**lead))
        self.vim = simulated.Simulated(str(self.folder / "vim.sqlite"), CLOUD)

    def policies(self, vim=None):
        rows = (vim or self.vim)._storage.read("SELECT * FROM scaling ORDER BY name")
        return [tuple(row) for row in rows]

    def begin(self, program=None, made=None):
        self.engine_bed = self.bed(program)
        self.engine_bed.fleet = Fleet(self.vim, program)
        self.campaign_id = beds.start_campaign(self.engine_bed, made or held_plan())
        self.before = self.policies()
        return self.engine_bed

    def act(self, action, **arguments):
        bed = self.engine_bed
        steers = steering.Steering(bed.engine, bed.execution)
        steers.act(self.campaign_id, action, arguments, "op", None)

    def done(self):
        """Return what was done in order, the same of several hosts once."""
        log = [(i, a) for _, i, a in self.engine_bed.fleet.log]
        wanted = ("scaling.hold", "scaling.release", "install", "restore")
        found = [each for each in log if each[1] in wanted]
        return [e for n, e in enumerate(found) if n == 0 or found[n - 1] != e]


class TestCampaign(Case):
    def test_held_upgraded_and_released(self):
        """S-7: nothing scales up meanwhile, and everything is as it was."""
        bed = self.begin()
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual(
            [("run", "scaling.hold"), ("run", "install"), ("run", "scaling.release")],
            self.done(),
        )
        self.assertEqual({("install", "run"): 0}, dict(bed.fleet.scaled))
        self.assertEqual(self.before, self.policies())
        self.assertEqual([], self.vim.list_instances())
        self.assertEqual("h000", self.vim.scaling.fire("on"))

    def test_results_are_kept_for_people(self):
        bed = self.begin()
        bed.run_until(OVER)
        results = {row["name"]: row["result"] for row in bed.rows(models.step)}
        self.assertEqual(["on", "on too"], results["hold"]["held"])
        self.assertEqual(["off"], results["hold"]["disabled_before"])
        self.assertEqual(["on", "on too"], results["release"]["released"])

    def test_without_the_hold_it_scales_up(self):
        """A negative control: load does add instances to what is upgraded."""
        bed = self.begin(made=beds.rolling_plan(parallel=2, ladder=LADDER))
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual({("install", "run"): 6}, dict(bed.fleet.scaled))
        self.assertEqual(6, len(self.vim.list_instances()))

    def test_a_failure_rolls_back_under_the_hold_and_releases(self):
        """S-7, R-2: the undo of the hold comes last."""
        bed = self.begin(fails)
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual(("revert", "scaling.release"), self.done()[-1])
        self.assertEqual({0}, set(bed.fleet.scaled.values()))
        self.assertIn(("restore", "revert"), bed.fleet.scaled)
        self.assertEqual(self.before, self.policies())

    def test_a_rollback_after_the_success_holds_again(self):
        """S-7: it goes back under a hold as it went there, and ends without one."""
        bed = self.begin(made=held_plan(commit="manual"))
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))
        self.assertEqual(self.before, self.policies())
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual(
            [
                ("run", "scaling.hold"),
                ("run", "install"),
                ("run", "scaling.release"),
                ("revert", "scaling.hold"),
                ("revert", "restore"),
                ("revert", "scaling.release"),
            ],
            self.done(),
        )
        self.assertEqual({0}, set(bed.fleet.scaled.values()))
        self.assertEqual(self.before, self.policies())

    def test_an_owner_who_enables_meanwhile(self):
        def program(order, times):
            if order.action == "install" and order.host == "h002":
                self.vim.scaling.set_enabled("on", True)

        bed = self.begin(program)
        bed.run_until(OVER)
        results = {row["name"]: row["result"] for row in bed.rows(models.step)}
        self.assertEqual(["on"], results["release"]["enabled_meanwhile"])
        self.assertEqual(self.before, self.policies())


class TestLeftHeld(Case):
    """A campaign that ends without its release says so."""

    def reason(self):
        (campaign,) = self.engine_bed.rows(models.campaign)
        return campaign["state_reason"]

    def cancel_when(self, is_time):
        """Pause when it is time, and cancel; returns why the campaign ended."""
        bed = self.begin()
        while not is_time():
            bed.step()
        self.act("pause")
        bed.run_until(["paused"])
        while any(row["state"] == "active" for row in bed.rows(models.slot)):
            self.act("resume")
            bed.step()
            self.act("pause")
            bed.run_until(["paused"])
        self.act("cancel")
        self.assertEqual("cancelled", bed.state())
        return self.reason()

    def test_before_the_hold(self):
        self.assertEqual("cancelled by an operator", self.cancel_when(lambda: True))

    def test_under_the_hold(self):
        """S-7: the one who cancels reads what is left to be done, and it works."""
        reason = self.cancel_when(lambda: ("run", "install") in self.done())
        self.assertIn("scaling stays held", reason)
        self.assertEqual("", self.vim.scaling.fire("on"))
        holder = reason.rpartition(" ")[2]
        self.vim.scaling.release(holder, 30.0)
        self.assertEqual(self.before, self.policies())

    def test_a_release_that_is_skipped(self):
        bed = self.begin()
        while ("run", "install") not in self.done():
            bed.step()
        self.act("change", skip=["lead"])
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertIn("scaling stays held", self.reason())

    def test_a_release_that_is_done(self):
        self.assertEqual("committed", self.begin().run_until(OVER))
        self.assertNotIn("held", self.reason())


class TestTwoCampaigns(Case):
    def test_the_other_one_still_holds(self):
        """S-7: whoever else holds it keeps it held."""
        other = str(uuid.uuid4())
        bed = self.begin()
        self.vim.scaling.hold(other, "theirs", 30.0)
        bed.run_until(OVER)
        results = {row["name"]: row["result"] for row in bed.rows(models.step)}
        self.assertEqual(["on", "on too"], results["release"]["still_held"])
        self.assertEqual("", self.vim.scaling.fire("on"))
        self.vim.scaling.release(other, 30.0)
        self.assertEqual(self.before, self.policies())


class TestKill(Case):
    """kill -9 of conductor and VIM agent; the next ones know what was stored only."""

    PLACES = (
        (ACTED, (1, 2)),
        (crash.BEFORE_COMMIT, range(2, 36, 9)),
        (crash.AFTER_COMMIT, range(3, 36, 9)),
    )

    def live(self, folder, program, fuse):
        """Work to the end in a process of its own; True if it was killed."""
        pid = os.fork()
        if not pid:
            status = 1
            try:
                vim = simulated.Simulated(str(folder / "vim.sqlite"))
                quick = beds.settings(
                    lease_s=0.15, probe_interval_s=0.05, outbox_retry_s=0.1
                )
                url = f"sqlite:///{folder / 'e.sqlite'}"
                bed = beds.EngineBed(
                    crash.MortalDatabase(url, fuse),
                    Fleet(vim, program, fuse),
                    str(os.getpid()),
                    quick,
                )
                bed.run_until(OVER)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return True
        self.assertEqual(0, status)
        return False

    def played(self, name, program, place, number):
        """Return folder and whether somebody was killed there."""
        folder = self.folder / name
        folder.mkdir()
        for file in ("e.sqlite", "vim.sqlite"):
            with (
                sqlite3.connect(self.folder / file) as source,
                sqlite3.connect(folder / file) as copied,
            ):
                source.backup(copied)
        was_killed = self.live(folder, program, crash.Fuse(place, number))
        if was_killed:
            self.live(folder, program, crash.Fuse())
        return folder, was_killed

    def check(self, program, wanted):
        before = self.policies()
        for place, numbers in self.PLACES:
            for number in numbers:
                with self.subTest(place=place, number=number):
                    name = f"{place} {number}"
                    folder, was_killed = self.played(name, program, place, number)
                    self.assertTrue(was_killed)
                    vim = simulated.Simulated(str(folder / "vim.sqlite"))
                    self.assertEqual(before, self.policies(vim))
                    self.assertEqual([], vim.list_instances())
                    with sqlite3.connect(folder / "e.sqlite") as database:
                        (state,) = database.execute(
                            "SELECT state FROM campaign"
                        ).fetchone()
                    self.assertEqual(wanted, state)
                shutil.rmtree(folder)

    def test_on_the_way_there(self):
        """S-7: at the hold, in between, at the release."""
        beds.start_campaign(self.bed(), held_plan())
        self.check(None, "committed")

    def test_on_the_way_back(self):
        """S-7: the release that undoes the hold, too."""
        beds.start_campaign(self.bed(), held_plan())
        self.check(fails, "rolled_back")
