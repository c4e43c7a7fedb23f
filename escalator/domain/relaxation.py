"""The least that makes a plan feasible: spare hosts, wider budgets.  Pure (P-2).

Feasible: the campaign ends committed at its medians, with nothing failing and no
host given up.  More spare hosts or a wider budget do not hurt, so the least of one
is found by bisection; every answer is played, and the one below it as well.
"""

import dataclasses
import functools
from collections.abc import Callable

from escalator.domain import play_campaign, relocation, what_if
from escalator.domain.play import Run, Setting


@dataclasses.dataclass(frozen=True, slots=True)
class Relaxation:
    """:ivar changes: key -> value, as ``--what-if`` takes them."""

    changes: dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class _Knob:
    """:ivar now: its present value; ``most``: the highest worth a try.

    :ivar unit: ``%`` or nothing.
    """

    key: str
    now: int
    most: int
    unit: str = ""


def find(setting: Setting) -> list[Relaxation]:
    """Return the least relaxations, each enough by itself.

    Empty if the plan is feasible, or if no relaxation would help.
    """
    judge = _Judge(setting)
    first = judge.run({})
    knobs = _knobs(setting, first)
    if first.is_smooth:
        return []
    found = []
    for knob in knobs:
        least = _least(knob, functools.partial(_is_enough, judge, {}, knob))
        if least is not None:
            found.append(Relaxation({knob.key: f"{least}{knob.unit}"}))
    return found or _together(setting, judge)


def _is_enough(
    judge: "_Judge", others: dict[str, str], knob: _Knob, value: int
) -> bool:
    return judge.is_feasible({**others, knob.key: f"{value}{knob.unit}"})


def _together(setting: Setting, judge: "_Judge") -> list[Relaxation]:
    """Open everything that refuses, then narrow one after another again."""
    changes: dict[str, str] = {}
    knobs: dict[str, _Knob] = {}
    while not judge.is_feasible(changes):
        run = judge.run(changes)
        fresh = [k for k in _knobs(setting, run) if k.key not in knobs]
        if not fresh:
            return []
        for knob in fresh:
            knobs[knob.key] = knob
            changes[knob.key] = f"{knob.most}{knob.unit}"
    for knob in knobs.values():
        others = {k: v for k, v in changes.items() if k != knob.key}
        if judge.is_feasible(others):
            changes = others
            continue
        least = _least(knob, functools.partial(_is_enough, judge, others, knob))
        changes[knob.key] = f"{knob.most if least is None else least}{knob.unit}"
    return [Relaxation(changes)]


def _least(knob: _Knob, is_enough: Callable[[int], bool]) -> int | None:
    """Return the lowest value above the present one that is enough."""
    if knob.most <= knob.now or not is_enough(knob.most):
        return None
    low, high = knob.now, knob.most
    while high - low > 1:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle
    return high


def _knobs(setting: Setting, run: Run) -> list[_Knob]:
    """Return what refused in a run: budgets of the stuck, kinds without room."""
    size = len(setting.targets)
    found = []
    refusing = {key[0] for key, _ in run.stuck.values()}
    for each in setting.plan.budgets:
        if each.id not in refusing or not what_if.is_limit(each):
            continue
        if each.max_percent:
            knob = _Knob(f"budget.{each.id}", int(each.max_percent), 100, "%")
        else:
            knob = _Knob(f"budget.{each.id}", each.max_down, max(size, each.max_down))
        found.append(knob)
    for kind in sorted(run.no_room):
        count = sum(1 for each in setting.targets if relocation.kind_of(each) == kind)
        found.append(_Knob(f"spare.{kind}", 0, count))
    return found


class _Judge:
    """Plays relaxed settings, each once."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._runs: dict[tuple[tuple[str, str], ...], Run] = {}

    def run(self, changes: dict[str, str]) -> Run:
        """Return the run at its medians."""
        key = tuple(sorted(changes.items()))
        if key not in self._runs:
            relaxed = what_if.change(self._setting, changes)
            self._runs[key] = play_campaign.play(relaxed, None)
        return self._runs[key]

    def is_feasible(self, changes: dict[str, str]) -> bool:
        """Say whether a campaign so relaxed ends well."""
        return self.run(changes).is_smooth
