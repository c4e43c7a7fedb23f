"""Limits held against the journal and the slots, independently of the tokens.

Pure.  The engine admits by tokens; this reads what was done and when, or what is
about to be committed (``conductor.guard``), and counts again.  Source: V-2.
"""

import dataclasses
import datetime
import math
import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from escalator.domain import budget as budgeting
from escalator.domain import plan, selector, states
from escalator.domain.change_window import DAYS, ChangeWindow

_OUT = frozenset({"active", "undoing", "undone", "reverting", "failed"})
OUT = _OUT | {"undo_failed"}
"""Slots that keep their host out, and in the budgets."""

_LEFT_TO_UNDO = _OUT | {"done"}
_MOVING = frozenset(state.value for state in states.IN_FLIGHT)
_WITH_INSTANCES = ("server_group", "owner")
_OF_THE_LIVING = (plan.Kind.MIGRATIONS, plan.Kind.PARALLEL)
"""What is dead is neither being drained nor worked on."""


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
    limits = [each for each in judged if each.kind not in _OF_THE_LIVING]
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


@dataclasses.dataclass(frozen=True, slots=True)
class Out:
    """A slot that keeps its host out.

    :ivar procedure: empty if it is another campaign's.
    :ivar server_groups: what had a member on the host when it went out.
    :ivar declared: who had instances there and declared a limit, with the limit.
    :ivar is_draining: whether a drain of it is not over yet.
    """

    host: str
    procedure: str
    server_groups: tuple[str, ...] = ()
    declared: tuple[tuple[str, int], ...] = ()
    is_draining: bool = False

    def as_it_was(self, target: plan.Target) -> plan.Target:
        """Return its target as it was when it went out."""
        return dataclasses.replace(
            target, server_groups=self.server_groups, declared=self.declared
        )


def check_out(
    fresh: Collection[str],
    out: Sequence[Out],
    made: plan.Plan,
    targets: Iterable[plan.Target],
) -> list[str]:
    """Return the limits that hosts break by going out now.

    :param fresh: those hosts; ``out`` has their slots as well as the others.
    :param targets: the inventory that budgets count.
    """
    known = {target.name: target for target in targets}
    lost = {t.name for t in known.values() if not t.is_up or t.is_quarantined}
    found: list[str] = []
    for budget in made.budgets:
        mine = [each for each in out if _counts(made, budget, each)]
        seen = dict(known)
        for each in mine:
            if each.host in known:
                seen[each.host] = each.as_it_was(known[each.host])
        new = [seen[e.host] for e in mine if e.host in fresh and e.host in seen]
        wanted = {
            key
            for target in new
            if target.name not in lost
            for key in budgeting.keys(budget, target)
        }
        gone = {each.host for each in mine}
        if budget.kind not in _OF_THE_LIVING:
            gone |= lost
        for key, group in _groups(budget, wanted, seen.values()).items():
            limit = _of_owner(budget, key, known.values())
            if detail := _excess(limit, group, gone):
                found.append(f"guard.budget: budget {budget.id} {key}: {detail}")
    return found


def _counts(made: plan.Plan, budget: plan.Budget, each: Out) -> bool:
    if budget.kind == plan.Kind.MIGRATIONS and not each.is_draining:
        return False
    if not each.procedure:
        return budget.kind != plan.Kind.PARALLEL
    return budget.id in made.procedure(each.procedure).budgets


def _of_owner(
    budget: plan.Budget, owner: str, targets: Iterable[plan.Target]
) -> plan.Budget:
    """Return the budget with the limit that this owner declares now, if it is one."""
    if budget.scope != "owner":
        return budget
    limits = [m for each in targets for name, m in each.declared if name == owner]
    return dataclasses.replace(budget, max_down=min(limits, default=1))


def _groups(
    budget: plan.Budget, wanted: Collection[str], targets: Iterable[plan.Target]
) -> dict[str, list[plan.Target]]:
    groups: dict[str, list[plan.Target]] = {key: [] for key in sorted(wanted)}
    if groups:
        for target in targets:
            for key in budgeting.keys(budget, target):
                if key in groups:
                    groups[key].append(target)
    return groups


def check_levels(
    undone: Collection[str], counts: Mapping[str, Mapping[str, int]], made: plan.Plan
) -> list[str]:
    """Return procedures whose undo begins before a later level is undone (R-2).

    :param counts: procedure -> slot state -> count.
    """
    left = [
        each
        for each in made.procedures
        if any(counts.get(each.id, {}).get(state) for state in _LEFT_TO_UNDO)
    ]
    return [
        f"guard.level: the undo of {procedure} begins before that of {each.id}"
        for procedure in sorted(undone)
        for each in left
        if each.level > made.procedure(procedure).level
    ]


def check_windows(
    begun: Iterable[str], windows: Sequence[ChangeWindow], now: float
) -> list[str]:
    """Return hosts that are begun outside every change window (CM-1).

    :param begun: those hosts.
    :param now: epoch seconds.
    """
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if not windows or any(_is_open(each, at) for each in windows):
        return []
    return [
        f"guard.window: {host} is begun outside the change windows"
        for host in sorted(begun)
    ]


def _is_open(each: ChangeWindow, at: datetime.datetime) -> bool:
    """Say whether the clock on the wall shows a time of the window."""
    if each.start:
        read = datetime.datetime.fromisoformat
        return read(each.start) <= at < read(each.end)
    local = at.astimezone(zoneinfo.ZoneInfo(each.zone))
    clock, weekday = f"{local:%H:%M}", local.weekday()
    is_today, is_next = DAYS[weekday] in each.days, DAYS[weekday - 1] in each.days
    if each.opens < each.closes:
        return is_today and each.opens <= clock < each.closes
    return (is_today and clock >= each.opens) or (is_next and clock < each.closes)


def check_host(host: str, standing: Mapping[str, Any] | None, campaign_id: str) -> str:
    """Return why a host may get no order of a campaign, or "".

    :param standing: is_listed, is_quarantined and campaign_id of its row.
    """
    if standing is None or not standing["is_listed"]:
        return f"guard.removed: {host} is not in the inventory"
    if standing["is_quarantined"]:
        return f"guard.quarantined: {host} is quarantined"
    if standing["campaign_id"] not in (None, campaign_id):
        other = standing["campaign_id"]
        return f"guard.campaigns: campaign {other} works on {host} too"
    return ""


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
