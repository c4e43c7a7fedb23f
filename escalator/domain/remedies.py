"""What a preflight asks of agents, and has them mend: when, and how many at once.

Pure.  Source: V-7; architecture section 3, rule 2.
"""

import dataclasses
import math
from collections.abc import Collection, Iterable, Sequence

from escalator.domain import commands, plan, reason
from escalator.domain.preflight_finding import REMEDIATE, Finding

MENDED_AT_ONCE = 4
"""Hosts, if no budget of the plan is tighter."""

ASKED_AT_ONCE = 50
"""Hosts: what they look at may be one mirror."""

DRAINS_AT_ONCE = 8
"""Hosts about which the VIM is asked: each is some calls to it."""

ASK_S = 120.0
"""A question that took longer is not answered."""

_TOLD = "W144"

READY, DISPATCHED, DONE, FAILED = "ready", "dispatched", "done", "failed"
OPEN = (READY, DISPATCHED)


@dataclasses.dataclass(frozen=True, slots=True)
class Errand:
    """A question or remedy that is not over.

    :ivar intent: ``commands.ASK`` or ``commands.REMEDY``.
    :ivar executor: ``node``, or ``vim``: any agent with access to the VIM.
    :ivar hard_at: when the agent gives it up, epoch seconds; None: not ordered.
    """

    id: str
    host: str
    intent: str
    state: str
    hard_at: float | None = None
    executor: str = "node"


def at_once(made: plan.Plan, population: int) -> int:
    """Return how many hosts may be mended at once: by the tightest budget."""
    limits = [_limit(each, population) for each in made.budgets]
    return max(1, min([MENDED_AT_ONCE, *limits]))


def _limit(budget: plan.Budget, population: int) -> int:
    """A budget that counts no plain number of hosts lets one out."""
    if budget.kind == plan.Kind.MIGRATIONS:
        return MENDED_AT_ONCE
    if budget.kind not in (plan.Kind.DOWN, plan.Kind.PARALLEL):
        return 1
    if not budget.max_percent:
        return budget.max_down
    if budget.scope != "all":
        return 1
    return math.floor(population * budget.max_percent / 100)


def due(made: plan.Plan, findings: Iterable[Finding]) -> list[tuple[str, plan.Remedy]]:
    """Return the hosts that are to be mended, each with what is done there."""
    by_check = {each.check: each for each in made.preflight.remedies}
    found: list[tuple[str, plan.Remedy]] = []
    for finding in findings:
        remedy = by_check.get(finding.code.partition(".")[0])
        if finding.effect != REMEDIATE or remedy is None:
            continue
        if (finding.host, remedy) not in found:
            found.append((finding.host, remedy))
    return found


def may_go(errands: Sequence[Errand], mended_at_once: int) -> list[Errand]:
    """Return those that may be ordered now: so many hosts at once.

    A host's own agent gets one at a time, and so does the VIM about that host.
    """
    room = {
        (commands.ASK, "node"): ASKED_AT_ONCE,
        (commands.ASK, "vim"): DRAINS_AT_ONCE,
        (commands.REMEDY, "node"): mended_at_once,
    }
    busy = set()
    for each in errands:
        if each.state == DISPATCHED:
            room[each.intent, each.executor] -= 1
            busy.add((each.host, each.executor))
    found = []
    for each in errands:
        kind, place = (each.intent, each.executor), (each.host, each.executor)
        if each.state == READY and place not in busy and room[kind] > 0:
            room[kind] -= 1
            busy.add(place)
            found.append(each)
    return found


def silent(errands: Sequence[Errand], now: float, grace_s: float) -> list[Errand]:
    """Return those of which nobody will tell the end any more.

    :param grace_s: what a report may be late, in seconds.
    """
    return [
        each
        for each in errands
        if each.state == DISPATCHED
        and each.hard_at is not None
        and each.hard_at + grace_s < now
    ]


def told(open_ones: Collection[Errand]) -> str:
    """Say in one sentence what the preflight waits for."""
    asked = sum(1 for each in open_ones if each.intent == commands.ASK)
    mended = len(open_ones) - asked
    if mended:
        return f"waits: preflight: remedies on {mended} hosts are not over"
    return f"waits: preflight: {asked} questions to agents are not answered yet"


def is_told(text: str) -> bool:
    """Say whether a text is what :func:`told` says, and so no refusal."""
    return reason.find(text).code == _TOLD
