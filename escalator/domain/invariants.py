"""Limits held against the journal, independently of the tokens.

Pure.  The engine admits by tokens; this reads what was done and when, and
counts again.  Source: V-2.
"""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from escalator.domain import budget as budgeting
from escalator.domain import plan, selector, states

_OUT = frozenset({"active", "undoing", "undone", "reverting", "failed"})
_MOVING = frozenset(state.value for state in states.IN_FLIGHT)
_WITH_INSTANCES = ("server_group", "owner")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A journal line of a slot, a step, or a host's fault.

    :ivar name: of a step: its id in the file.
    """

    seq: int
    host: str
    object_type: str
    to_state: str
    name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    seq: int
    rule: str
    detail: str

    def text(self) -> str:
        """Say it in one line."""
        return f"journal line {self.seq}: {self.rule}: {self.detail}"


def check_journal(
    entries: Iterable[Entry],
    budgets: Sequence[plan.Budget],
    facts: Mapping[str, plan.Target],
    drains: Collection[str] = (),
) -> list[Violation]:
    """Return every moment at which more targets were out than allowed.

    :param facts: host name -> the target as it was before the campaign.  Only
        budgets over everything or over a fact are judged: server groups and
        owners move with their instances.
    :param drains: ids of the steps that drain; while one is under way its host
        counts for the budgets of migrations.
    """
    out: set[str] = set()
    down: set[str] = set()
    moving: set[str] = set()
    found: list[Violation] = []
    judged = [each for each in budgets if each.scope not in _WITH_INSTANCES]
    limits = [each for each in judged if each.kind != plan.Kind.MIGRATIONS]
    migrations = [each for each in judged if each.kind == plan.Kind.MIGRATIONS]
    for entry in sorted(entries, key=lambda each: each.seq):
        if entry.object_type == "fault":
            down.add(entry.host)
        elif entry.object_type == "slot":
            was_out = entry.host in out | down
            (out.add if entry.to_state in _OUT else out.discard)(entry.host)
            if entry.host in out and not was_out:
                found += _over(entry, out | down, limits, facts)
        elif entry.object_type == "step" and entry.name in drains:
            was_moving = entry.host in moving
            (moving.add if entry.to_state in _MOVING else moving.discard)(entry.host)
            if entry.host in moving and not was_moving:
                found += _over(entry, moving, migrations, facts)
    return found


def _over(
    entry: Entry,
    out: Collection[str],
    budgets: Sequence[plan.Budget],
    facts: Mapping[str, plan.Target],
) -> list[Violation]:
    """Judge a target that goes out: a fault may exceed a limit, we may not."""
    found: list[Violation] = []
    for budget in budgets:
        for key in budgeting.keys(budget, facts[entry.host]):
            group = [e for e in facts.values() if key in budgeting.keys(budget, e)]
            if detail := _excess(budget, group, out):
                what = f"{detail} in {key}"
                found.append(Violation(entry.seq, f"budget {budget.id}", what))
    return found


def _excess(
    budget: plan.Budget, group: Sequence[plan.Target], out: Collection[str]
) -> str:
    """Return what is wrong with so many of a group out, or ""."""
    gone = sum(1 for each in group if each.name in out)
    left = len(group) - gone
    if budget.kind == plan.Kind.QUORUM:
        is_kept = left >= budget.keep if budget.keep else 2 * left > len(group)
        return "" if is_kept else f"{left} of {len(group)} up"
    if budget.kind == plan.Kind.HEADROOM:
        return _short(budget, group, out)
    most = budget.max_down
    if budget.max_percent:
        most = max(1, math.floor(len(group) * budget.max_percent / 100))
    return f"{gone} of {most} out" if gone > most else ""


def _short(
    budget: plan.Budget, group: Sequence[plan.Target], out: Collection[str]
) -> str:
    sizes = {
        each.name: selector.amount_of(each, budget.capacity) if budget.capacity else 1.0
        for each in group
    }
    load = sum(selector.amount_of(each, budget.load) for each in group)
    free = sum(size for name, size in sizes.items() if name not in out) - load
    keep = budget.keep
    if budget.keep_percent:
        keep = sum(sizes.values()) * budget.keep_percent / 100
    return f"{free:g} free of {keep:g} to be kept" if free < keep else ""
