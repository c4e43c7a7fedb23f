"""A migration dry run: where would the instances of drained hosts go? (V-3)

Pure, from the inventory alone: a hard anti-affinity group has one member at
most on a host, so its names say which instances may not meet.
"""

import dataclasses
import heapq
import math
from collections.abc import Collection, Iterator, Sequence

from escalator.domain import budget, ordering, plan, selector
from escalator.domain.preflight_finding import Finding

DRAIN = "vim.drain"


@dataclasses.dataclass(frozen=True, slots=True)
class Shortage:
    """:ivar leaving: instances that leave at once.
    :ivar room: how many the other hosts take.
    :ivar fitting: how many hosts could be drained at once.
    :ivar kind: roles of the hosts that are drained.
    :ivar spares: empty hosts of that kind that would close the gap.
    :ivar size: instances that each of them takes, as the smallest drained host does.
    """

    leaving: int
    room: int
    fitting: int
    kind: str
    spares: int
    size: int

    def remedy(self) -> str:
        """Say what would make room."""
        hosts = "host" if self.spares == 1 else "hosts"
        spare = (
            f"add {self.spares} spare {self.kind} {hosts} with room for {self.size}"
            " instances each"
        )
        if self.fitting:
            return f"set parallel to {self.fitting}, or {spare}"
        return f"{spare}, or free room on the others"


def drains(procedure: plan.Procedure) -> bool:
    """Say whether a procedure moves instances away."""
    return any(step.action == DRAIN for step in procedure.steps)


def judge(
    made: plan.Plan,
    procedure: plan.Procedure,
    todo: Sequence[plan.Target],
    targets: Sequence[plan.Target],
    begun: Collection[str],
) -> Iterator[Finding]:
    """Find what stands in the way of a procedure's first drains.

    :param begun: hosts that the campaign has worked on: none is left out midway.
    """
    first = first_hosts(made, procedure, todo, targets)
    short = shortage(first, targets)
    if short is not None:
        yield Finding(
            "capacity.room",
            "",
            f"{procedure.id}: {short.leaving} instances leave {len(first)} hosts at"
            f" once, the others have room for {short.room}",
            short.remedy(),
        )
        return
    roles = {target.name: target.role for target in first}
    for host, group in stuck(first, targets):
        what = f"a member of group {group}" if group else "an instance"
        yield Finding(
            "migration.stuck",
            host if host not in begun else "",
            f"{host}: {what} fits on no other host",
            f"add a spare {roles[host]} host, or lower parallel",
        )


def first_hosts(
    made: plan.Plan,
    procedure: plan.Procedure,
    todo: Sequence[plan.Target],
    targets: Sequence[plan.Target],
) -> list[plan.Target]:
    """Return the hosts that would be out at once in the beginning."""
    ledger = budget.Ledger(made.budgets, targets, ())
    room = ordering.parallel_limit(procedure, len(todo))
    first: list[plan.Target] = []
    for target in todo:
        if len(first) >= room:
            break
        sound = target.is_up and target.has_agent and not target.is_quarantined
        if sound and not ledger.refusals(target, procedure.budgets):
            ledger.take(target, procedure.budgets)
            first.append(target)
    return first


def _others(
    leaving: Sequence[plan.Target], targets: Sequence[plan.Target]
) -> list[plan.Target]:
    names = {target.name for target in leaving}
    roles = {target.role for target in leaving}
    return [
        target
        for target in targets
        if target.role in roles
        and target.name not in names
        and target.is_up
        and not target.is_quarantined
        and _is_enabled(target)
    ]


def _is_enabled(target: plan.Target) -> bool:
    told = target.facts.get("vim")
    return not isinstance(told, dict) or bool(told.get("is_enabled", True))


def _capacity(target: plan.Target) -> int:
    """Return how many instances a host takes (``facts.capacity``); 0: unknown."""
    return int(selector.amount_of(target, "facts.capacity"))


def _free(target: plan.Target) -> int:
    return max(_capacity(target) - target.instances, 0)


def shortage(
    leaving: Sequence[plan.Target], targets: Sequence[plan.Target]
) -> Shortage | None:
    """Return by how much the room is too small; None: enough, or nobody knows."""
    others = _others(leaving, targets)
    if not all(_capacity(target) for target in (*others, *leaving)):
        return None
    room = sum(map(_free, others))
    needed = sum(target.instances for target in leaving)
    if needed <= room:
        return None
    kind = "/".join(sorted({target.role for target in leaving}))
    size = min(map(_capacity, leaving))
    spares = math.ceil((needed - room) / size)
    return Shortage(needed, room, _fitting(leaving, room), kind, spares, size)


def _fitting(leaving: Sequence[plan.Target], room: int) -> int:
    """Return how many of the first ones find room; the rest stay and take some."""
    for count in range(len(leaving) - 1, 0, -1):
        space = room + sum(map(_free, leaving[count:]))
        if sum(target.instances for target in leaving[:count]) <= space:
            return count
    return 0


def stuck(
    leaving: Sequence[plan.Target], targets: Sequence[plan.Target]
) -> Iterator[tuple[str, str]]:
    """Yield (host, group) of each instance without a destination.

    Instances in groups go first, each to the host with the fewest instances.
    ``group`` is "" for one in no group.  Hosts whose capacity is not known take
    any number.
    """
    hall = _Hall(_others(leaving, targets))
    for target in leaving:
        for group in target.server_groups:
            if not hall.take(group):
                yield target.name, group
    for target in leaving:
        for _ in range(target.instances - len(target.server_groups)):
            if not hall.take(""):
                yield target.name, ""
                break


class _Hall:
    """Hosts that take instances, the emptiest first."""

    def __init__(self, hosts: Sequence[plan.Target]) -> None:
        self._groups = {host.name: set(host.server_groups) for host in hosts}
        self._rooms = {host.name: _capacity(host) for host in hosts}
        self._heap = [(host.instances, host.name) for host in hosts]
        heapq.heapify(self._heap)

    def take(self, group: str) -> bool:
        """Place one instance; False if it fits nowhere."""
        passed: list[tuple[int, str]] = []
        is_placed = False
        while self._heap and not is_placed:
            count, name = heapq.heappop(self._heap)
            room = self._rooms[name]
            if room and count >= room:
                continue
            is_placed = not group or group not in self._groups[name]
            if is_placed:
                self._groups[name].add(group)
            passed.append((count + is_placed, name))
        for entry in passed:
            heapq.heappush(self._heap, entry)
        return is_placed
