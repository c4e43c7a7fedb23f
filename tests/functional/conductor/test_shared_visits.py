"""Procedures that share the visits of their hosts, carried out by the engine."""

import collections

import yaml

from escalator.conductor import planning
from escalator.db import models
from tests.fixtures import campaigns, folding
from tests.functional.conductor import test_composition

step, made = test_composition.step, test_composition.made
OVER = ["committed", "rolled_back", "holding"]
SAVE = {"id": "save", "checkpoint": "cp", "expected": 1, "timeout": 30}
SHUT = step("shut", "vim.disable_scheduling", "vim.enable_scheduling")
OPEN = step("open", "vim.enable_scheduling", "vim.vacate")


def install(name):
    wanted = {"with": {"packages": {name: "2"}}}
    return {**step(name, "package.install", "package.restore"), **wanted}


def procedures(visit="shared"):
    """Return two that each cordon, install and open the hosts of a rack."""
    return [
        test_composition.procedure(
            name, "r0", budgets=["fleet"], visit=visit, steps=steps, after=after
        )
        for name, after, steps in (
            ("agent", ["kernel"], [SAVE, SHUT, install("agent"), OPEN]),
            ("kernel", [], [SAVE, SHUT, install("kernel"), OPEN]),
        )
    ]


class TestSharedVisits(test_composition.Case):
    def begin(self, program=None, **sections):
        return self.watched(made(procedures(), **sections), program)

    def deeds(self, bed, host):
        """Return (intent, step) of what was done there, in order."""
        lines = sorted(bed.rows(models.journal), key=lambda row: row["seq"])
        return [
            (row["intent"], row["name"])
            for row in lines
            if (row["object_type"], row["to_state"], row["host"])
            == ("step", "done", host)
        ]

    def outages(self, bed):
        """Return host -> how often it was begun."""
        return collections.Counter(
            row["host"]
            for row in bed.rows(models.journal)
            if (row["object_type"], row["to_state"]) == ("slot", "active")
        )

    def test_each_host_is_out_once(self):
        """P-1: two procedures, one visit of each host, within the budget."""
        bed = self.begin()
        self.assertEqual("committed", bed.run_until(OVER))
        hosts = self.names[0::3]
        self.assertEqual(dict.fromkeys(hosts, 1), dict(self.outages(bed)))
        wanted = ["save", "shut", "kernel", "agent", "open"]
        for host in hosts:
            names = [name.rpartition("/")[2] for _, name in self.deeds(bed, host)]
            self.assertEqual(wanted, names)
        self.assertEqual({"kernel+agent": 2}, self.seen)
        self.assertEqual([], self.broken)

    def test_a_failure_of_the_second_undoes_the_whole_visit_in_reverse(self):
        """R-2: the first procedure's change of that host goes back too."""
        host = self.names[0]

        def program(order, times):
            if (order.host, order.intent) == (host, "run"):
                if order.params == {"packages": {"agent": "2"}} and times < 3:
                    return ("failed", "permanent", "broken")
            return None

        ladder = [{"try": "compensate"}, {"try": "rollback", "scope": "campaign"}]
        bed = self.begin(program, recovery={"ladder": ladder})
        self.assertEqual("committed", bed.run_until(OVER))
        there = [("run", f"kernel/{name}") for name in ("save", "shut", "kernel")]
        back = [
            *(("revert", "agent/agent"), ("revert", "kernel/kernel")),
            ("revert", "kernel/shut"),
        ]
        again = [*there, ("run", "agent/agent"), ("run", "kernel/open")]
        self.assertEqual([*there, *back, *again], self.deeds(bed, host))
        self.assertEqual([], bed.rows(models.token_hold))
        self.assertEqual([], folding.unfolded(bed))

    def test_a_rollback_is_the_mirror(self):
        """R-2: of all that was done on every host."""
        last = self.names[9]

        def program(order, times):
            fails = (order.host, order.intent) == (last, "run")
            if fails and order.params == {"packages": {"agent": "2"}}:
                return ("failed", "permanent", "broken")
            return None

        bed = self.begin(program)
        self.assertEqual("rolled_back", bed.run_until(OVER))
        others = set(self.outages(bed)) - {last}
        self.assertTrue(others)
        for host in others:
            deeds = self.deeds(bed, host)
            done = [name for intent, name in deeds if intent == "run"]
            undone = [name for intent, name in deeds if intent == "revert"]
            self.assertTrue(done)
            self.assertEqual([n for n in done[::-1] if n != "kernel/save"], undone)

    def test_the_plan_shows_what_is_saved(self):
        """P-0: half the visits, and an end that is nearer."""
        plans = planning.Planning(self.bed().engine, campaigns.CATALOGUE)
        usual = yaml.safe_load(test_composition.FILE)
        told = [
            plans.forecast(yaml.safe_dump({**usual, "procedures": each}), {}, 1)
            for each in (procedures("own"), procedures())
        ]
        own, shared = told
        self.assertEqual([8, 4], [len(each["visits"]) for each in told])
        self.assertLess(shared["end_s"]["expected"], own["end_s"]["expected"])
        self.assertEqual([], own["summary"]["shared_visits"])
        self.assertEqual(
            [
                {
                    "procedure": "kernel+agent",
                    "merged": ["kernel", "agent"],
                    "told": "2 procedures, 1 visit",
                    "outages_saved": 4,
                }
            ],
            shared["summary"]["shared_visits"],
        )
