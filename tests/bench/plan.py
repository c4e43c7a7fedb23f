"""Planning 5,000 hosts x 8 steps: seconds and memory (P-0).

    python -m tests.bench.plan --hosts 5000 --json FILE

The inventory is selected, and the campaign played forward once for its timeline and
twenty times for its spread.
Goals: 10 s, 500 MB.
"""

import argparse
import json
import pathlib
import random
import resource
import time
from typing import Any

from escalator.domain import plan, simulation
from tests.bench import figures
from tests.fixtures import engine as beds

GOAL_S, GOAL_MIB = 10.0, 500.0
SAMPLES = 20
SIGMA = 0.3


def fleet(count: int, chance: random.Random) -> list[plan.Target]:
    """Return hosts, 20 a rack, with four anti-affinity groups each."""
    return [
        plan.Target(
            f"h{at:05d}",
            role="compute",
            rack=f"r{at // 20}",
            server_groups=tuple(f"g{chance.randrange(count)}" for _ in range(4)),
            instances=12,
        )
        for at in range(count)
    ]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    chance = random.Random(20261121)
    steps = (*beds.ROLLING, beds.step("tune", "tune"), beds.step("look", "look"))
    made = beds.rolling_plan(parallel=200, steps=steps)
    targets = fleet(options.hosts, chance)
    expected = sum(each.expected_s for each in steps)

    began = time.perf_counter()
    forecast = simulation.simulate(made, targets, lambda p, t: expected)
    once_s = time.perf_counter() - began
    ends = []
    for _ in range(SAMPLES):
        found = simulation.simulate(
            made, targets, lambda p, t: chance.lognormvariate(0.0, SIGMA) * expected
        )
        ends.append(found.end_s)
    elapsed_s = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told: dict[str, Any] = {
        "machine": figures.machine(),
        "hosts": options.hosts,
        "steps": len(steps),
        "visits": len(forecast.visits),
        "once_s": round(once_s, 2),
        "samples": SAMPLES,
        "elapsed_s": round(elapsed_s, 2),
        "peak_mib": round(peak, 1),
        "is_met": elapsed_s < GOAL_S and peak < GOAL_MIB,
    }
    print(json.dumps(told), flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
