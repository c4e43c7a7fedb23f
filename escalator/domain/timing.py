"""How long steps take: as the file expects, or as was learned.  Pure (P-4e).

What the file expects may depend on the host (``domain.expression``).
"""

import dataclasses
import math
import random
import statistics
from collections.abc import Mapping, Sequence

from escalator.domain import draining, expression
from escalator.domain.plan import Procedure, Step, Target

FEWEST_SAMPLES = 5
"""Fewer say less than the file does."""

EXPECTED_SIGMA = 0.3
"""Spread where nothing was learned: p90 is half as long again as expected.  The
file's word itself may be as wrong."""

LEAST_TIMEOUT_S = 1.0
MOST_S = 365 * 86400.0
"""Bounds of what an expression gives: the rules try it with some hosts, not all."""

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
    :ivar foreseen_s: of what was learned: what the files expected of these attempts,
        their median; 0: unknown.
    """

    median_s: float
    sigma: float
    doubt: float = 0.0
    foreseen_s: float = 0.0

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


def is_constant(procedure: Procedure) -> bool:
    """Say whether the times of all steps are the same on every host."""
    for each in procedure.steps:  # Asked for every visit: half as long as any().
        if each.expected or each.timeout:
            return False
    return True


def of_host(procedure: Procedure, target: Target) -> Procedure:
    """Return the procedure with the times that its steps take on a host.

    Steps behind a drain find no instances.  Constant times cost nothing: then it is
    the same object.
    """
    if is_constant(procedure):
        return procedure
    steps, instances = [], target.instances
    for each in procedure.steps:
        steps.append(with_instances(each, instances))
        if each.action in draining.ACTIONS:
            instances = 0
    return dataclasses.replace(procedure, steps=tuple(steps))


def with_instances(step: Step, instances: int) -> Step:
    """Return a step with the times that it takes with so many instances on its host.

    No time is negative, and a timeout that is an expression is not below what is
    expected, nor below :data:`LEAST_TIMEOUT_S`.
    """
    expected_s, timeout_s = step.expected_s, step.timeout_s
    if step.expected:
        found = expression.parse(step.expected).seconds(instances)
        expected_s = min(max(0.0, found), MOST_S)
    if step.timeout:
        found = expression.parse(step.timeout).seconds(instances)
        timeout_s = min(max(LEAST_TIMEOUT_S, expected_s, found), MOST_S)
    return dataclasses.replace(step, expected_s=expected_s, timeout_s=timeout_s)


def of_step(step: Step, target: Target, learned: Learned) -> Timing:
    """Return what was learned of the action on such a host, or the file's word."""
    return of_action(step, step.action, target, learned)


def of_action(step: Step, action: str, target: Target, learned: Learned) -> Timing:
    """Return the timing of a step's action, or of the one that undoes it.

    What was learned is the median of many hosts.  If the file says how they differ, it
    is taken as much longer or shorter as the file expects of this one.

    :param step: as :func:`of_host` returns it.
    """
    known = learned.get((action, target.role))
    if known is None:
        return Timing(step.expected_s, EXPECTED_SIGMA, EXPECTED_SIGMA)
    if step.expected and known.foreseen_s:
        median_s = known.median_s * step.expected_s / known.foreseen_s
        return dataclasses.replace(known, median_s=median_s)
    return known


def expected_s(procedure: Procedure, target: Target, learned: Learned) -> float:
    """Return the median of a whole visit, as the sum of its steps' medians."""
    steps = of_host(procedure, target).steps
    return sum(of_step(each, target, learned).median_s for each in steps)


def undo_s(procedure: Procedure, target: Target) -> float:
    """Return the expected seconds to undo one target: as long as its steps took."""
    steps = of_host(procedure, target).steps
    return sum(step.expected_s for step in steps if step.undo)


def longest_s(
    procedure: Procedure, target: Target, learned: Learned, is_rehearsed: bool = False
) -> float:
    """Return what a visit hardly ever takes longer than.

    The p90 of each step, at most its timeout; their sum lies above the p90 of the sum.

    :param is_rehearsed: the visit goes there, back and there again.
    """
    found = 0.0
    for step in of_host(procedure, target).steps:
        known = of_step(step, target, learned)
        p90_s = known.median_s * math.exp(_P90 * known.sigma)
        found += min(p90_s, step.timeout_s)
    return 2 * found + undo_s(procedure, target) if is_rehearsed else found


def sample_s(
    procedure: Procedure, target: Target, learned: Learned, chance: random.Random
) -> float:
    """Return one duration of a whole visit."""
    steps = of_host(procedure, target).steps
    return sum(of_step(each, target, learned).sample(chance) for each in steps)
