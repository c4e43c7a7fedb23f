"""Limits held against the journal, independently of the tokens.

Pure.  The engine admits by tokens; this reads what was done and when, and
counts again.  Source: V-2.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from escalator.domain import plan

_OUT = frozenset({"active", "undoing", "undone", "reverting", "failed"})


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A journal line of a slot, or of a host's fault (``to_state`` "down")."""

    seq: int
    host: str
    object_type: str
    to_state: str


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
) -> list[Violation]:
    """Return every moment at which more targets were out than allowed.

    :param facts: host name -> the target as it was before the campaign.  Only
        budgets over everything or over a fact are judged: server groups move
        with their instances.
    """
    out: set[str] = set()
    down: set[str] = set()
    found: list[Violation] = []
    for entry in sorted(entries, key=lambda each: each.seq):
        if entry.object_type == "fault":
            down.add(entry.host)
        elif entry.object_type == "slot":
            was_out = entry.host in out | down
            (out.add if entry.to_state in _OUT else out.discard)(entry.host)
            if entry.host in out and not was_out:
                found += _over(entry, out | down, budgets, facts)
    return found


def _over(
    entry: Entry,
    out: set[str],
    budgets: Sequence[plan.Budget],
    facts: Mapping[str, plan.Target],
) -> list[Violation]:
    """Judge a target that goes out: a fault may exceed a limit, we may not."""
    found: list[Violation] = []
    for budget in budgets:
        is_other = not budget.counts_lost or budget.max_percent
        if budget.scope == "server_group" or is_other:
            continue
        counts = Counter(_key(budget, facts[host]) for host in out if host in facts)
        key = _key(budget, facts[entry.host])
        if counts[key] > budget.max_down:
            detail = f"{counts[key]} of {budget.max_down} out in {key}"
            found.append(Violation(entry.seq, f"budget {budget.id}", detail))
    return found


def _key(budget: plan.Budget, target: plan.Target) -> str:
    if budget.scope == "all":
        return "all"
    return str(getattr(target, budget.fact, "") or "(unknown)")
