"""Whether faults of upgraded hosts have to do with the upgrade.  Pure.

Faults are counted over host-time with and without the upgrade, and the two rates
are compared by the conditional test of two Poisson rates: of all k faults, those on
upgraded hosts are binomial with the upgraded hosts' share of the time if the
upgrade changes nothing (Przyborowski and Wilenski, 1940).  One-sided: fewer faults
are no reason to stop.

A fault may be called unrelated only if hosts without the upgrade had at least one:
a fleet that never had any gives no reason to believe in chance.  The test is made at
each fault anew, and takes faults for independent; one that takes down a whole rack
counts for each of its hosts.  Source: P-4d, R-0.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Spell:
    """From when to when a host was down; seconds, None: it is."""

    begun_at: float
    ended_at: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Life:
    """What one host went through.

    :ivar begun_at: when the campaign first touched it, epoch seconds, or None.
    :ivar upgraded_at: since when it is upgraded, or None.
    :ivar faults: when it failed by itself, each outage once.
    """

    host: str
    begun_at: float | None
    upgraded_at: float | None
    faults: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """Faults in some host-time, seconds."""

    faults: int = 0
    exposure_s: float = 0.0

    def text(self) -> str:
        """Return it for a person."""
        told = "1 fault" if self.faults == 1 else f"{self.faults or 'no'} faults"
        return f"{told} in {self.exposure_s / 3600:.2f} host-hours"


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """:ivar p: how likely so many faults or more are if the upgrade changes nothing.
    :ivar reason: with the numbers.
    """

    is_related: bool
    p: float
    reason: str


def outages(spells: Iterable[Spell]) -> tuple[float, ...]:
    """Return when outages began; faults that overlap are one outage."""
    begun: list[float] = []
    until = -math.inf
    for spell in sorted(spells, key=lambda each: each.begun_at):
        if spell.begun_at > until:
            begun.append(spell.begun_at)
        ended_at = math.inf if spell.ended_at is None else spell.ended_at
        until = max(until, ended_at)
    return tuple(begun)


def count(lives: Sequence[Life], since: float, now: float) -> tuple[Count, Count]:
    """Return the faults with the upgrade, and those without it.

    The time between first step and last belongs to neither.  An upgraded host
    counts until its first fault.

    :param since: nothing is known of earlier times, epoch seconds.
    """
    upgraded, base = Count(), Count()
    for life in lives:
        end = now if life.begun_at is None else life.begun_at
        early = sum(1 for at in life.faults if since <= at < end)
        base = Count(
            base.faults + early, base.exposure_s + max(0.0, min(end, now) - since)
        )
        if life.begun_at is None or life.upgraded_at is None:
            continue
        first = min((at for at in life.faults if at >= life.begun_at), default=None)
        # One that began midway but was told of later is one of the upgraded host.
        last = now if first is None else min(now, max(first, life.upgraded_at))
        upgraded = Count(
            upgraded.faults + (first is not None),
            upgraded.exposure_s + max(0.0, last - life.upgraded_at),
        )
    return upgraded, base


def probability(upgraded: Count, base: Count) -> float:
    """Return P(X >= faults on upgraded hosts) if both rates are equal.

    1.0 if there is no time to compare.
    """
    total_s = upgraded.exposure_s + base.exposure_s
    if upgraded.faults == 0 or total_s <= 0 or base.exposure_s <= 0:
        return 1.0
    share = upgraded.exposure_s / total_s
    if share <= 0:
        return 0.0
    faults = upgraded.faults + base.faults
    terms = (_term(faults, each, share) for each in range(upgraded.faults, faults + 1))
    return min(1.0, math.fsum(terms))


def _term(faults: int, hits: int, share: float) -> float:
    """Return P(X = hits) for X ~ binomial(faults, share), without overflow."""
    ways = math.lgamma(faults + 1) - math.lgamma(hits + 1)
    ways -= math.lgamma(faults - hits + 1)
    odds = hits * math.log(share) + (faults - hits) * math.log1p(-share)
    return math.exp(ways + odds)


def judge(upgraded: Count, base: Count, significance: float) -> Verdict:
    """Say whether the upgrade is to be blamed."""
    p = probability(upgraded, base)
    told = f"{upgraded.text()} after the upgrade, {base.text()} without it"
    if base.faults == 0:
        return Verdict(True, p, f"related: {told}: nothing speaks for chance")
    is_related = p < significance
    word = "related" if is_related else "unrelated"
    limit = "below" if is_related else "not below"
    return Verdict(
        is_related, p, f"{word}: {told} (p = {p:.2g}, {limit} {significance:g})"
    )
