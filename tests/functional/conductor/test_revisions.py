"""A campaign changes while it runs: revisions, approvals, limits (P-4a, E-0)."""

from escalator import errors
from escalator.db import models, store
from escalator.domain import plan
from escalator.objects import base as objects_base
from escalator.objects.revision import PlanRevisionList
from tests.fixtures import engine as beds
from tests.functional.conductor import test_odd_turns, test_planning


class Case(test_odd_turns.Case):
    hosts = 10

    def add(self, *names, **values):
        with self.database.begin() as connection:
            table = models.host
            query = table.select().where(table.c.name == "h000")
            like = dict(connection.execute(query).mappings().one())
            for name in names:
                row = {**like, "server_groups": [], "campaign_id": None, **values}
                connection.execute(table.insert().values({**row, "name": name}))

    def campaign(self):
        (row,) = self.engine_bed.rows(models.campaign)
        return row

    def revisions(self):
        return self.engine_bed.rows(models.plan_rev)

    def worked(self):
        return {host for host, _, _ in self.engine_bed.fleet.log}


class TestDrift(Case):
    def test_a_few_hosts_pass_many_are_asked_about(self):
        """P-4a: 10% of ten hosts is one; the second in a row asks."""
        bed = self.begin(on_drift=plan.DriftPolicy(approve_percent=10.0))
        bed.step()
        self.add("h100")
        self.steps(3)
        self.assertEqual("running", bed.state())
        self.change_host("h009", is_listed=False)
        self.steps(6)
        self.assertEqual("holding", bed.state())
        reason = self.campaign()["state_reason"]
        self.assertIn("1 hosts joined and 1 left", reason)
        self.assertIn("approve --revision 3", reason)
        done = len(bed.fleet.log)
        self.steps(5)
        self.assertEqual(done, len(bed.fleet.log), "something was ordered")
        with self.assertRaisesRegex(errors.Conflict, "revision 3 is not approved"):
            self.act("resume")
        with self.assertRaisesRegex(errors.Conflict, "Revision 2 does not wait"):
            self.act("approve", kind="revision", revision=2)
        self.act("approve", kind="revision", revision=3)
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertIn("h100", self.worked())
        self.assertNotIn("h009", self.worked())
        diffs = [
            (row["diff"]["joined"], row["diff"]["left"]) for row in self.revisions()[1:]
        ]
        self.assertEqual([(["h100"], []), ([], ["h009"])], diffs)
        self.assertEqual("op", self.revisions()[2]["approved_by"])

    def test_after_an_approval_the_count_begins_anew(self):
        bed = self.begin(on_drift=plan.DriftPolicy(approve_above=1))
        bed.step()
        self.add("h100", "h101")
        self.steps(3)
        self.assertEqual("holding", bed.state())
        self.act("approve", revision=2)
        self.add("h102")
        self.steps(3)
        self.assertEqual("running", bed.state())
        self.assertEqual(3, self.campaign()["plan_rev"])

    def test_a_change_meanwhile_moves_the_question_to_its_own_revision(self):
        bed = self.begin(on_drift=plan.DriftPolicy(approve_above=1))
        bed.step()
        self.add("h100", "h101", tags=["new"])
        self.steps(3)
        self.assertIn("revision 2 is not approved", self.campaign()["state_reason"])
        self.act("change", parallel={"computes": 2})
        self.assertIn("revision 3 is not approved", self.campaign()["state_reason"])
        self.act("approve", revision=3)
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertIn("h100", self.worked())

    def test_leaving_the_new_hosts_out_is_an_answer_too(self):
        bed = self.begin(on_drift=plan.DriftPolicy(approve_above=1))
        bed.step()
        self.add("h100", "h101", tags=["new"])
        self.steps(3)
        self.act("change", exclude=["new"])
        self.assertIn("needs no approval", self.campaign()["state_reason"])
        self.act("resume")
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertNotIn("h100", self.worked())

    def test_revisions_are_read_as_objects(self):
        bed = self.begin()
        self.add("h100")
        bed.step()
        objects_base.use_store(store.Store(self.database))
        first, second = PlanRevisionList.get_page(None, self.campaign_id)
        self.assertEqual((1, 2, 11), (first.rev, second.rev, second.targets))
        self.assertEqual(["h100"], second.diff["joined"])
        self.assertIsNone(second.approved_at)
        self.assertEqual("", second.author)
        found = PlanRevisionList.get_page(None, self.campaign_id, after=1, limit=5)
        self.assertEqual([2], [each.rev for each in found])

    def test_an_approval_does_not_end_a_hold_for_another_reason(self):
        """The campaign goes on only if the revision was what it waited for."""
        program = self.fails_once("h000", "one")
        bed = self.begin(
            program, ladder=(plan.Rung("hold"),), on_drift=plan.DriftPolicy(0)
        )
        self.assertEqual("holding", bed.run_until(["holding"]))
        self.add("h100")
        self.act("change", parallel={"computes": 2})
        awaited = [row for row in self.revisions() if row["awaits"]]
        self.assertEqual([2, 3], [row["rev"] for row in awaited])
        self.act("approve", revision=3)
        self.assertEqual("holding", bed.state())
        self.act("resume")
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))

    def test_a_host_that_is_done_or_down_has_not_left(self):
        """A selector that looks at the state or at versions makes no drift."""
        bed = self.begin(on_drift=plan.DriftPolicy(0))
        self.steps(5)
        self.assertTrue(self.worked())
        self.change_host("h000", role="storage")
        self.change_host("h005", is_quarantined=True)
        self.change_host("h006", state="down")
        self.steps(3)
        self.assertEqual("running", bed.state())
        self.assertEqual(1, self.campaign()["plan_rev"])


class TestLimits(Case):
    def test_more_at_once_takes_effect_with_the_next_order(self):
        """E-0: and the journal says who did it."""
        bed = self.begin(lambda order, times: ("running", "", ""))
        self.steps(2)
        self.assertEqual(1, len(self.slots()))
        self.act("change", parallel={"computes": 4})
        self.steps(2)
        self.assertEqual(4, len(self.slots()))
        self.act("change", budgets={"rack": 5}, parallel={"computes": "70%"})
        self.steps(2)
        self.assertEqual(5, len(self.slots()))
        self.assertIn("budget rack all 5/5", self.told()["h005"])
        made = self.revisions()
        self.assertEqual(["op", "op"], [row["author"] for row in made[1:]])
        self.assertEqual(
            ["parallel computes: 4 -> 70%", "budget rack: 9 -> 5"],
            made[2]["diff"]["changed"],
        )
        lines = [r for r in bed.rows(models.journal) if r["object_type"] == "plan"]
        self.assertEqual(["op", "op"], [line["actor"] for line in lines])
        self.assertIn("parallel computes: 1 -> 4", lines[0]["detail"])

    def test_a_limit_that_lets_nothing_run_is_refused_whole(self):
        """C701: nothing of the order is carried out."""
        self.begin()
        for given, rule in (
            ({"budgets": {"rack": 0}, "parallel": {"computes": 3}}, "C701"),
            ({"parallel": {"computes": "0%"}, "skip": ["h001"]}, "C502"),
            ({"budgets": {"row": 2}}, "C402"),
        ):
            with self.assertRaises(errors.InvalidInput) as caught:
                self.act("change", **given)
            (found,) = caught.exception.findings
            self.assertEqual(rule, found["rule"])
            self.assertTrue(found["remedy"] and found["pointer"])
        with self.assertRaisesRegex(errors.InvalidInput, "nothing to change"):
            self.act("change")
        self.assertEqual(1, self.campaign()["plan_rev"])
        self.assertEqual({}, self.slots())

    def test_a_smaller_failure_budget_stops_at_the_next_loss(self):
        """E-2: and a larger one lets the campaign go on."""
        lost = ("h001", "h003", "h005")

        def program(order, times):
            is_bad = order.host in lost and order.action != "uncordon"
            return ("failed", "permanent", "planted") if is_bad else None

        bed = self.begin(
            program,
            ladder=(plan.Rung("quarantine"),),
            on_fault=plan.FaultPolicy("hold"),
        )
        self.act("change", max_quarantined=0)
        self.assertEqual("holding", bed.run_until(["holding", "committed"]))
        reason = self.campaign()["state_reason"]
        self.assertIn("failure_budget allows 0: h001", reason)
        self.act("change", max_quarantined=3)
        self.act("resume")
        self.assertEqual("committed", bed.run_until(["holding", "committed"]))
        changes = [row["diff"]["changed"] for row in self.revisions()[1:]]
        self.assertEqual(
            [["max_quarantined: no limit -> 0"], ["max_quarantined: 0 -> 3"]], changes
        )
        lines = [r for r in bed.rows(models.journal) if r["object_type"] == "plan"]
        self.assertEqual(["op", "op"], [line["actor"] for line in lines])
        self.assertIn("max_quarantined: 0 -> 3", lines[1]["detail"])

    def test_a_tag_is_excluded(self):
        """Hosts midway go on; the others leave the campaign."""
        bed = self.begin()
        bed.step()
        self.change_host("h000", tags=["old"])
        self.change_host("h005", tags=["old"])
        self.act("change", exclude=["old"])
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertIn("h000", self.worked())
        self.assertNotIn("h005", self.worked())
        self.assertEqual(["h005"], self.revisions()[1]["diff"]["left"])

    def test_it_is_too_late_when_it_is_over(self):
        bed = self.begin()
        self.assertEqual("committed", bed.run_until(["committed"]))
        with self.assertRaisesRegex(errors.Conflict, "committed cannot be changed"):
            self.act("change", parallel={"computes": 2})


class TestHosts(Case):
    hosts = 4

    def test_a_skipped_host_is_left_out_and_can_be_taken_back(self):
        bed = self.begin()
        bed.step()
        self.act("change", skip=["h002", "h003"])
        self.act("change", retry=["h003"])
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual({"h000", "h001", "h003"}, self.worked())
        self.assertEqual("skipped", self.slots()[("computes", "h002")])
        lefts = [row["diff"]["left"] for row in self.revisions()[1:]]
        self.assertEqual([["h002", "h003"], []], lefts)
        self.assertEqual(set(), self.occupied())

    def test_a_rollback_leaves_a_skipped_host_alone(self):
        bed = self.begin()
        bed.step()
        self.act("change", skip=["h003"])
        self.steps(4)
        self.act("rollback")
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "failed"]))
        self.assertEqual("skipped", self.slots()[("computes", "h003")])
        self.assertNotIn("h003", self.worked())

    def test_a_fault_of_a_skipped_host_concerns_nobody(self):
        bed = self.begin()
        bed.step()
        self.act("change", skip=["h003"])
        self.die("h003", "host.down")
        self.assertEqual("committed", bed.run_until(["committed", "rolled_back"]))

    def test_who_cannot_be_skipped(self):
        bed = self.begin(lambda order, times: ("running", "", ""))
        bed.step()
        with self.assertRaisesRegex(errors.Conflict, "h000 is midway"):
            self.act("change", skip=["h001", "h000"])
        with self.assertRaisesRegex(errors.InvalidInput, "not in the inventory"):
            self.act("change", skip=["h999"])
        with self.assertRaisesRegex(errors.InvalidInput, "h001 neither failed"):
            self.act("change", retry=["h001"])
        self.assertEqual({("computes", "h000"): "active"}, self.slots())

    def test_a_failed_host_is_tried_again_and_nobody_else(self):
        """The held campaign goes on; the other failed host stays as it is."""
        bad = {"h000", "h001"}

        def program(order, times):
            is_bad = order.host in bad and order.action == "one"
            return ("failed", "permanent", "planted") if is_bad else None

        bed = self.begin(program, parallel=2, ladder=(plan.Rung("hold"),))
        self.assertEqual("holding", bed.run_until(["holding"]))
        self.steps(3)
        bad.clear()
        self.act("change", retry=["h000"])
        self.assertEqual("running", bed.state())
        self.steps()
        self.assertEqual("done", self.slots()[("computes", "h000")])
        self.assertEqual("failed", self.slots()[("computes", "h001")])
        self.assertEqual(1, bed.fleet.runs[("h001", "one")])
        self.assertEqual("waits: failed: planted", self.told()["h001"])
        self.act("change", skip=["h001"], reason="broken disk")
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        hosts = {row["name"]: row for row in bed.rows(models.host)}
        self.assertEqual("broken disk", hosts["h001"]["quarantine_reason"])


class TestCrash(Case):
    """Rule 2: what is decided is owed, whoever dies."""

    hosts = 2

    def test_a_stop_is_sent_by_whoever_comes_next(self):
        """Killed between the commit of a pause and its messages."""
        steps = (beds.step("one", "one", "not-one", on_pause="stop"),)

        def program(order, times):
            is_first = (order.host, order.attempt) == ("h000", 1)
            return ("running", "", "") if is_first else None

        bed = self.begin(program, steps=steps)
        self.steps(3)
        bed.is_dropping = True
        self.act("pause")
        self.assertEqual("pausing", bed.state())
        owed = sorted(row["kind"] for row in bed.rows(models.outbox))
        self.assertEqual(["event", "stop"], owed)
        bed.is_dropping = False
        self.assertEqual("paused", bed.run_until(["paused"]))
        (row,) = bed.rows(models.step)
        self.assertEqual(("ready", 0), (row["state"], row["retries"]))
        self.act("resume")
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual(2, bed.fleet.runs[("h000", "one")])

    def test_an_undo_is_never_stopped(self):
        steps = (beds.step("one", "one", "not-one", on_pause="stop"),)

        def program(order, times):
            return ("running", "", "") if order.action == "not-one" else None

        bed = self.begin(program, steps=steps, ladder=(plan.Rung("compensate"),))
        self.steps(2)
        self.act("rollback")
        self.steps(2)
        with self.assertRaises(errors.IllegalMove):
            self.act("pause")
        self.act("pause", target="h000")
        kinds = {line["to_state"] for line in bed.rows(models.journal)}
        self.assertNotIn("stopping", kinds)

    def test_a_repeated_order_changes_once(self):
        bed = self.begin()
        for _ in range(2):
            bed.steers.act(
                self.campaign_id, "change", {"parallel": {"computes": 2}}, "op", "key"
            )
        self.assertEqual(2, self.campaign()["plan_rev"])


class TestStart(test_planning.Case):
    def test_an_inventory_that_changed_since_is_asked_about_at_the_start(self):
        """P-4a: nothing is touched before somebody approves."""
        drift = "on_drift: {approve_above: 1}\nprocedures:"
        beds.add_hosts(self.database, 2)
        own = self.create(test_planning.DOCUMENT.replace("procedures:", drift))
        with self.database.begin() as connection:
            table = models.host
            connection.execute(table.delete().where(table.c.name == "h000"))
            for name in ("h100", "h101"):
                row = {"name": name, "role": "compute", "rack": "r9", "tags": []}
                more = {"groups": [], "server_groups": [], "facts": {}}
                state = {"state": "up", "agent_seen_at": 4e9}
                connection.execute(table.insert().values(**row, **more, **state))
        self.act(own, "start")
        (row,) = self.bed.rows(models.campaign)
        self.assertEqual("validated", row["state"])
        self.assertIn("2 hosts joined and 1 left", row["state_reason"])
        self.assertEqual([], self.bed.rows(models.slot))
        self.act(own, "approve", kind="revision", revision=2)
        self.act(own, "start")
        self.assertEqual("committed", self.bed.run_until(["committed"]))
        self.assertEqual(
            {"h001", "h100", "h101"}, {h for h, _, _ in self.bed.fleet.log}
        )
