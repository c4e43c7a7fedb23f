"""From verdicts on targets to verdicts on hosts: k of n probes, all or some NICs.

A target is lost if ``needed`` probes say so.  A host whose targets are all lost
is down; one of which some answer has lost links.  One live interface never
hides a dead one, and one live host never hides another.  Source: DR-3, DR-4.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from escalator.domain import events
from escalator.domain import target as targets


@dataclasses.dataclass(frozen=True, slots=True)
class Loss:
    """One probe's verdict on one target.

    :ivar t0: the earliest moment at which it can have failed, epoch seconds.
    """

    t0: float
    evidence: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one host.

    :ivar kind: the fault type, or None if every target answers.
    :ivar t0: epoch seconds; of a host that is down, when its last target
        can have failed.
    :ivar evidence: JSON object: the first probe's evidence; the interfaces
        lost, if the host has several; the probes that agree and how many there
        are, if there are several: of the interface lost that the fewest find dead.
    """

    kind: events.FaultType | None = None
    t0: float = 0.0
    evidence: Mapping[str, Any] = dataclasses.field(default_factory=dict)


FINE = Verdict()


class Panel:
    """Keeps the losses of all targets.

    :param probes: names of the probes that vote.
    :param needed: how many of them must agree.
    """

    def __init__(self, probes: Sequence[str], needed: int = 1) -> None:
        self.probes = tuple(probes)
        self.needed = needed
        self._targets: dict[str, tuple[str, ...]] = {}
        self._losses: dict[str, dict[str, Loss]] = {}

    def watch(self, wanted: Iterable[str]) -> None:
        """Judge these targets from now on; what is known of them stays."""
        grouped: dict[str, list[str]] = {}
        for target in wanted:
            grouped.setdefault(targets.host_of(target), []).append(target)
        self._targets = {host: tuple(found) for host, found in grouped.items()}
        known = {target for found in self._targets.values() for target in found}
        self._losses = {t: found for t, found in self._losses.items() if t in known}

    def hosts(self) -> Collection[str]:
        """Return the hosts that are judged here."""
        return self._targets.keys()

    def is_watched(self, host: str) -> bool:
        """Return whether ``host`` is judged here."""
        return host in self._targets

    def lose(self, probe: str, target: str, loss: Loss) -> None:
        """Note that ``probe`` found ``target`` dead."""
        self._losses.setdefault(target, {})[probe] = loss

    def find(self, probe: str, target: str) -> None:
        """Note that ``probe`` found ``target`` alive again."""
        found = self._losses.get(target)
        if found is not None:
            found.pop(probe, None)
            if not found:
                del self._losses[target]

    def assume(self, fault: events.Fault) -> None:
        """Believe an earlier monitor's ``fault`` until its targets answer.

        Only the probes that it names are believed, filled up to ``needed``: the
        others have not agreed yet.
        """
        mine = self._targets.get(fault.host, ())
        nics = fault.evidence.get("nics")
        if fault.fault_type == events.FaultType.LINK_DOWN:
            mine = tuple(t for t in mine if targets.nic_of(t) in (nics or ()))
        named = fault.evidence.get("probes", ())
        believed = sorted(self.probes, key=lambda probe: probe not in named)
        count = max(sum(probe in named for probe in believed), self.needed)
        for target in mine:
            for probe in believed[:count]:
                loss = Loss(fault.times.get("T0", 0.0), {})
                self._losses.setdefault(target, {}).setdefault(probe, loss)

    def lost(self, probe: str) -> frozenset[str]:
        """Return the targets that ``probe`` found dead."""
        return frozenset(t for t, found in self._losses.items() if probe in found)

    def judge(self, host: str) -> Verdict:
        """Return what the losses mean for ``host``."""
        mine = self._targets.get(host, ())
        dead = [t for t in mine if len(self._losses.get(t, ())) >= self.needed]
        if not dead:
            return FINE
        is_down = len(dead) == len(mine)
        losses = [loss for t in dead for loss in self._losses[t].values()]
        first = next(iter(self._losses[dead[0]].values()))
        evidence: dict[str, Any] = dict(first.evidence)
        if len(mine) > 1:
            evidence["nics"] = sorted(targets.nic_of(t) for t in dead)
            evidence["nics_alive"] = sorted(
                targets.nic_of(t) for t in mine if t not in dead
            )
        if len(self.probes) > 1:
            # Who finds one interface dead says nothing of the others.
            agreeing = [sorted(self._losses[t]) for t in dead]
            evidence["probes"] = min(agreeing, key=len)
            evidence["probes_watching"] = len(self.probes)
        kind = events.FaultType.HOST_DOWN if is_down else events.FaultType.LINK_DOWN
        # A host lived until the last of its interfaces fell silent.
        t0 = max(loss.t0 for loss in losses) if is_down else losses[0].t0
        return Verdict(kind, t0, evidence)
