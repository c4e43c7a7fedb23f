"""Predicted ends of campaigns against actual ones (P-2).

    python -m tests.bench.whatif --campaigns 50 --json FILE

Random campaigns run one after another through the real engine on SQLite, with agents
that take times and fail as a hidden world says.  Before each one its end is
predicted from what the earlier ones left in the database; the file's own expected
times are wrong by up to a factor of two.  The clock leaps over idle time, and
while the engine works it runs as fast as the machine's (``--overhead`` times): the
engine costs a campaign what it costs in production, not more for the haste.
Goal: 85 to 95 % of the actual ends lie below the predicted p90.
"""

import argparse
import dataclasses
import heapq
import itertools
import json
import math
import pathlib
import random
import time
from collections import Counter
from typing import Any

import sqlalchemy as sa

from escalator.conductor import foreseeing
from escalator.db import models, tokens, work
from escalator.domain import commands, events, forecast, plan, states, what_if
from tests.bench import figures
from tests.fixtures import engine as beds
from tests.fixtures import simfleet, watched

LOW, HIGH = 0.85, 0.95
TICK_S = 0.5
"""As ``[conductor] tick_s``."""

SILENCE_S = 1e6
"""Agents are never silent here: no lease runs out."""

OVER = ("holding", *sorted(state.value for state in states.ENDED))


@dataclasses.dataclass(frozen=True)
class Truth:
    """How one action really behaves."""

    median_s: float
    sigma: float
    transient: float
    permanent: float


class World:
    """What nobody tells the engine.

    :param spread: of hosts: standard deviation of the logarithm of their slowness.
    :param faults: so many times the usual failures.
    """

    def __init__(self, seed: int, spread: float, faults: float) -> None:
        self.chance = random.Random(seed)
        draw = self.chance
        self.spread = spread
        self.actions = {
            f"act-{number}": Truth(
                3.0 * 20.0 ** draw.random(),
                draw.uniform(0.15, 0.6),
                faults * draw.choice((0.0, 0.02, 0.05)),
                faults * draw.choice((0.0, 0.0, 0.003, 0.01)),
            )
            for number in range(10)
        }
        self.actions |= {f"undo-{name}": t for name, t in self.actions.items()}

    def hosts(self) -> list[dict[str, Any]]:
        """Return a fleet's rows."""
        racks = self.chance.randint(2, 4)
        return [
            {
                "name": f"h{at:03d}",
                "address": f"10.0.0.{at + 1}",
                "role": "compute",
                "rack": f"r{at % racks}",
                "tags": [],
                "groups": [],
                "server_groups": [f"g{at // 3}"],
                "instances": 5,
                "state": "up",
                "facts": {},
                "agent_seen_at": 4e9,
                "is_listed": True,
            }
            for at in range(self.chance.randint(6, 20))
        ]

    def campaign(self) -> plan.Plan:
        """Return a campaign."""
        draw = self.chance
        budgets = (
            plan.Budget("rack", "fact", "rack", max_down=draw.randint(1, 3)),
            plan.Budget("group", "server_group", max_down=1),
        )
        ladder = [
            plan.Rung("retry", ("transient",), draw.randint(1, 3), 2.0),
            *([plan.Rung("compensate")] if draw.random() < 0.7 else []),
            plan.Rung(
                draw.choice(("rollback", "quarantine", "hold")),
                scope=draw.choice(("procedure", "campaign")),
            ),
        ]
        procedures = tuple(
            plan.Procedure(
                id=name,
                level=draw.choice((10, 20)),
                after=(),
                selector="computes",
                method="rolling",
                parallel=draw.randint(1, 5),
                budgets=("rack", "group"),
                steps=tuple(self._step(at) for at in range(draw.randint(2, 4))),
                ladder=tuple(ladder),
            )
            for name in "ab"[: draw.randint(1, 2)]
        )
        if len({each.level for each in procedures}) < len(procedures):
            procedures = procedures[:1]
        return beds.rolling_plan(budgets=budgets, procedures=procedures)

    def _step(self, at: int) -> plan.Step:
        name = f"act-{self.chance.randrange(10)}"
        said = self.actions[name].median_s * 2.0 ** self.chance.uniform(-1, 1)
        return dataclasses.replace(
            beds.step(f"s{at}", name, f"undo-{name}"),
            expected_s=said,
            timeout_s=600.0,
            idempotence="natural",
        )


class Fleet:
    """Agents that take their time; each order ends once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = lambda: 0.0
        self._slow: dict[str, float] = {}
        self._queue: list[tuple[float, int, events.StepReported]] = []
        self._ticket = itertools.count()

    def renew(self) -> None:
        """Forget hosts and orders: another fleet."""
        self._slow.clear()
        self._queue.clear()

    def run(self, order: commands.RunStep) -> None:
        """Take an order."""
        draw, truth = self.world.chance, self.world.actions[order.action]
        slow = self._slow.setdefault(
            order.host, draw.lognormvariate(0.0, self.world.spread)
        )
        seconds = truth.median_s * draw.lognormvariate(0.0, truth.sigma) * slow
        outcome, failure, at = events.Outcome.DONE, "", draw.random()
        if at < truth.transient + truth.permanent:
            outcome = events.Outcome.FAILED
            failure = "transient" if at < truth.transient else "permanent"
            seconds *= draw.random()
        report = simfleet.report_of(order, outcome, failure)
        latency_s = draw.lognormvariate(math.log(0.02), 0.5)
        ends = self.now() + min(seconds, order.timeout_s) + latency_s
        heapq.heappush(self._queue, (ends, next(self._ticket), report))

    def probe(self, probe: commands.ProbeStep) -> None:
        """Nobody asks: no lease runs out."""
        raise AssertionError(f"{probe.host} was probed")

    def stop(self, stop: commands.StopStep) -> None:
        """Nobody stops a step: nothing is paused."""
        raise AssertionError(f"{stop.host} was stopped")

    def next_at(self) -> float | None:
        """Return when the next report comes."""
        return self._queue[0][0] if self._queue else None

    def due(self, now: float) -> list[events.StepReported]:
        """Return the reports up to now."""
        found = []
        while self._queue and self._queue[0][0] <= now:
            found.append(heapq.heappop(self._queue)[2])
        return found


class LeapingDatabase(watched.WatchedDatabase):
    """Its clock leaps while nothing happens and runs while the engine works."""

    def __init__(self, overhead: float) -> None:
        super().__init__()
        self.overhead = overhead
        self.busy_s = 0.0
        self._since = time.perf_counter()

    def now(self, connection: Any = None) -> float:
        worked = time.perf_counter() - self._since
        return self.seconds + worked * self.overhead

    def leap(self, to: float) -> None:
        """Let time pass; what was worked meanwhile has passed as well."""
        worked = time.perf_counter() - self._since
        self.busy_s += worked
        self.seconds = max(self.seconds + worked * self.overhead, to)
        self._since = time.perf_counter()

    def rest(self) -> None:
        """Let what the bench itself does cost nothing."""
        self._since = time.perf_counter()


class Bench:
    """One campaign after another; the database keeps what was learned."""

    def __init__(self, world: World, overhead: float) -> None:
        self.world = world
        self.database = LeapingDatabase(overhead)
        self.fleet = Fleet(self.world)
        self.fleet.now = self.database.now
        quick = beds.settings(lease_s=SILENCE_S, outbox_retry_s=SILENCE_S)
        self.bed = beds.EngineBed(self.database, self.fleet, chosen=quick)
        self.bed.engine.wake = self._wake
        self._is_due = True

    def _wake(self) -> None:
        self._is_due = True

    def prepare(self) -> tuple[plan.Plan, list[plan.Target]]:
        """Take another fleet and another plan; steps and journal stay."""
        self.fleet.renew()
        made = self.world.campaign()
        over = {"state": "cancelled"}
        with self.database.begin() as connection:
            connection.execute(sa.update(models.campaign).values(**over))
            for table in (models.host, models.token_hold, models.outbox):
                connection.execute(sa.delete(table))
            connection.execute(sa.insert(models.host), self.world.hosts())
            targets = tokens.read_targets(connection, None, 0.0)
        return made, targets

    def predict(self, made: plan.Plan, targets: list[plan.Target], seed: int) -> Any:
        """Return the prediction, and the forecast in which nothing fails."""
        with self.database.begin() as connection:
            setting = foreseeing.read(connection, made, targets, TICK_S, SILENCE_S)
        plain = forecast.make(made, targets, setting.learned, seed)
        return what_if.predict(setting, seed, runs=200), plain

    def run(self, made: plan.Plan) -> tuple[str, float]:
        """Run a campaign; returns its last state and seconds."""
        database = self.database
        database.rest()
        campaign_id = beds.start_campaign(self.bed, made)
        began, tick, state = database.now(), 0.0, ""
        self._is_due = True
        while True:
            reports = self.fleet.due(database.now())
            if reports:
                self.bed.results.apply(reports)
                if state == "rolling_back":
                    # An undone slot of it is seen at the next look, unasked for.
                    tick = tick or self._tick_after(database.now(), began)
            elif self._is_due or database.now() >= tick > 0.0:
                self._is_due, tick = False, 0.0
                self.bed.execution.look_at_all()
                before, state = state, self._state(campaign_id)
                if state in OVER:
                    return state, database.now() - began
                if state != before:
                    # What has begun with nothing left to report goes on unasked for.
                    tick = self._tick_after(database.now(), began)
            else:
                database.leap(database.seconds)
                deadline = self._next_tick(began)
                tick = min(tick, deadline) if tick and deadline else tick or deadline
                times = [each for each in (self.fleet.next_at(), tick) if each]
                if not times:
                    return "waiting", database.now() - began
                database.leap(min(times))

    def _next_tick(self, began: float) -> float:
        """Return the look at which the next deadline is seen, 0 without any."""
        deadline = self.database.next_deadline()
        if deadline is None or deadline > began + SILENCE_S / 2:
            return 0.0
        return self._tick_after(deadline, began)

    def _tick_after(self, at: float, began: float) -> float:
        return began + (math.floor((at - began) / TICK_S) + 1) * TICK_S

    def _state(self, campaign_id: str) -> str:
        with self.database.begin() as connection:
            row = work.read_campaign(connection, campaign_id)
            assert row is not None
            return str(row["state"])


def measure(bench: Bench, campaigns: int, earlier: int) -> dict[str, Any]:
    """Run all and return the figures."""
    told: list[dict[str, Any]] = []
    for number in range(earlier + campaigns):
        made, targets = bench.prepare()
        found, plain = bench.predict(made, targets, number)
        state, seconds = bench.run(made)
        if number < earlier:
            continue
        one = {
            "hosts": len(targets),
            "state": state,
            "actual_s": round(seconds, 1),
            "plan_p90_s": round(plain.end_s(0.9), 1),
            "outcomes": found.outcomes(),
        }
        for name, share in foreseeing.SHARES.items():
            one[f"{name}_s"] = round(found.end_s(share), 1)
        told.append(one)
    return {"campaigns": told, "engine_s": round(bench.database.busy_s, 1)}


def judge(told: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how often the actual end lies below each predicted percentile."""
    count = len(told)

    def share(name: str) -> float:
        return round(sum(e["actual_s"] <= e[f"{name}_s"] for e in told) / count, 3)

    states_met = Counter(each["state"] for each in told)
    expected: Counter[str] = Counter()
    for each in told:
        expected.update(each["outcomes"])
    return {
        "below": {name: share(name) for name in (*foreseeing.SHARES, "plan_p90")},
        "actual": dict(sorted(states_met.items())),
        "predicted": {k: round(v, 1) for k, v in sorted(expected.items())},
        "is_met": LOW <= share("p90") <= HIGH,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--campaigns", type=int, default=50)
    parser.add_argument("--earlier", type=int, default=10)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--overhead", type=float, default=1.0)
    parser.add_argument("--spread", type=float, default=0.1)
    parser.add_argument("--faults", type=float, default=1.0)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    world = World(options.seed, options.spread, options.faults)
    bench = Bench(world, options.overhead)
    began = time.perf_counter()
    found = measure(bench, options.campaigns, options.earlier)
    told = {
        "machine": figures.machine(),
        "elapsed_s": round(time.perf_counter() - began, 1),
        "earlier": options.earlier,
        "overhead": options.overhead,
        "spread": options.spread,
        "faults": options.faults,
        "seed": options.seed,
        **judge(found["campaigns"]),
        **found,
    }
    brief = {name: value for name, value in told.items() if name != "campaigns"}
    print(json.dumps(brief), flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
