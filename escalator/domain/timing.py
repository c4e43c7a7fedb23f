"""How long steps take: as the file expects, or as was learned.  Pure (P-4e)."""

import dataclasses
import math
import random
import statistics
from collections.abc import Mapping, Sequence

from escalator.domain.plan import Procedure, Step, Target

FEWEST_SAMPLES = 5
"""Fewer say less than the file does."""

EXPECTED_SIGMA = 0.3
"""Spread where nothing was learned: p90 is half as long again as expected.  The
file's word itself may be as wrong."""

_MOST_SIGMA = 1.5
_P90 = 1.2816
"""Standard deviations from the median to p90 of a normal distribution."""
_OF_MEDIAN = 1.2533
"""Standard error of a normal sample's median, in sigma / sqrt(n)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """A lognormal duration.

    :ivar median_s: seconds.
    :ivar sigma: standard deviation of its logarithm.
    :ivar doubt: the same of the median itself: an error that all attempts share.
    """

    median_s: float
    sigma: float
    doubt: float = 0.0

    def sample(self, chance: random.Random) -> float:
        """Return one duration, seconds."""
        return self.median_s * chance.lognormvariate(0.0, self.sigma)


Learned = Mapping[tuple[str, str], Timing]
"""(action, role of the host) -> timing."""


def fit(samples: Sequence[float]) -> Timing | None:
    """Return the timing of measured seconds; None if they are too few."""
    known = sorted(each for each in samples if each > 0.0)
    if len(known) < FEWEST_SAMPLES:
        return None
    median = statistics.median(known)
    p90 = known[max(math.ceil(0.9 * len(known)), 1) - 1]
    sigma = min(math.log(p90 / median) / _P90, _MOST_SIGMA)
    return Timing(median, sigma, _OF_MEDIAN * sigma / math.sqrt(len(known)))


def of_step(step: Step, target: Target, learned: Learned) -> Timing:
    """Return what was learned of the action on such a host, or the file's word."""
    return of_action(step, step.action, target, learned)


def of_action(step: Step, action: str, target: Target, learned: Learned) -> Timing:
    """Return the timing of a step's action, or of the one that undoes it."""
    known = learned.get((action, target.role))
    return known or Timing(step.expected_s, EXPECTED_SIGMA, EXPECTED_SIGMA)


def expected_s(procedure: Procedure, target: Target, learned: Learned) -> float:
    """Return the median of a whole visit, as the sum of its steps' medians."""
    return sum(of_step(each, target, learned).median_s for each in procedure.steps)


def undo_s(procedure: Procedure) -> float:
    """Return the expected seconds to undo one target: as long as its steps took."""
    return sum(step.expected_s for step in procedure.steps if step.undo)


def longest_s(
    procedure: Procedure, target: Target, learned: Learned, is_rehearsed: bool = False
) -> float:
    """Return what a visit hardly ever takes longer than.

    The p90 of each step, at most its timeout; their sum lies above the p90 of the sum.

    :param is_rehearsed: the visit goes there, back and there again.
    """
    found = 0.0
    for step in procedure.steps:
        known = of_step(step, target, learned)
        p90_s = known.median_s * math.exp(_P90 * known.sigma)
        found += min(p90_s, step.timeout_s)
    return 2 * found + undo_s(procedure) if is_rehearsed else found


def sample_s(
    procedure: Procedure, target: Target, learned: Learned, chance: random.Random
) -> float:
    """Return one duration of a whole visit."""
    return sum(of_step(s, target, learned).sample(chance) for s in procedure.steps)
