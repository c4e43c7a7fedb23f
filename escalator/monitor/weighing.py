"""From the probes' verdicts to faults: at once where it is clear, else weighed.

Clear is a host whose targets are all lost, and one that answers on all.  The
rest waits for a moment in a thread of its own, and never delays the others:

* some interfaces answer: the others may follow within a round;
* most hosts failed at once: ``monitor.doubt`` decides whom to believe;
* a campaign works on the host: its own step may be rebooting it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from oslo_log import log as logging

from escalator.domain import events, panel
from escalator.domain import target as targets
from escalator.monitor import detection, report, waiting, windows

LOG = logging.getLogger(__name__)

AGAIN_S = 1.0

_DOWN = events.FaultType.HOST_DOWN
_LINK = events.FaultType.LINK_DOWN


class Doubt(Protocol):
    """``monitor.doubt.Doubt``."""

    def believe(self, hosts: Sequence[str]) -> frozenset[str]:
        """Return those that are believed down; may take a moment."""

    def calm(self) -> None:
        """Note that no host is in doubt any more."""


class Trust:
    """Believes every storm that the law of detection let pass."""

    def believe(self, hosts: Sequence[str]) -> frozenset[str]:
        return frozenset(hosts)

    def calm(self) -> None:
        """Never was in doubt."""


class Weighing:
    """Takes the reports of all probes; thread-safe.

    :param settle_s: a host of which some interfaces answer is given so long.
    :param again_s: until the next look at one that stays in doubt or is expected down.
    """

    def __init__(
        self,
        jury: panel.Panel,
        detector: detection.Detection,
        settle_s: float,
        doubt: Doubt | None = None,
        expected: windows.Windows | None = None,
        is_mine: Callable[[str], bool] = lambda _: True,
        again_s: float = AGAIN_S,
    ) -> None:
        self._panel = jury
        self._detection = detector
        self._settle_s = settle_s
        self._doubt = doubt or Trust()
        self._windows = expected or windows.Windows()
        self._is_mine = is_mine
        self._again_s = again_s
        self._doubted: set[str] = set()
        self._expected: set[str] = set()
        self._lock = threading.Lock()
        self._waiting = waiting.Waiting(self._weigh)
        self.start = self._waiting.start
        self.stop = self._waiting.stop

    def outlet(self, probe: str) -> report.Outlet:
        """Return where the loop of ``probe`` reports to."""
        return _Outlet(self, self._detection, probe)

    def watch(self, wanted: Iterable[str]) -> None:
        """Judge these targets from now on."""
        with self._lock:
            self._panel.watch(wanted)
            for host in self._waiting.keep(self._panel.hosts()):
                self._forget(host)

    def lost(self, probe: str) -> frozenset[str]:
        """Return the targets that ``probe`` found dead."""
        with self._lock:
            return self._panel.lost(probe)

    def covered(self) -> frozenset[str]:
        """Return the hosts whose agents' silence is no news."""
        with self._lock:
            return self._detection.hosts_down() | self._expected

    def look(self, hosts: Iterable[str]) -> dict[str, bool]:
        """Return whether each host watched here is lost here, or a link of it."""
        with self._lock:
            return {
                host: self._panel.judge(host).kind is not None
                for host in hosts
                if self._panel.is_watched(host)
            }

    def adopt(self, faults: Iterable[events.Fault], fresh: Iterable[str]) -> None:
        """Take over the ``fresh`` hosts' faults after :meth:`watch`.

        Hosts watched here before are not among them: see :meth:`compare`.
        """
        fresh = frozenset(fresh)
        with self._lock:
            for fault in faults:
                if fault.host in fresh and fault.fault_type in (_DOWN, _LINK):
                    self._panel.assume(fault)

    def compare(self, hosts: Iterable[str]) -> None:
        """Tell what differs between what is known and what is open."""
        with self._lock:
            self._settle(hosts, time.time())

    def judged(self, probe: str, judged: report.Judged) -> None:
        """Take the verdicts of one round of one probe."""
        with self._lock:
            for failure in judged.failed:
                loss = panel.Loss(failure.t0, _evidence(failure))
                self._panel.lose(probe, failure.host, loss)
            for name in judged.returned:
                self._panel.find(probe, name)
            is_storm = any(failure.is_storm for failure in judged.failed)
            if is_storm or any(map(self._is_mine, self._doubted - self._expected)):
                self._doubted |= {targets.host_of(f.host) for f in judged.failed}
            self._settle(_hosts_of(judged), judged.at)

    def _settle(self, hosts: Iterable[str], at: float) -> None:
        """Tell what is clear of these hosts; the rest is to be weighed."""
        findings, over, known = [], [], []
        for host in hosts:
            verdict = self._panel.judge(host)
            if not self._is_mine(host):
                # What was doubted of it stays so, should it be taken over.
                if verdict.kind is None:
                    self._forget(host)
            elif verdict.kind is None:
                self._forget(host)
                over += [(_DOWN, host), (_LINK, host)]
            elif self._detection.is_known(verdict.kind, host):
                self._forget(host)
                known.append(_finding(host, verdict, at))
            elif verdict.kind == _LINK:
                self._waiting.put(host, self._settle_s, is_moved=False)
            elif host in self._doubted or self._windows.is_worked_on(host):
                self._waiting.put(host, 0.0)
            else:
                self._forget(host)
                findings.append(_finding(host, verdict, at))
        self._detection.found(findings)
        self._detection.over(over, at)
        self._detection.corroborate(known, at)

    def _forget(self, host: str) -> None:
        self._waiting.drop(host)
        self._doubted.discard(host)
        self._expected.discard(host)
        if not self._doubted:
            self._doubt.calm()

    def _weigh(self, hosts: Sequence[str]) -> None:
        ends, now = self._windows.find_ends(hosts), time.time()
        with self._lock:
            # Nobody is asked about a host that is expected down.
            self._expected -= {h for h in hosts if ends.get(h, 0.0) <= now}
            self._expected |= {h for h in hosts if ends.get(h, 0.0) > now}
            doubted = [h for h in hosts if h in self._doubted - self._expected]
        believed = self._doubt.believe(doubted) if doubted else frozenset()
        with self._lock:
            findings, over, wall = [], [], time.time()
            for host in hosts:
                verdict = self._panel.judge(host)
                left_s = ends.get(host, 0.0) - wall
                if verdict.kind is None or self._detection.is_known(verdict.kind, host):
                    self._forget(host)
                elif left_s > 0:
                    self._waiting.put(host, min(left_s, self._again_s))
                elif host in self._doubted and host not in believed:
                    self._waiting.put(host, self._again_s)
                else:
                    self._forget(host)
                    findings.append(_finding(host, verdict, wall))
                    # A host of which some interfaces are back is up again.
                    over += [(_DOWN, host)] if verdict.kind == _LINK else []
            self._detection.found(findings)
            self._detection.over(over, wall)


class _Outlet:
    def __init__(
        self, weighing: Weighing, detector: detection.Detection, probe: str
    ) -> None:
        self._weighing = weighing
        self._probe = probe
        self.ticked = detector.ticked

    def judged(self, judged: report.Judged) -> None:
        self._weighing.judged(self._probe, judged)


def _hosts_of(judged: report.Judged) -> list[str]:
    """Return the hosts that a round is about, each once, in its order."""
    named = [failure.host for failure in judged.failed] + [*judged.returned]
    return list(dict.fromkeys(targets.host_of(name) for name in named))


def _finding(host: str, verdict: panel.Verdict, at: float) -> detection.Finding:
    kind = verdict.kind or _DOWN
    return detection.Finding(kind, host, verdict.t0, at, {**verdict.evidence})


def _evidence(failure: report.Failure) -> dict[str, Any]:
    return {
        "misses": failure.misses,
        "faults_in_window": failure.faults,
        "has_answered": failure.has_answered,
        "is_storm": failure.is_storm,
    }
