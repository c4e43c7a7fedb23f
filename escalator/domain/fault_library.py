"""What may go wrong in a campaign, and how often.  Pure (P-2, V-1).

Rates come from earlier campaigns (``db.timings``) or from the operator's
question (``domain.what_if``); without either nothing fails.
"""

import dataclasses
import random
from collections.abc import Mapping, Sequence

from escalator.domain.plan import Step, Target
from escalator.domain.timing import Timing, fit

CLASSES = ("transient", "permanent", "verification", "timeout", "hung", "lost")
"""Failure classes, as ladders answer to them."""

HOUR_S = 3600.0

PRIOR = 20
"""Attempts that the experience with all actions together weighs."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """How often one attempt fails in one way.

    :ivar probability: of one attempt, 0 to 1.
    :ivar after: how long a failing attempt takes; None: a part of what it would
        have taken, any part as likely as any other.
    """

    failure_class: str
    probability: float
    after: Timing | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one attempt.

    :ivar failure_class: empty if it succeeds.
    """

    seconds: float
    failure_class: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Library:
    """:ivar rates: action -> how it fails, each way apart.
    :ivar others: of actions that are not in ``rates``.
    :ivar steps: the same by step id; takes the place of its action's.
    :ivar deaths: hosts that die, per 1000 host-hours.
    :ivar slow_share: of the hosts, 0 to 1; they take ``slow_factor`` times as
        long for everything.
    :ivar recovery_s: seconds until the instances of a dead host run elsewhere.
    """

    rates: Mapping[str, tuple[Rate, ...]] = dataclasses.field(default_factory=dict)
    others: tuple[Rate, ...] = ()
    steps: Mapping[str, tuple[Rate, ...]] = dataclasses.field(default_factory=dict)
    deaths: float = 0.0
    slow_share: float = 0.0
    slow_factor: float = 1.0
    recovery_s: float = 300.0

    def rates_of(self, step: Step, action: str) -> tuple[Rate, ...]:
        """Return the rates of a step, or of its undo (another action)."""
        if action == step.action and step.id in self.steps:
            return self.steps[step.id]
        return self.rates.get(action, self.others)

    def death_s(self, chance: random.Random) -> float | None:
        """Return when one host dies, seconds from the start; None: never."""
        if not self.deaths:
            return None
        return chance.expovariate(self.deaths / (1000.0 * HOUR_S))

    def slowness(self, target: Target, chance: random.Random) -> float:
        """Return by how much a host is slower than others."""
        if self.slow_share and chance.random() < self.slow_share:
            return self.slow_factor
        return 1.0

    def fate(
        self,
        step: Step,
        action: str,
        timing: Timing,
        slowness: float,
        chance: random.Random,
    ) -> Fate:
        """Draw what becomes of one attempt.

        :param timing: of attempts that succeed.
        """
        seconds = timing.sample(chance) * slowness
        drawn = chance.random()
        for rate in self.rates_of(step, action):
            drawn -= rate.probability
            if drawn < 0.0:
                return _failed(step, rate, seconds, chance)
        if seconds > step.timeout_s:
            return Fate(step.timeout_s, "timeout")
        return Fate(seconds)


def learn(
    attempts: Mapping[str, int], failures: Mapping[tuple[str, str], Sequence[float]]
) -> Library:
    """Return what earlier campaigns teach (pure).

    An action that never failed in thirty attempts may fail in the next one: each
    is judged as if it had been tried ``PRIOR`` times more and had failed in those
    as often as all actions together did.

    :param attempts: action -> how often it was tried.
    :param failures: (action, class) -> seconds of each attempt that failed so.
    """
    total = sum(attempts.values())
    pooled: dict[str, list[float]] = {}
    for (_, failure_class), seconds in sorted(failures.items()):
        pooled.setdefault(failure_class, []).extend(seconds)
    shares = {name: len(seconds) / total for name, seconds in pooled.items()}
    rates = {
        action: tuple(
            _learned(name, share, tried, failures.get((action, name), ()))
            for name, share in shares.items()
        )
        for action, tried in sorted(attempts.items())
    }
    return Library(rates, tuple(Rate(name, share) for name, share in shares.items()))


def _learned(name: str, share: float, tried: int, failed: Sequence[float]) -> Rate:
    probability = (len(failed) + PRIOR * share) / (tried + PRIOR)
    return Rate(name, probability, fit(failed))


def _failed(step: Step, rate: Rate, seconds: float, chance: random.Random) -> Fate:
    if rate.failure_class in ("timeout", "lost"):
        return Fate(step.timeout_s, rate.failure_class)
    if rate.after is not None:
        seconds = rate.after.sample(chance)
    else:
        seconds *= chance.random()
    return Fate(min(seconds, step.timeout_s), rate.failure_class)
