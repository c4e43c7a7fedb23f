"""R-1: an undo fails, and the target's checkpoint is put back."""

import dataclasses

from escalator.agent import deeds
from escalator.db import models
from escalator.domain import plan, rehearsal
from escalator.drivers import fleet as fleets
from escalator.drivers import loader
from tests.fixtures import crash
from tests.fixtures import engine as beds
from tests.functional.conductor import test_crash_points, test_finish, test_odd_turns

OVER = test_finish.OVER
RESTORE = plan.Rung("restore")
COMPENSATE = plan.Rung("compensate")
ROLLBACK = plan.Rung("rollback", scope="campaign")
WANTED = {"packages": {"demo-service": "2.0"}}
PACKAGES = (
    beds.step(
        "save",
        "package_manifest",
        kind="checkpoint",
        checkpoint="cp",
        covers=("package.install",),
    ),
    beds.step("cordon", "disable", "enable"),
    beds.step("install", "package.install", "package.restore", params=WANTED),
    beds.step("check", "package.verify", kind="verify", params=WANTED),
    beds.step("open", "enable", "vacate"),
)
PACKAGES = tuple(
    dataclasses.replace(
        each, undo=tuple(dataclasses.replace(u, params=each.params) for u in each.undo)
    )
    for each in PACKAGES
)


class AgentFleet(beds.FakeFleet):
    """Agents that carry out their orders on simulated hosts, by the real plugins.

    The VIM's actions, and those that no plugin is installed for, succeed.
    """

    def __init__(self, simulated):
        super().__init__(self.act)
        self.actions = loader.load_classes("escalator.action.simulated")
        self.checkpoints = loader.load_classes("escalator.checkpoint.simulated")
        resources = {"fleet": simulated}
        self.worker = deeds.Deeds(self.actions, self.checkpoints, resources)
        self.results = {}
        self.orders = []

    def act(self, order, times):
        self.orders.append(order)
        is_known = order.action in {*self.actions, *self.checkpoints}
        if order.executor == "vim" or not is_known:
            return None
        try:
            result = self.worker.carry_out(order)
        except Exception as error:
            return ("failed", *deeds.classify(error))
        self.results[order.step_id, order.fence] = result
        return None

    def run(self, order):
        return self.whole(super().run(order))

    def probe(self, probe):
        return self.whole(super().probe(probe))

    def whole(self, report):
        if report is None:
            return None
        result = self.results.get((report.step_id, report.fence), {})
        return dataclasses.replace(report, result=result)


class Case(test_finish.Case):
    """Three hosts, one after the other; the second one is in trouble."""

    def begin_restoring(self, *ladder, **changes):
        self.simulated = fleets.Fleet()
        self.simulated.set_packages("h001", {"demo-service": "1.0", "other": "0.7"})
        self.before = self.manifests()
        values = {"commit": "auto", "steps": PACKAGES, "ladder": ladder}
        values["budgets"] = test_odd_turns.WIDE
        bed = self.begin_usual(parallel=1, **{**values, **changes})
        bed.fleet = AgentFleet(self.simulated)
        return bed

    def manifests(self):
        return {name: self.simulated.packages(name) for name in self.names}

    def fail(self, action, times=1, failure_class="permanent", **more):
        self.simulated.fail(action, "h001", times, failure_class, **more)

    def restores(self):
        rows = self.engine_bed.rows(models.step)
        return [(r["host"], r["state"]) for r in rows if r["intent"] == "restore"]

    def deeds_of(self, host):
        log = self.engine_bed.fleet.log
        return [(intent, action) for each, intent, action in log if each == host]

    def assert_sound(self):
        self.broken.clear()  # The budgets of these campaigns are wide.
        super().assert_sound()


class TestRestore(Case):
    def test_a_failed_undo_is_restored_and_the_host_tried_again(self):
        """R-1: compensation fails, restore, state diff empty, and on it goes."""
        bed = self.begin_restoring(COMPENSATE, RESTORE, plan.Rung("hold"))
        self.fail("package.verify", failure_class="verification")
        self.fail("package.restore", 9)
        seen = []

        def watch():
            if self.restores() == [("h001", "done")] and not seen:
                seen.append(self.manifests()["h001"])

        bed.watch = watch
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual("", rehearsal.differences(self.before["h001"], seen[0]))
        self.assertEqual([("h001", "done")], self.restores())
        back = [each for each in self.deeds_of("h001") if each[0] != "run"]
        self.assertEqual([("restore", "package_manifest"), ("revert", "enable")], back)
        (slot,) = [r for r in bed.rows(models.slot) if r["host"] == "h001"]
        self.assertEqual(("done", 1, 1), _of(slot, "state", "compensations", "reruns"))
        self.assertEqual("2.0", self.manifests()["h001"]["demo-service"])
        self.assert_sound()

    def test_the_order_carries_the_checkpoint_of_this_visit(self):
        """R-1: the second visit's, not that of the first."""
        bed = self.begin_restoring(RESTORE, times_is(COMPENSATE, 2), ROLLBACK)
        self.fail("package.verify", 2, "verification")
        self.assertEqual("committed", bed.run_until(OVER))
        (order,) = [o for o in bed.fleet.orders if o.intent == "restore"]
        self.assertEqual(("checkpoint", "package_manifest"), (order.kind, order.action))
        content = {"packages": self.before["h001"], "sources": None, "holds": []}
        self.assertEqual({"checkpoint": {"cp": content}}, order.undo)
        self.assertEqual(PACKAGES[2].timeout_s, order.timeout_s)

    def test_a_restore_instead_of_an_undo(self):
        """R-1: what the checkpoint does not cover is undone in its turn."""
        late = beds.step("late", "late", kind="verify")
        bed = self.begin_restoring(RESTORE, ROLLBACK, steps=(*PACKAGES, late))
        bed.fleet.program = refuse_once(bed.fleet.act, "h001", "late")
        self.assertEqual("committed", bed.run_until(OVER))
        back = [each for each in self.deeds_of("h001") if each[0] != "run"]
        self.assertEqual(
            [
                ("revert", "vacate"),
                ("restore", "package_manifest"),
                ("revert", "enable"),
            ],
            back,
        )
        self.assert_sound()

    def test_nothing_to_restore_before_the_checkpoint(self):
        """The rung is passed over if nothing that is covered was changed."""
        bed = self.begin_restoring(RESTORE, plan.Rung("hold"))
        bed.fleet.program = refuse_once(bed.fleet.act, "h001", "disable")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual([], self.restores())

    def test_an_undo_that_the_checkpoint_does_not_cover(self):
        """Restoring packages enables no scheduling: the next rung is taken."""
        bed = self.begin_restoring(COMPENSATE, RESTORE, plan.Rung("page"))
        self.fail("package.verify", failure_class="verification")
        bed.fleet.program = refuse_once(bed.fleet.act, "h001", "enable")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertEqual([], self.restores())
        told = [each for each in bed.news if each.to_state == "holding"]
        self.assertEqual(["critical"], [each.severity for each in told])

    def test_the_rung_after_a_restore_that_failed(self):
        """R-1: restored once, and what cannot be restored is told."""
        for rung, state in (
            (plan.Rung("quarantine"), "quarantined"),
            (plan.Rung("quarantine", evacuate=True), "quarantined"),
        ):
            with self.subTest(rung=rung):
                self.setUp()
                bed = self.begin_restoring(COMPENSATE, RESTORE, rung)
                self.fail("package.verify", failure_class="verification")
                self.fail("package.restore")
                self.fail("package_manifest", 0)
                bed.fleet.program = refuse(bed.fleet.act, "restore")
                self.assertEqual("committed", bed.run_until(OVER))
                self.assertEqual([("h001", "failed")], self.restores())
                self.assertEqual(state, self.slots()[("computes", "h001")])
                self.assert_sound()

    def test_a_failed_restore_without_another_rung_asks_a_person(self):
        bed = self.begin_restoring(COMPENSATE, RESTORE, plan.Rung("hold"))
        self.fail("package.verify", failure_class="verification")
        self.fail("package.restore")
        bed.fleet.program = refuse(bed.fleet.act, "restore")
        self.assertEqual("holding", bed.run_until(OVER))
        self.assertIn(
            "restore of save failed: planted", self.campaign()["state_reason"]
        )
        self.assertEqual("undo_failed", self.slots()[("computes", "h001")])

    def test_a_restore_that_leaves_a_difference_has_failed(self):
        """R-1: the checkpoint is taken once more and compared."""
        bed = self.begin_restoring(RESTORE, plan.Rung("hold"))
        self.fail("package.verify", failure_class="verification")
        change, simulated = self.simulated.change, self.simulated

        def half(order, packages):
            return change(order, {**packages, "rest": "1"} if order.undo else packages)

        simulated.change = half
        self.assertEqual("holding", bed.run_until(OVER))
        reason = self.campaign()["state_reason"]
        self.assertIn("packages.rest: '1' was not there", reason)

    def test_a_lock_is_waited_for(self):
        bed = self.begin_restoring(RESTORE, plan.Rung("hold"))
        self.fail("package.verify", failure_class="verification")
        program = bed.fleet.act
        tried = []

        def locked(order, times):
            if order.intent == "restore" and len(tried) < 2:
                tried.append(order.attempt)
                return ("failed", "transient", "lock held")
            return program(order, times)

        bed.fleet.program = locked
        self.assertEqual("committed", bed.run_until(OVER))
        self.assertEqual([1, 2], tried)
        self.assertEqual([("h001", "done")], self.restores())


class TestOnTheWayBack(Case):
    def test_a_rollback_restores_what_it_cannot_undo(self):
        """R-1: the state before, on every host."""
        bed = self.begin_restoring(RESTORE, ROLLBACK, commit="manual")
        bed.run_until(["completed", *OVER])
        self.fail("package.restore", 9)
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual([("h001", "done")], self.restores())
        self.assertEqual(self.before, self.manifests())
        back = [each for each in self.deeds_of("h001") if each[0] != "run"]
        self.assertEqual(
            [
                ("revert", "vacate"),
                ("restore", "package_manifest"),
                ("revert", "enable"),
            ],
            back,
        )
        self.assert_sound()

    def test_each_round_counts_for_itself(self):
        """Forward again after a rollback: the rung is not used up."""
        bed = self.begin_restoring(RESTORE, ROLLBACK, commit="manual")
        self.fail("package.restore", 9)
        for count in (1, 2):
            bed.run_until(["completed", *OVER])
            self.act("rollback")
            self.assertEqual("rolled_back", bed.run_until(OVER))
            self.assertEqual(self.before, self.manifests())
            self.assertEqual(count, len(self.restores()))
            self.act("start")
        self.assertEqual("completed", bed.run_until(["completed", *OVER]))

    def test_a_second_rollback_tries_again_what_failed(self):
        bed = self.begin_restoring(RESTORE, ROLLBACK, commit="manual")
        bed.run_until(["completed", *OVER])
        self.fail("package.restore", 9)
        program = bed.fleet.act
        bed.fleet.program = refuse(program, "restore")
        self.act("rollback")
        self.assertEqual("failed", bed.run_until(OVER))
        self.assertEqual("undo_failed", self.slots()[("computes", "h001")])
        bed.fleet.program = program
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual(self.before, self.manifests())
        self.assertEqual(["done", "superseded"], sorted(s for _, s in self.restores()))
        self.assert_sound()

    def test_a_rollback_waits_for_a_restore(self):
        bed = self.begin_restoring(RESTORE, ROLLBACK)
        self.fail("package.verify", failure_class="verification")
        program = bed.fleet.act
        bed.fleet.program = lambda order, times: (
            ("silent", "", "") if order.intent == "restore" else program(order, times)
        )
        while not self.restores():
            bed.step()
        self.act("rollback")
        self.steps()
        self.assertEqual("rolling_back", bed.state())
        bed.fleet.program = program
        self.assertEqual("rolled_back", bed.run_until(OVER))
        self.assertEqual([("h001", "done")], self.restores())
        self.assertEqual(self.before, self.manifests())
        self.assert_sound()

    def test_a_held_campaign_does_not_undo_anew_what_was_restored(self):
        """An undo that failed once is not ordered again when it is resumed."""
        bed = self.begin_restoring(COMPENSATE, RESTORE, plan.Rung("hold"))
        self.fail("package.verify", 2, "verification")
        self.fail("package.restore", 9)
        self.assertEqual("holding", bed.run_until(OVER))
        count = len(bed.fleet.orders)
        self.act("resume")
        self.assertEqual("committed", bed.run_until(OVER))
        later = {order.intent for order in bed.fleet.orders[count:]}
        self.assertEqual({"run"}, later)
        self.assert_sound()


class TestCrashPoints(test_crash_points.Case):
    """R-1: a conductor is killed at every place of a restore, nothing happens twice.

    The undo of a host's install fails, in a compensation and in the rollback.
    """

    hosts = 2
    fails = {
        (test_crash_points.BROKEN, "install"),
        (test_crash_points.BROKEN, "restore", "revert"),
    }

    @classmethod
    def begin(cls, bed):
        ladder = (COMPENSATE, RESTORE, ROLLBACK)
        beds.start_campaign(bed, beds.rolling_plan(parallel=1, ladder=ladder))

    def test_it_is_restored_twice(self):
        done, _ = self.done(self.undisturbed)
        restored = (test_crash_points.BROKEN, "manifest", "restore")
        self.assertEqual(2, done[restored])
        self.check(self.undisturbed)

    def test_before_a_commit(self):
        self.try_every(crash.BEFORE_COMMIT, 2)

    def test_between_a_commit_and_its_messages(self):
        self.try_every(crash.AFTER_COMMIT, 3)

    def test_between_a_message_and_its_mark(self):
        self.try_every(crash.AFTER_DELIVERY, 1)


def times_is(rung, times):
    return dataclasses.replace(rung, times=times)


def refuse(program, intent):
    """Return the program with every order of that intent refused."""
    refused = ("failed", "permanent", "planted")
    return lambda order, times: (
        refused if order.intent == intent else program(order, times)
    )


def refuse_once(program, host, action):
    """Return the program with an action refused on a host, the first time."""
    failed = []

    def changed(order, times):
        if (order.host, order.action) == (host, action) and not failed:
            failed.append(order)
            return ("failed", "permanent", "planted")
        return program(order, times)

    return changed


def _of(row, *names):
    return tuple(row[name] for name in names)
