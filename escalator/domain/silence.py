"""From heartbeats to silent agents.

A monitor that hears nobody may be deaf itself, for instance while the broker
is away.  So silence is not measured by a clock but by proofs that the ear
works: between two proofs at most one heartbeat interval counts.  Others' beats
are proofs, and so is any answer that came over the same bus.
"""

import dataclasses
from collections.abc import Callable, Collection

UNKNOWN = ""
"""Stands for the agent of a host of which only an older monitor heard."""

Name = tuple[str, str]
"""Host and agent."""


@dataclasses.dataclass(slots=True)
class _Agent:
    interval_s: float
    heard_at: float
    mark: float
    is_silent: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Silent:
    """:ivar since: its last beat, monotonic seconds."""

    host: str
    agent: str
    since: float
    interval_s: float


class Silence:
    """Keeps the beats of all agents; time comes only from the arguments.

    :param missed: beats an agent may miss before it is silent.
    """

    def __init__(self, missed: int) -> None:
        self.missed = missed
        self._agents: dict[Name, _Agent] = {}
        self._hosts: set[str] = set()
        self._proved_at: float | None = None
        self._proved = 0.0
        self._shortest_s = 0.0

    def prove(self, now: float) -> None:
        """Note that the monitor can hear at ``now``."""
        if self._proved_at is not None:
            self._proved += min(max(0.0, now - self._proved_at), self._shortest_s)
        self._proved_at = now

    def expect(self, host: str, interval_s: float, now: float) -> None:
        """Expect an agent on ``host`` that was heard before our time."""
        if host not in self._hosts:
            self._add((host, UNKNOWN), interval_s, now)

    def adopt(self, host: str, agent: str, interval_s: float, now: float) -> None:
        """Take over an agent that an earlier monitor found silent."""
        self._add((host, agent), interval_s, now).is_silent = True

    def beat(
        self, host: str, agent: str, interval_s: float, now: float
    ) -> tuple[str, ...]:
        """Note a beat; returns the silent agents of ``host`` it brings back."""
        self.prove(now)
        back = []
        for name in {agent, UNKNOWN}:
            known = self._agents.get((host, name))
            if known is not None and known.is_silent:
                back.append(name)
        self._agents.pop((host, UNKNOWN), None)
        self._add((host, agent), interval_s, now)
        return tuple(back)

    def judge(
        self,
        covered: Collection[str],
        is_mine: Callable[[str], bool] = lambda _: True,
    ) -> tuple[Silent, ...]:
        """Return the agents that fell silent since the last call.

        :param covered: hosts known to be down, whose agents' silence is no
            news; it becomes news if it outlasts the host's return.
        :param is_mine: False for hosts that another monitor judges; their
            silence is found once they are ours.
        """
        found = []
        for (host, name), agent in self._agents.items():
            if agent.is_silent or not is_mine(host):
                continue
            if host in covered:
                agent.mark = self._proved
            elif self._proved - agent.mark >= self.missed * agent.interval_s:
                agent.is_silent = True
                found.append(Silent(host, name, agent.heard_at, agent.interval_s))
        return tuple(found)

    def _add(self, name: Name, interval_s: float, now: float) -> _Agent:
        made = _Agent(interval_s, now, self._proved)
        self._agents[name] = made
        self._hosts.add(name[0])
        shortest = self._shortest_s
        self._shortest_s = min(shortest, interval_s) if shortest else interval_s
        return made
