"""Random campaigns over random fleets, with everything against them.

``ESCALATOR_RANDOM_RUNS`` asks for so many trials, of other seeds every time;
without it the same ones are played, in less than a minute.
``ESCALATOR_RANDOM_SHRINK=0`` leaves a trial that fails as it is.
"""

import collections
import dataclasses
import os
import random
import unittest
from typing import Any

import hypothesis
import sqlalchemy as sa
from hypothesis import strategies as st

from escalator.conductor import admission
from escalator.db import models
from escalator.domain import budget, commands, plan
from tests.fixtures import engine as beds
from tests.fixtures import folding, oracle, simfleet, trial_strategies, trials, watched

ENOUGH, LEAST_SHARE = 100, 0.05
"""Of so many trials that share at least has each of the rarer things in it."""

ASKED = int(os.environ.get("ESCALATOR_RANDOM_RUNS", "0"))
PROFILE = hypothesis.settings(
    max_examples=ASKED or 100,
    derandomize=not ASKED,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=[
        each
        for each in hypothesis.Phase
        if each is not hypothesis.Phase.shrink
        or os.environ.get("ESCALATOR_RANDOM_SHRINK") != "0"
    ],
    suppress_health_check=list(hypothesis.HealthCheck),
)

HOSTS = tuple(
    {
        "name": f"h{at}",
        "address": f"10.0.0.{at + 1}",
        "role": "compute",
        "rack": "r0",
        "tags": ["even"],
        "groups": [],
        "server_groups": [],
        "instances": 0,
        "state": "up",
        "facts": {},
        "agent_seen_at": 4e9,
        "is_listed": True,
    }
    for at in range(4)
)


def change(procedure: str, name: str) -> plan.Step:
    """Return a step that changes its host."""
    params = {"effect": f"{procedure}/{name}", "is_mutating": True}
    undo = (plan.Undo("undo", "node", params),)
    made = beds.step(name, "act")
    return dataclasses.replace(made, params=params, is_mutating=True, undo=undo)


def two_steps() -> plan.Plan:
    """Return a plan of two procedures, one after the other, of two steps each."""
    procedures = tuple(
        plan.Procedure(
            id=name,
            level=level,
            after=(),
            selector="all",
            method="rolling",
            parallel=2,
            budgets=("rack",),
            steps=(change(name, "0"), change(name, "1")),
            ladder=(plan.Rung("rollback", scope="campaign"),),
        )
        for name, level in (("a", 10), ("b", 20))
    )
    return beds.rolling_plan(
        selectors=(plan.Selector("all", (plan.Condition("role", ("compute",)),)),),
        budgets=(plan.Budget("rack", "fact", "rack", max_down=2),),
        procedures=procedures,
    )


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.database = watched.WatchedDatabase()
        cls.addClassCleanup(cls.database.dispose)


class TestRandomRuns(Case):
    def test_whatever_happens(self) -> None:
        """V-2, R-2, P-4a, P-4b, E-0 to E-2: every law of the oracle, at every commit.

        At the end the hosts carry what their slots say, the journal folds to
        the tables, and nothing stands still without a reason.
        """
        seen: collections.Counter[str] = collections.Counter()

        @PROFILE
        @hypothesis.given(trial_strategies.trial())
        def play(trial: trials.Trial) -> None:
            run = trials.Run(self.database, trial)
            run.play()
            seen.update(["trials", *(what for what, n in run.seen.items() if n)])

        play()
        if seen["trials"] >= ENOUGH:
            for what in ("restores", "remedies", "left out"):
                share = seen[what] / seen["trials"]
                self.assertGreater(share, LEAST_SHARE, (what, seen))

    @hypothesis.settings(PROFILE, max_examples=max(5, ASKED // 10))
    @hypothesis.given(trial_strategies.trial())
    def test_the_same_again(self, trial: trials.Trial) -> None:
        """P-0: the same plan, fleet and fates give the same journal."""
        told = []
        for _ in range(2):
            run = trials.Run(self.database, trial)
            state, journal = run.play(), run.tail(10_000)
            told.append((state, journal.replace(run.campaign_id, "campaign")))
        self.assertEqual(told[0], told[1])


class TestAdmissionIsDeterministic(unittest.TestCase):
    @hypothesis.settings(PROFILE, max_examples=max(100, ASKED))
    @hypothesis.given(trial_strategies.trial(), st.randoms(use_true_random=False))
    def test_the_order_of_the_inventory_does_not_matter(
        self, trial: trials.Trial, chance: random.Random
    ) -> None:
        """P-0: the same facts in any order: the same choice, the same reasons."""
        targets = [
            plan.Target(
                name=row["name"],
                role=row["role"],
                rack=row["rack"],
                tags=tuple(row["tags"]),
                groups=tuple(row["groups"]),
                server_groups=tuple(row["server_groups"]),
                is_up=chance.random() < 0.8,
                is_quarantined=chance.random() < 0.1,
            )
            for row in trial.hosts
        ]
        campaign = {"state": "running", "closed_to": []}
        told = []
        for _ in range(2):
            chance.shuffle(targets)
            ledger = budget.Ledger(trial.plan.budgets, targets, ())
            situation = admission.Situation(trial.plan, list(targets), {}, ledger)
            told.append(admission.explain(campaign, situation))
        self.assertEqual(told[0], told[1])


class TestTheOracleSees(Case):
    """Negative controls: a planted breach of every law."""

    def setUp(self) -> None:
        self.run_of = trials.Run(
            self.database, trials.Trial(HOSTS, two_steps(), (), (), 0)
        )
        self.run_of.turn()
        self.assertEqual([], self.run_of.oracle.broken)

    def plant(self, table: sa.Table, where: Any = None, **values: Any) -> None:
        with self.database.begin() as connection:
            query = sa.update(table).values(**values)
            connection.execute(query if where is None else query.where(where))

    def slot(self, host: str, procedure: str, state: str) -> str:
        """Add a slot with its tokens, without asking anybody."""
        slot_id = f"{host}-{procedure}"
        row = admission.slot_row(self.run_of.campaign_id, procedure, host, 9)
        held = {"slot_id": slot_id, "budget": "rack", "key": "r0", "target": host}
        with self.database.begin() as connection:
            new = {**row, "id": slot_id, "state": state}
            connection.execute(sa.insert(models.slot).values(**new))
            if state in oracle.OUT:
                held["campaign_id"] = self.run_of.campaign_id
                connection.execute(sa.insert(models.token_hold).values(**held))
            query = sa.update(models.host).where(models.host.c.name == host)
            connection.execute(query.values(campaign_id=self.run_of.campaign_id))
        return slot_id

    def assert_seen(self, text: str) -> None:
        self.assertTrue(
            any(text in each for each in self.run_of.oracle.broken),
            self.run_of.oracle.broken,
        )

    def order(self, **values: Any) -> None:
        """Raise the fence of the step that h0 works on."""
        step = models.step.c
        first = (step.host == "h0") & (step.seq == 0)
        self.plant(models.step, first, fence=step.fence + 1, **values)

    def test_a_budget_that_is_exceeded(self) -> None:
        self.slot("h2", "a", "active")
        self.assert_seen("budget: h2 goes out: rack r0 3/2")

    def test_too_many_at_once(self) -> None:
        self.slot("h2", "a", "active")
        self.assert_seen("parallel: a: 3 at once")

    def test_a_token_that_is_lost(self) -> None:
        with self.database.begin() as connection:
            connection.execute(sa.delete(models.token_hold))
        self.assert_seen("tokens:")

    def test_a_procedure_that_begins_too_early(self) -> None:
        self.slot("h2", "b", "active")
        self.assert_seen("order: b begins before a is over")

    def test_a_host_that_is_begun_outside_the_windows(self) -> None:
        """CM-1: begun, or begun again after a rollback."""
        self.slot("h2", "b", "reverted")
        self.run_of.oracle.broken.clear()
        span = trial_strategies.window(0, 5.0, 9.0)
        self.run_of.oracle.plan = dataclasses.replace(two_steps(), windows=(span,))
        self.slot("h3", "a", "active")
        self.assert_seen("window: h3 begins at")
        self.plant(models.slot, models.slot.c.id == "h2-b", state="active")
        self.assert_seen("window: h2 begins at")
        self.run_of.oracle.broken.clear()
        self.database.seconds = watched.EPOCH + 5.0
        self.slot("h1", "b", "active")
        self.assertNotIn("window", str(self.run_of.oracle.broken))

    def test_a_host_that_is_begun_behind_a_gate(self) -> None:
        """P-4d."""
        made = two_steps()
        first = dataclasses.replace(
            made.procedures[0], stages=(plan.Stage("canary", 2, gate="approve"),)
        )
        planned = dataclasses.replace(made, procedures=(first, made.procedures[1]))
        self.run_of.oracle.plan = planned
        row = {"campaign_id": self.run_of.campaign_id, "procedure": "a", "take": 2}
        row |= {"stage": "canary", "state": "waiting", "reason": "", "changed_at": 0.0}
        with self.database.begin() as connection:
            connection.execute(sa.insert(models.gate).values(id="g", **row))
        self.assertEqual([], self.run_of.oracle.broken)
        self.slot("h2", "a", "done")
        self.assert_seen("gate: a/canary: ['h0', 'h1', 'h2'] begun")
        self.plant(models.gate, state="open")
        self.run_of.oracle.broken.clear()
        self.slot("h3", "a", "done")
        self.assertNotIn("gate", str(self.run_of.oracle.broken))

    def test_a_host_that_is_let_go(self) -> None:
        self.plant(models.host, campaign_id=None)
        self.assert_seen("occupied: h0 is active and free")

    def test_an_order_to_a_quarantined_host(self) -> None:
        self.plant(models.host, is_quarantined=True)
        self.order()
        self.assert_seen("the host is quarantined")

    def test_an_order_to_a_removed_host(self) -> None:
        self.plant(models.host, is_listed=False)
        self.order()
        self.assert_seen("the host was removed")

    def test_a_fence_that_jumps(self) -> None:
        self.plant(models.step, models.step.c.seq == 0, fence=7)
        self.assert_seen("fence 7 after 1")

    def test_an_order_before_its_turn(self) -> None:
        second = (models.step.c.host == "h0") & (models.step.c.seq == 1)
        self.plant(models.step, second, fence=1, state="dispatched")
        self.assert_seen("h0 1: ordered before ['0']")
        self.assert_seen("two steps of a slot under way")

    def test_an_order_while_paused(self) -> None:
        self.plant(models.campaign, state="paused")
        self.plant(models.step, models.step.c.host == "h0", state="ready")
        self.order(state="dispatched")
        self.assert_seen("forward while {'paused'}")

    def test_an_order_to_a_closed_rack(self) -> None:
        self.plant(models.campaign, closed_to=[{"rack": "r0"}])
        self.order()
        self.assert_seen("closed by an operator")

    def test_an_undo_out_of_order(self) -> None:
        self.slot("h0", "b", "done")
        self.plant(models.slot, models.slot.c.id != "h0-b", state="reverting")
        self.assert_seen("undo: h0 a before ['h0']")

    def test_a_rollback_that_ends_too_early(self) -> None:
        self.plant(models.campaign, state="rolling_back")
        self.plant(models.campaign, state="rolled_back")
        self.assert_seen("rollback: rolled_back while ['h0', 'h1']")

    def test_a_campaign_that_is_not_done(self) -> None:
        self.plant(models.campaign, state="committed")
        self.assert_seen("done: a without ['h0', 'h1', 'h2', 'h3']")

    def test_a_host_that_carries_too_much(self) -> None:
        carried = {"h0": ["a/0", "a/1", "b/0", "b/1"]}
        self.plant(models.slot, models.slot.c.host == "h0", state="reverted")
        now = oracle.read(self.database)
        (found,) = trials.misplaced(self.run_of.trial.plan, now, carried)[:1]
        self.assertEqual("h0 is reverted and carries ['a/0', 'a/1']", found)

    def test_a_host_that_carries_too_little(self) -> None:
        self.plant(models.slot, models.slot.c.host == "h0", state="done")
        now = oracle.read(self.database)
        found = trials.misplaced(self.run_of.trial.plan, now, {"h0": ["a/1"]})
        self.assertIn("h0 is done and carries ['a/1']", found)

    def test_a_row_that_moves_without_a_line(self) -> None:
        self.assertEqual([], folding.unfolded(self.run_of.beds[0]))
        self.plant(models.slot, models.slot.c.host == "h0", state="done")
        self.assertIn("done, journal: active", folding.unfolded(self.run_of.beds[0])[0])

    def test_a_wait_without_a_reason(self) -> None:
        told = self.run_of.told()
        now = self.run_of.oracle.before
        self.assertEqual([], trials.unexplained(told, now))
        mute = {**told[-1], "reason": ""}
        self.assertEqual([mute], trials.unexplained([*told[:-1], mute], now))
        without = [each for each in told if each["host"] != "h0"]
        (slot,) = trials.unexplained(without, now)
        self.assertEqual("h0", slot.host)

    def test_a_campaign_that_stands_still(self) -> None:
        """Every message and every deadline is gone, and the step is in flight."""
        with self.database.begin() as connection:
            connection.execute(sa.delete(models.outbox))
        self.plant(models.step, lease_until=None)
        self.run_of.fleet._queue.clear()
        with self.assertRaisesRegex(AssertionError, "stands still while running"):
            self.run_of.settle()


class TestTheFleetSees(unittest.TestCase):
    """Negative controls: what no agent may be asked."""

    def setUp(self) -> None:
        self.fleet = simfleet.SimFleet([], 0)

    def order(self, effect: str, intent: str = "run", **more: Any) -> None:
        values: dict[str, Any] = {
            "step_id": f"{effect} {intent}",
            "campaign_id": "c",
            "host": "h0",
            "executor": "node",
            "kind": "action",
            "intent": intent,
            "action": "act",
            "params": {"effect": effect, "is_mutating": True},
            "attempt": 1,
            "fence": 1,
            "idempotence": "never",
            "is_resumed": False,
            "timeout_s": 3.0,
            "deadline_at": self.fleet.now + 3.0,
            "undo": {},
        }
        self.fleet.run(commands.RunStep(**{**values, **more}))
        self.fleet.due(self.fleet.now + 0.35)

    def test_a_repeat_in_doubt(self) -> None:
        self.order("a/0")
        self.order("a/0", attempt=2, fence=2)
        self.assertEqual(1, len(self.fleet.breaches), self.fleet.breaches)

    def test_a_repeat_of_what_is_known(self) -> None:
        self.order("a/0")
        self.fleet.due(self.fleet.now + 2.0)
        self.order("a/0", attempt=2, fence=2)
        self.assertEqual([], self.fleet.breaches)

    def test_an_undo_in_the_wrong_order(self) -> None:
        for effect, intent in (("a/0", "run"), ("a/1", "run"), ("a/0", "revert")):
            self.order(effect, intent)
            self.fleet.due(self.fleet.now + 2.0)
        self.assertEqual(["h0: a/0 undone before a/1"], self.fleet.breaches)

    def test_a_remedy_that_is_repeated(self) -> None:
        """Its agent knows that it is over, or is at it."""
        for wait_s in (2.0, 0.0):
            self.setUp()
            self.order("disk", "remedy")
            self.fleet.due(self.fleet.now + wait_s)
            self.order("disk", "remedy", attempt=2, fence=2)
            self.assertEqual(["h0 mended again without a doubt"], self.fleet.breaches)

    def test_a_remedy_in_doubt_is_repeated(self) -> None:
        doubt = simfleet.Trouble("h0", "disk", "remedy", "unknown")
        self.fleet = simfleet.SimFleet([doubt], 0)
        self.order("disk", "remedy")
        self.fleet.due(self.fleet.now + 2.0)
        self.order("disk", "remedy", attempt=2, fence=2)
        self.assertEqual([], self.fleet.breaches)
