"""Negative controls of the laws on restores and preflights: a breach of each (V-2)."""

import dataclasses
from typing import Any

import sqlalchemy as sa

from escalator.conductor import admission
from escalator.db import models
from escalator.domain import plan
from tests.fixtures import engine as beds
from tests.fixtures import restore_laws, trials
from tests.functional.conductor import test_random_runs

SAVE = beds.step("save", "act", kind="checkpoint", checkpoint="cp", covers=("act",))
STEPS = (
    dataclasses.replace(SAVE, params={"effect": "a/save", "puts_back": []}),
    test_random_runs.change("a", "one"),
    dataclasses.replace(test_random_runs.change("a", "two"), action="write"),
    test_random_runs.change("a", "three"),
)
LADDER = (
    plan.Rung("retry", ("transient",)),
    plan.Rung("compensate", ("verification",)),
    plan.Rung("restore", ("permanent", "verification", "hung")),
    plan.Rung("rollback", scope="campaign"),
)
REMEDY = plan.Remedy("disk", "clean", {"effect": "disk"}, 2.0, "natural")


def with_ladder(*ladder: plan.Rung) -> plan.Plan:
    """Return a plan of one procedure that can be restored."""
    made = test_random_runs.two_steps()
    first = dataclasses.replace(made.procedures[0], steps=STEPS, ladder=ladder)
    return dataclasses.replace(made, procedures=(first,))


class Case(test_random_runs.Case):
    """A campaign that has just begun, and rows that nobody of the engine wrote."""

    made = with_ladder(*LADDER)
    hosts = test_random_runs.HOSTS

    def setUp(self) -> None:
        self.run_of = trials.Run(
            self.database, trials.Trial(self.hosts, self.made, (), (), 0)
        )

    def write(self, *statements: Any) -> None:
        """Write everything in one transaction, as the engine does."""
        with self.database.begin() as connection:
            for each in statements:
                connection.execute(each)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        return self.run_of.beds[0].rows(table)

    def broken(self) -> list[str]:
        """Return what the laws at hand had against it since they were asked."""
        found = [
            each
            for each in self.run_of.oracle.broken
            if each.split(":")[0] in ("restore", "remedy", "left out", "fit")
        ]
        self.run_of.oracle.broken.clear()
        return found

    def assert_seen(self, *texts: str) -> None:
        """Exactly these breaches, by what they begin with or have in them."""
        found = self.broken()
        self.assertEqual(len(texts), len(found), found)
        for text, each in zip(texts, found, strict=True):
            self.assertIn(text, each)


class TestRestores(Case):
    """R-1: h0 has made its third change when the fourth step fails."""

    def setUp(self) -> None:
        super().setUp()
        self.run_of.turn()
        (self.slot,) = [r for r in self.rows(models.slot) if r["host"] == "h0"]
        own = [r for r in self.rows(models.step) if r["slot_id"] == self.slot["id"]]
        self.steps = {row["name"]: row for row in own}
        self.write(
            *(self.step(name, state="done", fence=1) for name in list(self.steps)[:3]),
            self.step("three", state="dispatched", fence=1),
        )
        self.broken()

    def step(self, name: str, **values: Any) -> Any:
        own = models.step.c.id == self.steps[name]["id"]
        return sa.update(models.step).where(own).values(**values)

    def failed(self, failure_class: str = "permanent", **values: Any) -> Any:
        told = {"state": "failed", "failure_class": failure_class, **values}
        return self.step("three", **told)

    def moved(self, state: str) -> Any:
        own = models.slot.c.id == self.slot["id"]
        return sa.update(models.slot).where(own).values(state=state)

    def restore(self, name: str = "restore", **values: Any) -> Any:
        new = {"id": name, "intent": "restore", "seq": 1001, "state": "blocked"}
        new |= {"fence": 0, "lease_until": None}
        return sa.insert(models.step).values(**{**self.steps["save"], **new, **values})

    def undo(self, name: str, **values: Any) -> Any:
        new = {"id": f"undo {name}", "intent": "revert", "seq": 1002, "fence": 0}
        new |= {"state": "blocked", "undo_of": self.steps[name]["id"]}
        new |= {"lease_until": None}
        return sa.insert(models.step).values(**{**self.steps[name], **new, **values})

    def back(self, name: str = "restore", **values: Any) -> Any:
        own = models.step.c.id == name
        return sa.update(models.step).where(own).values(**values)

    def test_a_sound_one(self) -> None:
        """Negative control of the controls: nobody has anything against it."""
        self.write(
            self.failed(), self.moved("undoing"), self.restore(), self.undo("two")
        )
        self.write(self.back(state="dispatched", fence=1))
        reverted = [self.step(each, state="reverted") for each in ("one", "three")]
        self.write(self.back(state="done"), *reverted)
        self.assert_seen()

    def test_nothing_failed(self) -> None:
        self.write(self.moved("undoing"), self.restore(), self.undo("two"))
        self.assert_seen("h0 save: 0 steps have just failed")

    def test_no_rung_answers(self) -> None:
        self.write(self.failed("timeout"), self.restore(), self.undo("two"))
        self.assert_seen("no rung is left for timeout", "rollback comes first")

    def test_the_rung_is_used_up(self) -> None:
        self.write(self.restore("earlier", state="failed"), self.undo("one"))
        self.broken()
        self.write(self.failed(), self.restore(), self.undo("two"))
        self.assert_seen("no rung is left for permanent", "rollback comes first")

    def test_another_rung_comes_first(self) -> None:
        self.write(self.failed("verification"), self.restore(), self.undo("two"))
        self.assert_seen("compensate comes first")

    def test_a_checkpoint_that_was_not_taken(self) -> None:
        self.write(self.step("save", state="superseded"))
        self.write(self.failed(), self.restore(), self.undo("two"))
        self.assert_seen("this checkpoint was not taken")

    def test_a_failure_in_a_rollback(self) -> None:
        self.write(sa.update(models.campaign).values(state="rolling_back"))
        self.write(self.failed(), self.restore(), self.undo("two"))
        self.assert_seen("a step failed in a rollback")

    def test_a_step_in_doubt_that_must_not_be_repeated(self) -> None:
        self.write(
            self.failed("hung", state="hung", idempotence="never"),
            self.restore(),
            self.undo("two"),
        )
        self.assert_seen("nobody knows whether it acted")

    def test_what_is_covered_is_undone_as_well(self) -> None:
        self.write(self.failed(), self.restore(), self.undo("two"), self.undo("one"))
        self.assert_seen("['one'] undone as well")

    def test_what_is_not_covered_is_left(self) -> None:
        self.write(self.failed(), self.restore())
        self.assert_seen("['two'] neither covered nor undone")

    def test_nothing_is_covered(self) -> None:
        self.write(*(self.step(n, fence=0, state="blocked") for n in ("one", "three")))
        self.broken()
        self.write(self.step("two", state="running"))
        broken = {"state": "failed", "failure_class": "permanent"}
        self.write(self.step("two", **broken), self.restore(), self.undo("two"))
        self.assert_seen("nothing that it covers was ever ordered")

    def test_a_host_that_is_in_no_budget_meanwhile(self) -> None:
        self.write(self.failed(), self.restore(), self.undo("two"))
        self.broken()
        self.write(self.back(state="dispatched"), self.moved("done"))
        self.assert_seen("the host is done meanwhile")

    def test_an_undo_meanwhile(self) -> None:
        self.write(
            self.failed(), self.moved("undoing"), self.restore(), self.undo("two")
        )
        self.write(self.undo("one"))
        self.write(self.back(state="dispatched"))
        self.assert_seen("['one'] undone meanwhile")

    def test_two_at_once(self) -> None:
        self.write(
            self.failed(), self.moved("undoing"), self.restore(), self.undo("two")
        )
        self.write(self.restore("second"))
        self.broken()
        self.write(self.back(state="dispatched"))
        self.assert_seen("two at once")

    def test_what_was_put_back_still_counts(self) -> None:
        self.write(
            self.failed(), self.moved("undoing"), self.restore(), self.undo("two")
        )
        self.write(self.back(state="dispatched"))
        self.write(self.back(state="done"), self.step("one", state="reverted"))
        self.assert_seen("['three'] still count as changed")

    def test_a_host_that_is_not_as_it_was(self) -> None:
        for state, text in (
            ("undone", "h0 is undone and carries ['a/one']"),
            ("reverted", "h0 is reverted and carries ['a/one']"),
            ("undoing", ""),
        ):
            self.write(self.moved(state))
            now, carried = self.run_of.oracle.before, {"h0": ["b/one", "a/one"]}
            found = restore_laws.still_changed(now, carried)
            self.assertEqual([text] if text else [], found)
            self.assertEqual([], restore_laws.still_changed(now, {"h0": ["b/one"]}))


class TestPreflights(Case):
    """V-5, V-7: h0 has too little room, and is mended before the start."""

    made = dataclasses.replace(
        with_ladder(*LADDER),
        preflight=plan.Preflight(
            checks={"disk": "remediate"}, min_disk_gib=5, remedies=(REMEDY,)
        ),
    )
    hosts = tuple(
        {**row, "facts": {"disk_free_gib": 1 if row["name"] == "h0" else 50}}
        for row in test_random_runs.HOSTS
    )

    def setUp(self) -> None:
        super().setUp()
        self.run_of.act("start")
        (self.errand,) = self.rows(models.preflight_order)
        self.assertEqual("dispatched", self.errand["state"])
        self.assert_seen()

    def remedy(self, name: str, **values: Any) -> Any:
        new = {**self.errand, "id": name, **values}
        return sa.insert(models.preflight_order).values(**new)

    def ordered(self, **values: Any) -> Any:
        fence = models.preflight_order.c.fence + 1
        return sa.update(models.preflight_order).values(fence=fence, **values)

    def ended(self) -> Any:
        return sa.update(models.preflight_order).values(state="done")

    def slot(self, host: str) -> Any:
        row = admission.slot_row(self.run_of.campaign_id, "a", host, 9)
        return sa.insert(models.slot).values(**row)

    def campaign(self, state: str, reason: str = "") -> Any:
        return sa.update(models.campaign).values(state=state, state_reason=reason)

    def host(self, name: str, **values: Any) -> Any:
        return sa.update(models.host).where(models.host.c.name == name).values(**values)

    def leave_out(self, host: str) -> None:
        own = self.run_of.campaign_id
        finding = {"report_id": "r", "ordinal": 0, "host": host, "code": "disk.low"}
        finding["effect"] = "exclude_and_report"
        report = {"id": "r", "campaign_id": own, "remedies": [], "collected": []}
        self.write(
            sa.insert(models.preflight_report).values(**report, made_at=1.0),
            sa.insert(models.preflight_finding).values(**finding),
            sa.update(models.campaign).values(preflight_id="r"),
        )

    def test_a_sound_one(self) -> None:
        self.run_of.settle()
        self.assertEqual("committed", self.run_of.state())
        self.assertEqual(1, self.run_of.seen["remedies"])
        self.assert_seen()

    def test_twice_on_a_host(self) -> None:
        self.write(self.remedy("again", state="ready", fence=0))
        self.assert_seen("remedy: twice on h0")

    def test_without_a_finding(self) -> None:
        self.write(self.remedy("needless", host="h1", state="ready", fence=0))
        self.assert_seen("h1 is mended without", "h1 is mended and free")

    def test_again_after_its_end(self) -> None:
        self.write(self.ended())
        self.write(self.ordered(state="dispatched"))
        self.assert_seen("h0 is ordered again after its end")

    def test_again_in_doubt(self) -> None:
        """Allowed: its agent was interrupted."""
        self.write(self.ordered())
        self.assert_seen()

    def test_a_host_that_is_worked_on(self) -> None:
        self.write(self.slot("h0"))
        self.broken()
        self.write(self.ordered())
        self.assert_seen("h0 is mended while it is worked on")

    def test_nobody_waits_for_it(self) -> None:
        self.write(sa.delete(models.preflight_wait))
        self.assert_seen("nobody waits for what is asked")

    def test_a_plain_preflight(self) -> None:
        self.write(sa.update(models.preflight_wait).values(verb="preflight"))
        self.assert_seen("a plain preflight mends nothing")

    def test_too_many_at_once(self) -> None:
        """The budget of the rack lets two out."""
        own, low = self.run_of.campaign_id, {"disk_free_gib": 1}
        others = [self.host(n, facts=low, campaign_id=own) for n in ("h1", "h2")]
        self.write(*others, self.remedy("second", host="h1"))
        self.assert_seen()
        self.write(self.remedy("third", host="h2"))
        self.assert_seen("3 at once, 2 may be")

    def test_a_host_that_others_may_take(self) -> None:
        self.write(self.host("h0", campaign_id=None))
        self.assert_seen("h0 is mended and free")

    def test_a_step_meanwhile(self) -> None:
        self.run_of.settle()
        self.write(self.campaign("running"))
        (wait,) = [{"campaign_id": self.run_of.campaign_id, "verb": "gate"}]
        waits = sa.insert(models.preflight_wait)
        self.write(
            waits.values(**wait, arguments={}, actor="", at_once=1, begun_at=0.0),
            self.host("h0", campaign_id=self.run_of.campaign_id, facts={}),
            self.remedy("odd", state="ready", fence=0),
        )
        self.broken()
        steps = models.step.c
        first = (steps.host == "h0") & (steps.name == "save")
        change = sa.update(models.step).where(first).values(fence=steps.fence + 1)
        self.write(change)
        self.assert_seen("h0 save: ordered while it is mended")

    def test_a_host_that_is_left_out_is_begun(self) -> None:
        self.leave_out("h2")
        self.write(self.slot("h2"))
        self.assert_seen("left out: h2 is begun")

    def test_a_host_that_is_left_out_is_not_listed(self) -> None:
        self.leave_out("h2")
        self.write(self.campaign("running"), self.ended())
        self.broken()
        self.write(self.campaign("committed", "all done; not upgraded: h2: full"))
        self.assert_seen()
        self.write(self.campaign("running"))
        self.write(self.campaign("committed", "all targets are done"))
        self.assert_seen("left out: h2 is not listed")

    def test_a_start_on_a_host_that_is_not_well(self) -> None:
        self.write(self.campaign("running", "preflight passed"), self.ended())
        self.assert_seen("fit: the campaign runs although h0 is short of disk")

    def test_a_resume_on_a_host_that_is_not_well(self) -> None:
        self.write(self.campaign("paused"), self.ended())
        self.leave_out("h0")
        self.write(self.campaign("running", "resumed by an operator"))
        self.assert_seen()
        self.write(self.campaign("paused"), sa.delete(models.preflight_finding))
        self.write(self.campaign("running", "resumed by an operator"))
        self.assert_seen("fit: the campaign runs although h0 is short of disk")
