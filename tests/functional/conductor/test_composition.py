"""Sub-plans, single steps and parallel universes, carried out by the engine."""

import yaml

from escalator.conductor import admission
from escalator.db import models
from escalator.domain import lints, reading
from tests.fixtures import campaigns
from tests.fixtures import engine as beds
from tests.functional.conductor import test_engine

FILE = """
apiVersion: escalator.campaign/v1
kind: Campaign
metadata: {name: composed}
selectors:
  r0: {match: {rack: r0}}
  r1: {match: {rack: r1}}
  r2: {match: {rack: r2}}
budgets:
  - {id: fleet, scope: all, max_down: 2}
checkpoints:
  - {id: cp, driver: package_manifest}
recovery:
  ladder: [{try: rollback, scope: campaign}]
"""


def step(name, action, undo="none_needed"):
    return {
        "id": name,
        "action": action,
        "undo": undo,
        "idempotent": "natural",
        "expected": 1,
        "timeout": 30,
    }


CHANGES = [
    {"id": "cp", "checkpoint": "cp", "expected": 1, "timeout": 30},
    step("on", "vim.disable_scheduling", "vim.enable_scheduling"),
]


def procedure(name, select, **more):
    return {
        "id": name,
        "select": select,
        "method": "rolling",
        "parallel": 9,
        "on_failure": "ladder",
        "steps": CHANGES,
        **more,
    }


def made(procedures, **sections):
    document = {**yaml.safe_load(FILE), "procedures": procedures, **sections}
    found = lints.check(document, {}, campaigns.CATALOGUE, None)
    assert not lints.has_errors(found), found
    return reading.read(document, {}, campaigns.CATALOGUE)


class Case(test_engine.Case):
    def spans(self, bed):
        """Return procedure -> journal numbers of its first and last slot line."""
        slots = {row["id"]: row["procedure"] for row in bed.rows(models.slot)}
        found = {}
        for row in bed.rows(models.journal):
            if row["object_type"] == "slot":
                name = slots[row["object_id"]]
                first, last = found.get(name, (row["seq"], row["seq"]))
                found[name] = (min(first, row["seq"]), max(last, row["seq"]))
        return found

    def starts(self, bed, to_state):
        """Return procedures in the order in which slots first moved there."""
        slots = {row["id"]: row["procedure"] for row in bed.rows(models.slot)}
        lines = sorted(bed.rows(models.journal), key=lambda row: row["seq"])
        names = [
            slots[row["object_id"]]
            for row in lines
            if row["object_type"] == "slot" and row["to_state"] == to_state
        ]
        return list(dict.fromkeys(names))

    def watched(self, plan, program=None):
        bed = self.bed(program)
        self.seen, self.together, self.most = {}, set(), 0
        bed.watch = lambda: self.look(bed)
        beds.start_campaign(bed, plan)
        return bed

    def look(self, bed):
        """Note who is out after each look of the engine."""
        out = {}
        for row in bed.rows(models.slot):
            if row["state"] in ("active", "reverting", "undoing", "undone"):
                out[row["procedure"]] = out.get(row["procedure"], 0) + 1
        for name, count in out.items():
            self.seen[name] = max(self.seen.get(name, 0), count)
        self.together.add(frozenset(out))
        self.most = max(self.most, sum(out.values()))


class TestSubplans(Case):
    def test_three_levels_run_under_both_budgets(self):
        """P-5: the file allows 2 at once, the innermost sub-plan 1."""
        plan = made(
            [{"id": "u", "subplan": "a", "budgets": ["fleet"]}],
            subplans={
                "a": {
                    "procedures": [
                        {"id": "v", "subplan": "b"},
                        procedure("wide", "r1"),
                    ]
                },
                "b": {
                    "budgets": [{"id": "one", "scope": "all", "max_down": 1}],
                    "procedures": [procedure("narrow", "r0", budgets=["one"])],
                },
            },
        )
        bed = self.watched(plan)
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        done = {(row["procedure"], row["state"]) for row in bed.rows(models.slot)}
        self.assertEqual({("u/v/narrow", "done"), ("u/wide", "done")}, done)
        self.assertEqual(8, len(bed.rows(models.slot)))
        self.assertEqual(1, self.seen["u/v/narrow"])
        self.assertEqual(2, self.most)


class TestHold(Case):
    """E-4: ``scope: procedure`` is the one inner procedure."""

    ladder = {"ladder": [{"try": "hold", "scope": "procedure"}]}

    def held_after(self, plan, host, action):
        """Play a campaign of which one host fails; return what holds."""

        def program(order, times):
            is_meant = (order.host, order.action) == (self.names[host], action)
            return ("failed", "permanent", "broken") if is_meant else None

        bed = self.watched(plan, program)
        self.assertEqual("holding", bed.run_until(["committed", "holding"]))
        (campaign,) = bed.rows(models.campaign)
        self.assertIn("only held procedures are left", campaign["state_reason"])
        self.done = {
            row["procedure"] for row in bed.rows(models.slot) if row["state"] == "done"
        }
        return [each["procedure"] for each in campaign["closed_to"]]

    def test_within_a_sub_plan(self):
        inner = [procedure("one", "r0"), procedure("two", "r1")]
        plan = made(
            [{"id": "u", "subplan": "a"}, procedure("plain", "r2")],
            subplans={"a": {"procedures": inner}},
            recovery=self.ladder,
        )
        found = self.held_after(plan, 0, "vim.disable_scheduling")
        self.assertEqual(["u/one"], found)
        self.assertEqual({"u/one", "u/two", "plain"}, self.done)

    def test_of_a_parallel_universe(self):
        """The old hosts are left alone as long as the switch holds."""
        universe = {
            "method": "parallel_universe",
            "beside": "r1",
            "switch": [step("turn", "vim.enable_scheduling", "vim.vacate")],
            "retire": CHANGES,
        }
        plan = made([procedure("p", "r0", **universe)], recovery=self.ladder)
        found = self.held_after(plan, 1, "vim.enable_scheduling")
        self.assertEqual(["p/switch"], found)
        self.assertEqual({"p/new", "p/switch"}, self.done)


class TestSingleStep(Case):
    plan = staticmethod(
        lambda **more: made(
            [
                procedure("whole", "r0", method="single_step", **more),
                procedure("beside", "r1", parallel=1, budgets=["fleet"]),
            ]
        )
    )

    def test_all_at_once_and_nothing_else_meanwhile(self):
        bed = self.watched(self.plan())
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertEqual({"whole": 4, "beside": 1}, self.seen)
        self.assertNotIn(frozenset({"whole", "beside"}), self.together)

    def test_one_host_that_cannot_keeps_all_waiting_with_the_reason(self):
        names = self.names[0::3]
        with self.database.begin() as connection:
            connection.execute(
                models.host.update()
                .where(models.host.c.name == names[-1])
                .values(state="down")
            )
        bed = self.watched(self.plan())
        for _ in range(30):
            bed.step()
        self.assertEqual({"beside": 1}, self.seen)
        (campaign,) = bed.rows(models.campaign)
        with self.database.begin() as connection:
            situation = bed.execution.admission.read(connection, campaign, 0.0)
        waits = {
            each.host: each.reason for each in admission.explain(campaign, situation)
        }
        self.assertEqual(set(names), set(waits))
        self.assertIn("all its hosts at once", waits[names[0]])
        self.assertIn(f"{names[-1]} waits: the host is down", waits[names[0]])

    def test_a_host_that_joins_an_earlier_procedure_waits_for_its_end(self):
        """Late selection must not break into a single step."""

        def program(order, times):
            is_last = order.host == self.names[9]
            return ("silent", "", "") if is_last and times < 3 else None

        bed = self.watched(self.plan(), program)
        while "whole" not in self.seen:
            bed.step()
        with self.database.begin() as connection:
            connection.execute(
                models.host.update()
                .where(models.host.c.name == self.names[2])
                .values(rack="r1")
            )
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        self.assertNotIn(frozenset({"whole", "beside"}), self.together)
        slots = [r["host"] for r in bed.rows(models.slot) if r["procedure"] == "beside"]
        self.assertIn(self.names[2], slots)


class TestParallelUniverse(Case):
    def plan(self):
        return made(
            [
                procedure(
                    "p",
                    "r0",
                    method="parallel_universe",
                    beside="r1",
                    budgets=["fleet"],
                    switch=[step("turn", "vim.enable_scheduling", "vim.vacate")],
                    retire=CHANGES,
                )
            ]
        )

    def test_new_hosts_then_the_switch_then_the_old_ones_go(self):
        bed = self.watched(self.plan())
        self.assertEqual("committed", bed.run_until(["committed", "holding"]))
        spans = self.spans(bed)
        self.assertLess(spans["p/new"][1], spans["p/switch"][0])
        self.assertLess(spans["p/switch"][1], spans["p/old"][0])
        self.assertEqual({"p/new": 2, "p/switch": 4, "p/old": 2}, self.seen)

    def test_the_way_back_is_the_mirror(self):
        """R-2: old hosts are back before the switch is turned back."""

        def program(order, times):
            if order.host == self.names[9] and order.intent == "run":
                return ("failed", "permanent", "broken")
            return None

        bed = self.watched(self.plan(), program)
        self.assertEqual("rolled_back", bed.run_until(["rolled_back", "holding"]))
        self.assertEqual(["p/old", "p/switch", "p/new"], self.starts(bed, "reverting"))
        ends = self.starts(bed, "reverted")
        self.assertEqual(["p/old", "p/switch", "p/new"], ends)
        reverts = [e for e in bed.fleet.log if e[1] == "revert"]
        turned = [n for n, e in enumerate(reverts) if e[2] == "vim.vacate"]
        self.assertEqual(4, len(turned))
        olds = {self.names[n] for n in (0, 3, 6, 9)}
        self.assertTrue(all(e[0] in olds for e in reverts[: turned[0]]))
        self.assertFalse(any(e[0] in olds for e in reverts[turned[0] :]))
