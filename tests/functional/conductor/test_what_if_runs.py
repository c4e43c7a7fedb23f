"""Simulated runs and the engine's own, with the same fates (P-2, P-4c, R-2)."""

import collections
import dataclasses
import heapq
import os
import random
import unittest
import uuid
from unittest import mock

from escalator.conductor import foreseeing
from escalator.domain import events, fault_library, plan, play, play_campaign
from tests.bench import whatif
from tests.fixtures import engine as beds
from tests.fixtures import simfleet

TRIALS = int(os.environ.get("ESCALATOR_RANDOM_RUNS", "0")) or 12
TICK_S = 1e-3
CLASSES = ("transient", "permanent", "verification")
CHECKPOINT = beds.step(
    "save", "save", kind="checkpoint", checkpoint="cp", covers=("*",), timeout_s=1000.0
)


class Fates:
    """What becomes of the n-th attempt of a step on a host; the same for all."""

    def __init__(self, seed, share):
        self.seed = seed
        self.share = share
        self.attempts = collections.Counter()

    def next(self, host, effect, intent):
        """Return seconds and failure class."""
        key = (host, effect, intent)
        self.attempts[key] += 1
        chance = random.Random(f"{self.seed}/{key}/{self.attempts[key]}")
        seconds = chance.uniform(1.0, 60.0)
        # Undos fail less often, or no rollback would ever end well.
        share = self.share if intent == "run" else self.share / 10
        if (effect.partition("/")[2], intent) == (CHECKPOINT.id, "run"):
            share = 0.0  # Nothing is done yet that could be undone.
        return seconds, chance.choice(CLASSES) if chance.random() < share else ""


class ScriptedFleet(whatif.Fleet):
    """Agents to whom happens what is written."""

    def __init__(self, world, fates, faults):
        super().__init__(world)
        self.fates = fates
        self.faults = faults

    def die(self, host, at):
        """Let a host die at a moment."""
        heapq.heappush(self._queue, (at, next(self._ticket), host))

    def next_at(self):
        """Return when the next report comes; a death alone ends no wait."""
        reports = any(not isinstance(each, str) for _, _, each in self._queue)
        return super().next_at() if reports else None

    def due(self, now):
        """Return the reports up to now; tell of hosts that died."""
        found = super().due(now)
        for host in (each for each in found if isinstance(each, str)):
            fault = events.Fault(str(uuid.uuid4()), host, "host.down", "critical", {})
            impact = events.Impact(fault, (), True, {})
            event = events.HostMarkedDown(str(uuid.uuid4()), (impact,))
            self.faults.apply_down(event)
        return [each for each in found if not isinstance(each, str)]

    def run(self, order):
        effect = order.params["effect"]
        seconds, failure = self.fates.next(order.host, effect, order.intent)
        outcome = events.Outcome.FAILED if failure else events.Outcome.DONE
        report = simfleet.report_of(order, outcome, failure)
        ends = self.now() + seconds
        heapq.heappush(self._queue, (ends, next(self._ticket), report))


class ScriptedWorld(whatif.World):
    """Campaigns of which every step can be told apart."""

    def campaign(self):
        draw = self.chance
        made = super().campaign()
        procedures = tuple(
            dataclasses.replace(
                each,
                steps=tuple(
                    _named(each.id, step) for step in (CHECKPOINT, *each.steps)
                ),
                ladder=(
                    plan.Rung("retry", ("transient",), draw.randint(1, 2), 2.0),
                    *([plan.Rung("compensate")] if draw.random() < 0.6 else []),
                    *([plan.Rung("restore")] if draw.random() < 0.6 else []),
                    plan.Rung(
                        draw.choice(("rollback", "rollback", "quarantine", "hold")),
                        scope=draw.choice(("procedure", "campaign")),
                    ),
                ),
            )
            for each in made.procedures
        )
        return dataclasses.replace(
            made,
            procedures=procedures,
            on_fault=plan.FaultPolicy(draw.choice(("rollback", "hold", "ignore"))),
            max_quarantined=draw.choice((None, 0, 1, 2)),
            soak_s=draw.choice((0.0, 100.0)),
        )


def _named(procedure, step):
    params = {"effect": f"{procedure}/{step.id}"}
    undo = (plan.Undo("undo", "node", params),) if step.is_mutating else ()
    return dataclasses.replace(step, params=params, undo=undo)


class TestTheSameFates(unittest.TestCase):
    def test_every_run_ends_as_the_engine_ends_it(self):
        """Same state, same moment, whatever fails; no clock but the script's."""
        ends = collections.Counter()
        for seed in range(TRIALS):
            share = random.Random(seed).choice((0.0, 0.01, 0.03, 0.1))
            with self.subTest(seed=seed, share=share):
                told, foreseen = self.play(seed, share)
                self.assertEqual(told[0], foreseen[0])
                self.assertAlmostEqual(told[1], foreseen[1], delta=0.5)
                ends[told[0]] += 1
        self.assertGreater(len(ends), 2, ends)

    def deaths(self, seed, targets):
        """Return host -> when it dies, in every other trial."""
        chance = random.Random(-seed)
        dying = chance.sample(targets, min(seed % 2 * 2, len(targets)))
        return {each.name: chance.uniform(1.0, 300.0) for each in dying}

    def play(self, seed, share):
        """Return state and end, of the engine and of the simulation."""
        world = ScriptedWorld(seed, 0.0, 1.0)
        bench = whatif.Bench(world, overhead=0.0)
        self.addCleanup(bench.database.dispose)
        fleet = ScriptedFleet(world, Fates(seed, share), bench.bed.faults)
        fleet.now = bench.database.now
        bench.fleet = bench.bed.fleet = fleet
        made, targets = bench.prepare()
        with bench.database.begin() as connection:
            setting = foreseeing.read(connection, made, targets, 0.0, 0.0)
        deaths = self.deaths(seed, targets)
        for host, at in deaths.items():
            fleet.die(host, bench.database.now() + at)
        with mock.patch.object(whatif, "TICK_S", TICK_S):
            told = bench.run(made)
        dying = iter([deaths.get(each.name) for each in setting.targets])
        fates = Fates(seed, share)

        def fate(world, slot):
            effect = f"{slot.procedure.id}/{slot.step.id}"
            back = "restore" if slot.step.kind == "checkpoint" else "revert"
            intent = back if slot.undo else "run"
            return fault_library.Fate(*fates.next(slot.target.name, effect, intent))

        library = mock.patch.object(
            fault_library.Library, "death_s", lambda library, chance: next(dying)
        )
        with library, mock.patch.object(play.World, "fate", fate):
            run = play_campaign.play(setting, random.Random(seed))
        return told, (str(run.outcome), run.end_s)
