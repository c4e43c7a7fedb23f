"""Where drained instances go, and what their owners notice.  Pure (P-2).

An instance finds room on a host of the same kind (role and zone) that is up, not
out itself and has no other member of its anti-affinity group.  How many instances
a host takes is told (``rooms``); otherwise only the groups limit.
"""

import collections
import dataclasses
import heapq
from collections.abc import Callable, Mapping, Sequence

from escalator.domain.plan import Target

UNKNOWN = "(unknown)"
"""Project of instances whose owner the inventory does not tell."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resident:
    """Instances of one project and one group on one host.

    :ivar server_group: id of the anti-affinity group, or empty.
    """

    project_id: str
    server_group: str
    instances: int


@dataclasses.dataclass(slots=True)
class Interruption:
    """What the instances of one project go through.

    :ivar moved: migrations; ``moving_s``: seconds that they take together.
    :ivar down: outages of an instance; ``down_s``: their seconds, summed.
    """

    moved: float = 0.0
    moving_s: float = 0.0
    down: float = 0.0
    down_s: float = 0.0


Residents = Mapping[str, Sequence[Resident]]
"""Host name -> what is on it."""


def kind_of(target: Target) -> str:
    """Return the kind of host that an instance of this one may move to."""
    if not target.availability_zone:
        return target.role
    return f"{target.role}@{target.availability_zone}"


class Placement:
    """The instances of one simulated run.

    :param rooms: kind, or role -> most instances on a host.
    :param is_open: whether instances may land on a host at this moment.
    :ivar owners: project -> what it noticed.
    :ivar no_room: kind -> drains that found no room.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        residents: Residents,
        rooms: Mapping[str, int],
        is_open: Callable[[str], bool],
    ) -> None:
        self.owners: dict[str, Interruption] = collections.defaultdict(Interruption)
        self.no_room: collections.Counter[str] = collections.Counter()
        self._is_open = is_open
        self._kinds = {each.name: kind_of(each) for each in targets}
        self._rooms = {
            each.name: rooms.get(kind_of(each), rooms.get(each.role))
            for each in targets
        }
        self._on: dict[str, collections.Counter[tuple[str, str]]] = {}
        self._loads: dict[str, int] = {}
        self._queues: dict[str, list[tuple[int, str]]] = {}
        for each in targets:
            self._settle(each, residents.get(each.name))

    def _settle(self, target: Target, residents: Sequence[Resident] | None) -> None:
        if residents is None:
            residents = [Resident(UNKNOWN, "", target.instances)]
        found: collections.Counter[tuple[str, str]] = collections.Counter()
        for each in residents:
            if each.instances:
                found[each.project_id, each.server_group] += each.instances
        self._on[target.name] = found
        self._loads[target.name] = sum(found.values())
        queue = self._queues.setdefault(self._kinds[target.name], [])
        heapq.heappush(queue, (self._loads[target.name], target.name))

    def drain(self, host: str, seconds: float) -> bool:
        """Move everything off a host; False, and nothing moves, without room."""
        placed: list[tuple[str, tuple[str, str]]] = []
        for owner in self._on[host].elements():
            other = self._find(host, owner[1])
            if other is None:
                for at, moved in placed:
                    self._put(at, moved, -1)
                self.no_room[self._kinds[host]] += 1
                return False
            self._put(other, owner, 1)
            placed.append((other, owner))
        self._empty(host)
        for _, (project, _) in placed:
            self.owners[project].moved += 1
            self.owners[project].moving_s += seconds / len(placed)
        return True

    def count(self, host: str) -> int:
        """Return how many instances are on a host."""
        return self._loads[host]

    def reopen(self, host: str) -> None:
        """Let instances land on a host again."""
        queue = self._queues[self._kinds[host]]
        heapq.heappush(queue, (self._loads[host], host))

    def interrupt(self, host: str, seconds: float) -> None:
        """Count an outage of everything that is on a host."""
        for (project, _), count in self._on[host].items():
            self.owners[project].down += count
            self.owners[project].down_s += count * seconds

    def lose(self, host: str, seconds: float) -> None:
        """Let a host die; its instances run elsewhere after ``seconds``."""
        self.interrupt(host, seconds)
        for owner in list(self._on[host].elements()):
            other = self._find(host, owner[1])
            if other is not None:
                self._put(other, owner, 1)
        self._empty(host)

    def _empty(self, host: str) -> None:
        self._on[host].clear()
        self._loads[host] = 0
        heapq.heappush(self._queues[self._kinds[host]], (0, host))

    def _put(self, host: str, owner: tuple[str, str], count: int) -> None:
        self._on[host][owner] += count
        self._loads[host] += count
        queue = self._queues[self._kinds[host]]
        heapq.heappush(queue, (self._loads[host], host))

    def _find(self, origin: str, group: str) -> str | None:
        """Return the emptiest host that may take one; entries may be stale."""
        queue = self._queues[self._kinds[origin]]
        passed: dict[str, tuple[int, str]] = {}
        found = None
        while queue and found is None:
            load, host = heapq.heappop(queue)
            if load != self._loads[host] or host in passed:
                continue
            if not self._is_open(host):
                continue  # Back in the queue with reopen().
            passed[host] = (load, host)
            if host != origin and self._takes(host, group):
                found = host
        for each in passed.values():
            heapq.heappush(queue, each)
        return found

    def _takes(self, host: str, group: str) -> bool:
        room = self._rooms[host]
        if room is not None and self._loads[host] >= room:
            return False
        return not group or all(
            other != group or not count for (_, other), count in self._on[host].items()
        )
