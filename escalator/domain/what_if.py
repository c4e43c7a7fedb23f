"""What a campaign would do if something were otherwise.  Pure (P-2, V-1).

A question is a set of ``key=value``; ``KEYS`` lists them.  The answer compares
many simulated runs of the plan as it is with as many of the plan as asked, with
the same seed.
"""

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from escalator.domain import duration, play_campaign, relocation
from escalator.domain.fault_library import CLASSES, Rate
from escalator.domain.finding import Finding
from escalator.domain.plan import Budget, Kind, Plan, Target
from escalator.domain.play import Run, Setting

KEYS = {
    "parallel.PROCEDURE": "hosts at once: a number, or a percentage such as 25%",
    "budget.ID": "most down at once: a number or a percentage",
    "spare.KIND": "so many more empty hosts of a role, or of role@zone",
    "room.KIND": "most instances on a host of a role, or of role@zone",
    "down.HOST": "true: that host is down at the start",
    "deaths": "hosts that die per 1000 host-hours",
    "fail.STEP": "PROBABILITY or PROBABILITY:CLASS, of each attempt of a step",
    "slow": "SHARE:FACTOR: so many of the hosts, 0 to 1, take so much longer",
    "recovery": "how long the instances of a dead host are away: a duration",
}

FEWEST, MOST = 20, 400
VISITS = 12_000
"""Visits that are played for each of the two answers, about; each some 200 us, and
more with many instances to be moved."""

_SPARE = "spare host "


class BadKey(Exception):
    """A key or value is wrong; ``finding`` says which, and what to give."""

    def __init__(self, key: str, detail: str, remedy: str = "") -> None:
        super().__init__(detail)
        told = "; ".join(f"{name}: {what}" for name, what in KEYS.items())
        self.finding = Finding(
            "what_if", f"/campaign/what_if/{key}", f"{key}: {detail}", remedy or told
        )


def change(setting: Setting, asked: Mapping[str, Any]) -> Setting:
    """Return the setting as asked.

    :raises BadKey: an unknown key, or a value that makes no sense there.
    """
    for key in sorted(asked):
        head, _, name = key.partition(".")
        changer = _CHANGERS.get(head)
        if changer is None or bool(name) != (f"{head}." in _DOTTED):
            raise BadKey(key, "there is no such key")
        setting = changer(setting, key, name, str(asked[key]))
    return setting


def _parallel(setting: Setting, key: str, name: str, value: str) -> Setting:
    made = setting.plan
    if name not in {each.id for each in made.procedures}:
        _unknown(key, "procedure", [each.id for each in made.procedures])
    count, percent = _limit(key, value)
    procedures = tuple(
        dataclasses.replace(each, parallel=count, parallel_percent=percent)
        if each.id == name
        else each
        for each in made.procedures
    )
    return _planned(setting, dataclasses.replace(made, procedures=procedures))


def _budget(setting: Setting, key: str, name: str, value: str) -> Setting:
    made = setting.plan
    limits = [each.id for each in made.budgets if is_limit(each)]
    if name not in limits:
        _unknown(key, "budget with a limit", limits)
    count, percent = _limit(key, value)
    budgets = tuple(
        dataclasses.replace(each, max_down=count, max_percent=percent)
        if each.id == name
        else each
        for each in made.budgets
    )
    return _planned(setting, dataclasses.replace(made, budgets=budgets))


def is_limit(known: Budget) -> bool:
    """Say whether a budget has a number, or a share, that can be changed here.

    A quorum, headroom and what owners declare have not.
    """
    return known.kind not in (Kind.QUORUM, Kind.HEADROOM) and known.scope != "owner"


def _planned(setting: Setting, made: Plan) -> Setting:
    return dataclasses.replace(setting, plan=made)


def _spare(setting: Setting, key: str, name: str, value: str) -> Setting:
    """Add hosts like the first of their kind, each in a rack of its own."""
    like = _of_kind(setting, key, name)
    count = _whole(key, value)
    spares = [
        dataclasses.replace(
            like,
            name=f"{_SPARE}{name} {number}",
            rack=f"{_SPARE}{name} {number}",
            server_groups=(),
            instances=0,
            is_up=True,
            is_quarantined=False,
        )
        for number in range(1, count + 1)
    ]
    targets = sorted([*setting.targets, *spares], key=lambda each: each.name)
    names = frozenset(each.name for each in spares)
    return dataclasses.replace(
        setting, targets=tuple(targets), visited_not=setting.visited_not | names
    )


def _room(setting: Setting, key: str, name: str, value: str) -> Setting:
    _of_kind(setting, key, name)
    rooms = {**setting.rooms, name: _whole(key, value)}
    return dataclasses.replace(setting, rooms=rooms)


def _of_kind(setting: Setting, key: str, kind: str) -> Target:
    for each in setting.targets:
        if kind in (each.role, relocation.kind_of(each)):
            return each
    kinds = {relocation.kind_of(each) for each in setting.targets}
    kinds |= {each.role for each in setting.targets}
    _unknown(key, "kind of host", sorted(kinds))
    raise AssertionError  # _unknown raises.


def _down(setting: Setting, key: str, name: str, value: str) -> Setting:
    if name not in {each.name for each in setting.targets}:
        raise BadKey(key, "the inventory has no such host", "Give a listed host.")
    if value.lower() != "true":
        raise BadKey(key, f"{value!r} is not true", "Give true, or leave it out.")
    targets = tuple(
        dataclasses.replace(each, is_up=False) if each.name == name else each
        for each in setting.targets
    )
    return dataclasses.replace(setting, targets=targets)


def _deaths(setting: Setting, key: str, name: str, value: str) -> Setting:
    return _faulty(setting, deaths=_number(key, value, 1e6))


def _recovery(setting: Setting, key: str, name: str, value: str) -> Setting:
    try:
        seconds = duration.parse(value)
    except ValueError as error:
        raise BadKey(key, str(error), f"Give {duration.SHAPES}.") from error
    return _faulty(setting, recovery_s=seconds)


def _fail(setting: Setting, key: str, name: str, value: str) -> Setting:
    steps = {step.id for each in setting.plan.procedures for step in each.steps}
    if name not in steps:
        _unknown(key, "step", sorted(steps))
    probability, _, failure_class = value.partition(":")
    failure_class = failure_class or "permanent"
    if failure_class not in CLASSES:
        raise BadKey(key, f"{failure_class!r} is no class", f"One of {CLASSES}.")
    rate = Rate(failure_class, _number(key, probability, 1.0))
    library = setting.library
    return _faulty(setting, steps={**library.steps, name: (rate,)})


def _slow(setting: Setting, key: str, name: str, value: str) -> Setting:
    share, _, factor = value.partition(":")
    return _faulty(
        setting,
        slow_share=_number(key, share, 1.0),
        slow_factor=_number(key, factor, 1e6),
    )


def _faulty(setting: Setting, **changes: Any) -> Setting:
    library = dataclasses.replace(setting.library, **changes)
    return dataclasses.replace(setting, library=library)


def _limit(key: str, value: str) -> tuple[int, float]:
    """Return (number, percent); one of them counts."""
    if value.endswith("%"):
        percent = _number(key, value[:-1], 100.0)
        if percent > 0.0:
            return 1, percent
    elif _whole(key, value) > 0:
        return int(value), 0.0
    raise BadKey(key, "nothing could ever begin", "Give at least 1, or a percentage.")


def _whole(key: str, value: str) -> int:
    number = _number(key, value, 1e5)
    if number != int(number):
        raise BadKey(key, f"{value!r} is no whole number", "Give a whole number.")
    return int(number)


def _number(key: str, value: str, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0.0 <= number <= most:
        raise BadKey(
            key, f"{value!r} is no number from 0 to {most:g}", "Give such a number."
        )
    return number


def _unknown(key: str, noun: str, known: Sequence[str]) -> None:
    raise BadKey(key, f"there is no such {noun}", f"Known: {', '.join(known)}.")


_CHANGERS = {
    "parallel": _parallel,
    "budget": _budget,
    "spare": _spare,
    "room": _room,
    "down": _down,
    "deaths": _deaths,
    "fail": _fail,
    "slow": _slow,
    "recovery": _recovery,
}
_DOTTED = frozenset(key[: key.index(".") + 1] for key in KEYS if "." in key)


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """:ivar median: the run at its medians, in which nothing fails.

    :ivar runs: sampled ones, by their end.
    """

    median: Run
    runs: tuple[Run, ...]

    @property
    def is_feasible(self) -> bool:
        """The campaign ends committed if nothing fails, with no host given up."""
        return self.median.is_smooth

    def end_s(self, share: float) -> float:
        """Return the nearest-rank percentile of the end, seconds."""
        return self.runs[max(math.ceil(share * len(self.runs)), 1) - 1].end_s

    def outcomes(self) -> dict[str, float]:
        """Return the share of runs by how they end."""
        names = sorted({str(each.outcome) for each in self.runs})
        total = len(self.runs)
        return {
            name: sum(1 for each in self.runs if each.outcome == name) / total
            for name in names
        }

    def most_down(self) -> dict[str, int]:
        """Return budget -> most targets down at once under one key, in any run."""
        found: dict[str, int] = {}
        for run in self.runs:
            for name, count in run.most_down.items():
                found[name] = max(found.get(name, 0), count)
        return dict(sorted(found.items()))

    def owners(self) -> dict[str, relocation.Interruption]:
        """Return project -> what it goes through, as the mean over the runs."""
        found: dict[str, relocation.Interruption] = {}
        total = len(self.runs)
        for run in self.runs:
            for name, each in run.owners.items():
                mean = found.setdefault(name, relocation.Interruption())
                mean.moved += each.moved / total
                mean.moving_s += each.moving_s / total
                mean.down += each.down / total
                mean.down_s += each.down_s / total
        return dict(sorted(found.items()))


def predict(setting: Setting, seed: int, runs: int = 0) -> Prediction:
    """Play a setting once at its medians and often with everything drawn.

    :param runs: 0: as many as the size of the fleet allows.
    """
    median = play_campaign.play(setting, None)
    visits = len(setting.targets) * len(setting.plan.procedures)
    count = runs or min(MOST, max(FEWEST, VISITS // max(visits, 1)))
    found = [
        play_campaign.play(setting, random.Random(f"{seed}/{number}"))  # noqa: S311
        for number in range(count)
    ]
    return Prediction(median, tuple(sorted(found, key=lambda each: each.end_s)))
