"""Two campaigns with limits of their own on one fleet (CM-5, P-4b)."""

import dataclasses

import sqlalchemy as sa

from escalator.conductor import explaining
from escalator.db import models
from escalator.domain import budget, plan
from tests.fixtures import engine as beds
from tests.functional.conductor import test_engine, test_guard

ENDS = ("committed", "holding", "failed", "rolled_back")


def made(role, *limits, parallel=4):
    """Return the plan of a campaign on the hosts of one role."""
    one = beds.rolling_plan(
        parallel,
        budgets=limits,
        selectors=(plan.Selector("computes", (plan.Condition("role", (role,)),)),),
        steps=test_guard.DRAINED,
    )
    ids = tuple(each.id for each in limits)
    procedure = dataclasses.replace(one.procedures[0], budgets=ids)
    return dataclasses.replace(one, procedures=(procedure,))


class Case(test_engine.Case):
    hosts = 8

    def setUp(self):
        super().setUp()
        with self.database.begin() as connection:
            host = models.host
            for number in range(0, self.hosts, 2):
                change = sa.update(host).where(host.c.name == f"h{number:03d}")
                connection.execute(change.values(role="storage"))

    def rack(self, most):
        return plan.Budget("rack", "fact", "rack", max_down=most)

    def moves(self, most):
        return plan.Budget("moves", "all", max_down=most, kind=plan.Kind.MIGRATIONS)

    def run_both(self, first, second):
        """Return the most that were out in a rack, also while both ran, and drained."""
        bed = self.bed()
        ids = [beds.start_campaign(bed, each) for each in (first, second)]
        racks = {row["name"]: row["rack"] for row in bed.rows(models.host)}
        most = {"ever": 0, "out": 0, "moving": 0, "both": 0}
        for _ in range(600):
            bed.step()
            slots = [r for r in bed.rows(models.slot) if r["state"] == "active"]
            out = [racks[row["host"]] for row in slots]
            moving = [
                row
                for row in bed.rows(models.step)
                if row["action"] == "vim.drain"
                and row["state"] in ("dispatched", "running", "verifying")
            ]
            most["ever"] = max([most["ever"], *map(out.count, out)])
            found = {row["id"]: row["state"] for row in bed.rows(models.campaign)}
            if all(found[each] == "running" for each in ids):
                most["out"] = max([most["out"], *map(out.count, out)])
            most["moving"] = max(most["moving"], len(moving))
            most["both"] = max(most["both"], len({r["campaign_id"] for r in slots}))
            if all(found[each] in ENDS for each in ids):
                break
        self.assertEqual(["committed"] * 2, [found[each] for each in ids])
        return most


class TestLimits(Case):
    def test_the_stricter_limit_holds_for_both(self):
        """In whichever order they were started."""
        for limits in ((1, 4), (4, 1)):
            with self.subTest(limits):
                strict, wide = map(self.rack, limits)
                most = self.run_both(made("compute", strict), made("storage", wide))
                self.assertEqual(1, most["out"])

    def test_alone_the_wide_limit_is_used(self):
        """Without the other the same campaign takes more: the limit was felt."""
        nobody = made("nobody", self.rack(4))
        most = self.run_both(nobody, made("storage", self.rack(4)))
        self.assertEqual(2, most["ever"])

    def test_drains_are_counted_together(self):
        most = self.run_both(
            made("compute", self.moves(2)), made("storage", self.moves(2))
        )
        self.assertEqual(2, most["moving"])

    def test_they_work_side_by_side_within_their_limits(self):
        most = self.run_both(
            made("compute", self.rack(2)), made("storage", self.rack(2))
        )
        self.assertEqual(2, most["both"])


class TestReasons(Case):
    def test_explain_names_the_other_campaign(self):
        bed = self.bed()
        first = beds.start_campaign(bed, made("compute", self.rack(1)))
        second = beds.start_campaign(bed, made("storage", self.rack(4)))
        bed.execution.look_at(first)
        bed.execution.look_at(second)
        told = explaining.Explaining(bed.engine, bed.execution.admission)
        lines = [row for row in told.explain(second) if row["host"]]
        self.assertTrue(lines)
        for row in lines:
            self.assertEqual("W103", row["code"])
            self.assertIn(f"budget rack of campaign {first} ", row["reason"])
        held = [r for r in bed.rows(models.token_hold) if r["campaign_id"] == second]
        self.assertEqual([], held)

    def test_what_the_other_has_out_counts_for_ones_own_limit(self):
        """The strict one begins when as much is out already: it waits (CM-5)."""
        for limit, count in ((self.rack, 3), (self.moves, 1)):
            with self.subTest(limit(1).id):
                self.setUp()
                bed = self.bed()
                first = beds.start_campaign(bed, made("storage", limit(4)))
                second = beds.start_campaign(bed, made("compute", limit(1)))
                bed.execution.look_at(first)
                bed.execution.look_at(second)
                begun = [row["campaign_id"] for row in bed.rows(models.slot)]
                self.assertEqual([first] * count, begun)
                states = {row["state"] for row in bed.rows(models.campaign)}
                self.assertEqual({"running"}, states)

    def test_the_guard_knows_the_others_limits(self):
        bed = self.bed()
        first = beds.start_campaign(bed, made("compute", self.rack(1)))
        second = beds.start_campaign(bed, made("storage", self.rack(4)))
        bed.execution.look_at(first)
        with test_guard.mock.patch.object(budget.Ledger, "refusals", lambda *_: ()):
            bed.execution.look_at(second)
        row = next(r for r in bed.rows(models.campaign) if r["id"] == second)
        self.assertEqual("holding", row["state"])
        told = f"guard.budget: budget rack of campaign {first} r"
        self.assertIn(told, row["state_reason"])


class TestKept(Case):
    """A host that was upgraded and not committed is up, and not to be had."""

    def test_it_uses_up_no_limit_and_waits_for_the_commit(self):
        bed = self.bed()
        soaking = dataclasses.replace(made("compute", self.rack(4)), soak_s=1e6)
        first = beds.start_campaign(bed, soaking)
        self.assertEqual("soaking", bed.run_until(["soaking"]))
        second = beds.start_campaign(bed, made("storage", self.rack(1)))
        third = beds.start_campaign(bed, made("compute", self.rack(1)))
        for _ in range(200):
            bed.step()
        found = {row["id"]: row["state"] for row in bed.rows(models.campaign)}
        self.assertEqual("committed", found[second])
        self.assertEqual("running", found[third])
        told = explaining.Explaining(bed.engine, bed.execution.admission)
        codes = {row["code"] for row in told.explain(third) if row["host"]}
        self.assertEqual({"W136"}, codes)
        bed.steers.act(first, "rollback", {}, "op", None)
        self.assertEqual("committed", self.end_of(bed, third))

    def end_of(self, bed, campaign_id):
        for _ in range(400):
            bed.step()
            found = {row["id"]: row["state"] for row in bed.rows(models.campaign)}
            if found[campaign_id] in ENDS:
                break
        return found[campaign_id]
