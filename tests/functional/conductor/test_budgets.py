"""Budgets of every kind in the engine, on a real database (P-4b, P-2)."""

import collections
import dataclasses

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import invariants, plan
from tests.fixtures import engine as beds
from tests.functional.conductor import test_engine

Kind = plan.Kind

DRAINED = tuple(
    dataclasses.replace(each, action="vim.drain") if each.id == "drain" else each
    for each in beds.ROLLING
)


class TestKinds(test_engine.Case):
    hosts = 8

    def change_hosts(self, **values):
        with self.database.begin() as connection:
            connection.execute(sa.update(models.host).values(**values))

    def run_with(self, *budgets, bed=None, wanted="committed"):
        made = beds.rolling_plan(8, budgets=budgets, steps=DRAINED)
        one = dataclasses.replace(
            made.procedures[0], budgets=tuple(each.id for each in budgets)
        )
        bed = bed or self.bed()
        self.most = collections.Counter()
        bed.watch = lambda: self.count(bed)
        beds.start_campaign(bed, dataclasses.replace(made, procedures=(one,)))
        self.assertEqual(wanted, bed.run_until([wanted, "holding", "failed"]))
        return bed

    def count(self, bed):
        out = [
            r for r in bed.rows(models.slot) if r["state"] in ("active", "reverting")
        ]
        moving = [
            row
            for row in bed.rows(models.step)
            if row["action"] == "vim.drain"
            and row["state"] in ("dispatched", "running", "verifying")
        ]
        for name, found in (("out", out), ("moving", moving)):
            self.most[name] = max(self.most[name], len(found))

    def judge(self, bed, *budgets):
        """Hold the journal against the limits, counted independently (V-2)."""
        entries = [
            invariants.Entry(
                row["seq"],
                row["host"],
                row["object_type"],
                row["to_state"],
                row["name"],
            )
            for row in bed.rows(models.journal)
        ]
        facts = {
            row["name"]: plan.Target(
                row["name"],
                rack=row["rack"],
                groups=tuple(row["groups"]),
                instances=row["instances"],
                facts=row["listed_facts"],
            )
            for row in bed.rows(models.host)
        }
        return invariants.check_journal(entries, budgets, facts, {"drain"})

    def test_a_majority_stays_up_forth_and_back(self):
        self.change_hosts(groups=["ctl"])
        quorum = plan.Budget("q", "fact", "group", kind=Kind.QUORUM)
        last = {"installs": 0}

        def program(order, times):
            if order.action == "install":
                last["installs"] += 1
                if last["installs"] >= 7:
                    return "failed", "permanent", "no"
            return None

        bed = self.run_with(quorum, bed=self.bed(program), wanted="rolled_back")
        self.assertEqual(3, self.most["out"])
        self.assertEqual([], self.judge(bed, quorum))

    def test_the_rest_has_room_for_all(self):
        """Eight hosts of 10 with 5 each: 40 on 60 and 10 to spare leave three."""
        self.change_hosts(listed_facts={"capacity": 10})
        room = plan.Budget(
            "room",
            "all",
            kind=Kind.HEADROOM,
            keep=10,
            capacity="facts.capacity",
            load="instances",
        )
        bed = self.run_with(room)
        self.assertEqual(3, self.most["out"])
        self.assertEqual([], self.judge(bed, room))

    def test_drains_are_limited_and_what_follows_is_not(self):
        moves = plan.Budget("moves", "all", max_down=2, kind=Kind.MIGRATIONS)
        bed = self.run_with(moves)
        self.assertEqual(2, self.most["moving"])
        self.assertGreater(self.most["out"], 2)
        self.assertEqual([], self.judge(bed, moves))
        self.assertEqual([], bed.rows(models.token_hold))

    def test_an_owner_is_heeded_by_those_who_carry_it(self):
        with self.database.begin() as connection:
            connection.execute(
                sa.update(models.host)
                .where(models.host.c.name.in_(self.names[:4]))
                .values(declared=[["project red", 1]])
            )
        bed = self.run_with(plan.Budget("owner", "owner"))
        self.assertEqual(5, self.most["out"])
        busy = collections.Counter()
        for line in sorted(bed.rows(models.journal), key=lambda each: each["seq"]):
            if line["object_type"] == "slot" and line["host"] in self.names[:4]:
                busy["now"] += 1 if line["to_state"] == "active" else -1
                busy["most"] = max(busy["most"], busy["now"])
        self.assertEqual(1, busy["most"])
