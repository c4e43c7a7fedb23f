"""Heartbeats of the agents: who fell silent, who is back."""

import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from oslo_log import log as logging

from escalator.domain import events, silence
from escalator.monitor import detection

LOG = logging.getLogger(__name__)

JUDGE_EVERY_S = 0.1


class Beats(Protocol):
    """``bus.heartbeat.BeatListener``."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait(self) -> Any: ...


BeatsFactory = Callable[[Callable[[events.AgentBeat], None]], Beats]


class Listening:
    """Takes beats from the bus and judges silence now and then.

    :param interval_s: heartbeat interval of an agent not heard by us yet.
    :param covered: returns the hosts whose agents' silence is no news.
    :param is_mine: False for hosts that another monitor judges.
    """

    def __init__(
        self,
        detector: detection.Detection,
        missed: int,
        interval_s: float,
        covered: Callable[[], Collection[str]],
        is_mine: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._detection = detector
        self._silence = silence.Silence(missed)
        self._interval_s = interval_s
        self._covered = covered
        self._is_mine = is_mine
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="monitor-listening", daemon=True
        )

    def start(self) -> None:
        """Start judging."""
        self._thread.start()

    def stop(self) -> None:
        """Stop judging."""
        self._stopping.set()

    def take(self, beat: events.AgentBeat) -> None:
        """Take one beat; called from the bus's thread."""
        now = time.monotonic()
        with self._lock:
            back = self._silence.beat(beat.host, beat.agent, beat.interval_s, now)
            if back:
                self._detection.agents_back(beat.host, back, time.time())

    def prove(self) -> None:
        """Note that the bus works: an answer came over it."""
        with self._lock:
            self._silence.prove(time.monotonic())

    def expect(self, hosts: Iterable[str]) -> None:
        """Expect an agent on each of these hosts."""
        with self._lock:
            for host in hosts:
                self._silence.expect(host, self._interval_s, time.monotonic())

    def adopt(self, faults: Iterable[events.Fault]) -> None:
        """Take over the silent agents among an earlier monitor's faults."""
        with self._lock:
            for fault in faults:
                if fault.fault_type == events.FaultType.AGENT_SILENT:
                    self._silence.adopt(
                        fault.host,
                        str(fault.evidence.get("agent", silence.UNKNOWN)),
                        float(fault.evidence.get("interval_s", self._interval_s)),
                        time.monotonic(),
                    )

    def judge(self) -> None:
        """Publish who fell silent."""
        down = self._covered()
        with self._lock:
            silent = self._silence.judge(down, self._is_mine)
            if silent:
                wall = time.time()
                offset = wall - time.monotonic()
                self._detection.agents_silent(silent, wall, offset)

    def _run(self) -> None:
        while not self._stopping.wait(JUDGE_EVERY_S):
            try:
                self.judge()
            except Exception:
                LOG.exception("Judging the agents failed")
