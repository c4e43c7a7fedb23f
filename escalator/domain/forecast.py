"""What a plan will do: order, times, who is out when.  Pure (P-0).

Nothing but the arguments decides: the same plan, inventory, timings and seed
give the same forecast and the same digest.
"""

import dataclasses
import hashlib
import json
import math
import random
from collections.abc import Sequence
from typing import Any

from escalator.domain import simulation, timing
from escalator.domain.plan import Plan, Procedure, Target

FEWEST, MOST = 20, 200
VISITS = 20_000
"""Visits that are played for the spread, about; each costs some 50 us."""


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """:ivar timeline: with every step at its median.

    :ivar ends_s: when the campaign ends in each of the sampled runs, sorted.
    """

    timeline: simulation.Forecast
    ends_s: tuple[float, ...]

    def end_s(self, share: float) -> float:
        """Return the nearest-rank percentile of the end, seconds."""
        return self.ends_s[max(math.ceil(share * len(self.ends_s)), 1) - 1]


def make(
    plan: Plan, targets: Sequence[Target], learned: timing.Learned, seed: int
) -> Forecast:
    """Play the campaign once at its medians, and often with sampled times."""
    ordered = sorted(targets, key=lambda each: each.name)

    def median(procedure: Procedure, target: Target) -> float:
        return timing.expected_s(procedure, target, learned)

    timeline = simulation.simulate(plan, ordered, median)
    runs = min(MOST, max(FEWEST, VISITS // max(len(timeline.visits), 1)))
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def sampled(procedure: Procedure, target: Target) -> float:
        return timing.sample_s(procedure, target, learned, chance)

    ends = [simulation.simulate(plan, ordered, sampled).end_s for _ in range(runs)]
    return Forecast(timeline, tuple(sorted(ends)))


def digest(
    plan: dict[str, Any],
    targets: Sequence[Target],
    learned: timing.Learned,
    seed: int,
) -> str:
    """Return the SHA-256 of everything that a forecast depends on.

    :param plan: the plan as JSON object.
    """
    told = {
        "plan": plan,
        "inventory": [
            dataclasses.asdict(each) for each in sorted(targets, key=lambda t: t.name)
        ],
        "timings": sorted(
            [action, role, known.median_s, known.sigma]
            for (action, role), known in learned.items()
        ),
        "seed": seed,
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
