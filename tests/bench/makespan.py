"""How long a campaign takes with tokens, against lists with barriers (E-0, E-1).

    python -m tests.bench.makespan --json FILE

400 hosts, 20 a rack, 12 instances each, 60 % of them in anti-affinity groups of 2
to 8; a host takes a lognormal time around 26 minutes and its drain.  The same
durations for both: first-fit lists of at most ``cap`` hosts without a common
group, each list ending with its slowest host, as in most host-by-host
orchestrators; and our admission, one member of a group out at a time as well.
Goals: 34 % shorter at cap 10, 40 % at cap 40.
"""

import argparse
import json
import pathlib
import random
import statistics
from typing import Any

from escalator.domain import plan, simulation
from tests.bench import figures
from tests.fixtures import engine as beds

HOSTS, A_RACK, INSTANCES = 400, 20, 12
GROUPED = 0.6
MEDIAN_S, SIGMA = 26 * 60.0, 0.35
DRAIN_S = 24.0
"""For each instance."""

GOALS = {10: 0.34, 40: 0.40}


def fleet(chance: random.Random) -> list[plan.Target]:
    """Return hosts with anti-affinity groups over distinct hosts."""
    groups: list[set[str]] = [set() for _ in range(HOSTS)]
    left = round(HOSTS * INSTANCES * GROUPED)
    number = 0
    while left > 1:
        members = min(round(chance.triangular(2, 8, 3)), left)
        for host in chance.sample(range(HOSTS), members):
            groups[host].add(f"g{number}")
        number += 1
        left -= members
    return [
        plan.Target(
            f"h{at:03d}",
            role="compute",
            rack=f"r{at // A_RACK}",
            server_groups=tuple(sorted(groups[at])),
            instances=INSTANCES,
        )
        for at in range(HOSTS)
    ]


def campaign(cap: int) -> plan.Plan:
    """Return a rolling campaign that holds one member of a group at a time."""
    made = beds.rolling_plan(
        parallel=cap, budgets=(plan.Budget("group", "server_group", max_down=1),)
    )
    procedures = tuple(
        plan.Procedure(
            **{
                **{name: getattr(each, name) for name in each.__slots__},
                "budgets": ("group",),
            }
        )
        for each in made.procedures
    )
    return beds.rolling_plan(budgets=made.budgets, procedures=procedures)


def lists(
    targets: list[plan.Target], cap: int, took: dict[str, float]
) -> tuple[float, int]:
    """Return seconds and count of first-fit lists with a barrier after each."""
    filled: list[tuple[list[str], set[str]]] = []
    for target in targets:
        mine = set(target.server_groups)
        for hosts, groups in filled:
            if len(hosts) < cap and not groups & mine:
                hosts.append(target.name)
                groups |= mine
                break
        else:
            filled.append(([target.name], mine))
    return sum(max(took[h] for h in hosts) for hosts, _ in filled), len(filled)


def measure(seed: int, cap: int) -> dict[str, float]:
    """Return hours of both ways on one fleet."""
    chance = random.Random(seed)
    targets = fleet(chance)
    took = {
        each.name: chance.lognormvariate(0.0, SIGMA) * MEDIAN_S
        + DRAIN_S * each.instances
        for each in targets
    }
    barrier_s, count = lists(targets, cap, took)
    forecast = simulation.simulate(
        campaign(cap), targets, lambda procedure, target: took[target.name]
    )
    assert len(forecast.visits) == HOSTS and not forecast.stuck
    assert not unsafe(forecast, targets)
    return {
        "lists_h": barrier_s / 3600,
        "lists": count,
        "tokens_h": forecast.end_s / 3600,
        "saved": 1 - forecast.end_s / barrier_s,
    }


def unsafe(
    forecast: simulation.Forecast, targets: list[plan.Target]
) -> list[tuple[str, str]]:
    """Return pairs of hosts that are out together and share a group."""
    groups = {each.name: set(each.server_groups) for each in targets}
    found = []
    open_visits: list[simulation.Visit] = []
    for visit in forecast.visits:
        open_visits = [each for each in open_visits if each.end_s > visit.start_s]
        found += [
            (each.host, visit.host)
            for each in open_visits
            if groups[each.host] & groups[visit.host]
        ]
        open_visits.append(visit)
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    told: dict[str, Any] = {"machine": figures.machine(), "cells": []}
    for cap, goal in GOALS.items():
        runs = [measure(seed, cap) for seed in range(options.seeds)]
        mean = {name: statistics.fmean(run[name] for run in runs) for name in runs[0]}
        cell = {"cap": cap, **{name: round(v, 3) for name, v in mean.items()}}
        cell |= {"goal": goal, "is_met": mean["saved"] >= goal}
        told["cells"].append(cell)
        print(json.dumps(cell), flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
