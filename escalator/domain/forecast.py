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

from escalator.domain import play_hours, simulation, timing
from escalator.domain.plan import Plan, Procedure, Target

FEWEST, MOST = 20, 200
VISITS = 20_000
"""Visits that are played for the spread, about; each costs some 50 us."""


@dataclasses.dataclass(frozen=True, slots=True)
class Forecast:
    """:ivar timeline: with every step at its median.

    :ivar ends_s: when the campaign ends in each of the sampled runs, sorted.
    :ivar left: most hosts that nine of ten runs leave when the last window closes.
    :ivar closed: when nothing is begun, until the end at p90.
    """

    timeline: simulation.Forecast
    ends_s: tuple[float, ...]
    left: int = 0
    closed: tuple[play_hours.Closed, ...] = ()

    def end_s(self, share: float) -> float:
        """Return the nearest-rank percentile of the end, seconds."""
        return self.ends_s[_rank(share, self.ends_s)]


def _rank(share: float, values: Sequence[float]) -> int:
    return max(math.ceil(share * len(values)), 1) - 1


def make(
    plan: Plan,
    targets: Sequence[Target],
    learned: timing.Learned,
    seed: int,
    start_at: float = 0.0,
) -> Forecast:
    """Play the campaign once at its medians, and often with sampled times.

    :param start_at: epoch seconds; decides nothing but when windows are open.
    """
    ordered = sorted(targets, key=lambda each: each.name)

    def median(procedure: Procedure, target: Target) -> float:
        return timing.expected_s(procedure, target, learned)

    def play(duration: simulation.Duration) -> simulation.Forecast:
        calendar = play_hours.Calendar(plan.windows, start_at, learned)
        return simulation.simulate(plan, ordered, duration, calendar)

    timeline = play(median)
    runs = min(MOST, max(FEWEST, VISITS // max(len(timeline.visits), 1)))
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def sampled(procedure: Procedure, target: Target) -> float:
        return timing.sample_s(procedure, target, learned, chance)

    played = [play(sampled) for _ in range(runs)]
    left = sorted(len(each.left) for each in played)
    found = Forecast(
        timeline, tuple(sorted(each.end_s for each in played)), left[_rank(0.9, left)]
    )
    calendar = play_hours.Calendar(plan.windows, start_at, learned)
    return dataclasses.replace(found, closed=calendar.closed(found.end_s(0.9)))


def digest(
    plan: dict[str, Any],
    targets: Sequence[Target],
    learned: timing.Learned,
    seed: int,
    start_at: float = 0.0,
) -> str:
    """Return the SHA-256 of everything that a forecast depends on.

    :param plan: the plan as JSON object.
    :param start_at: counts only if the plan has change windows.
    """
    told = {
        "plan": plan,
        "inventory": [
            dataclasses.asdict(each) for each in sorted(targets, key=lambda t: t.name)
        ],
        "timings": sorted(
            [action, role, known.median_s, known.sigma, known.foreseen_s]
            for (action, role), known in learned.items()
        ),
        "seed": seed,
    }
    if plan.get("windows"):
        told["start_at"] = start_at
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
