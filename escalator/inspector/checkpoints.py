"""Checkpoints of faults that are reached after the notices went out (DR-9).

Nobody waits for them, so that they are gathered and told together.  What a kill
takes with it the next inspector tells: it asks the VIM again for every raised fault.
"""

import collections
import logging
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Protocol

from escalator import errors
from escalator.domain import events
from escalator.inspector import standing

LOG = logging.getLogger(__name__)

GATHER_S = 0.5
RETRY_S = 2.0
_REMEMBERED = 10_000


class Publisher(Protocol):
    """``bus.events.EventPublisher``."""

    def publish(self, event: events.Event) -> None: ...


class Checkpoints:
    """Tells each checkpoint of each open fault once; thread-safe, never blocks.

    :param known: what is open on a host.
    :param with_states: a host that is marked down has the states of its instances set.
    """

    def __init__(
        self,
        publisher: Publisher,
        known: standing.Standing,
        with_states: bool = False,
    ) -> None:
        self._with_states = with_states
        self._publisher = publisher
        self._known = known
        self._lock = threading.Lock()
        self._reached: dict[str, dict[str, float]] = {}
        self._told: collections.OrderedDict[tuple[str, str], None] = (
            collections.OrderedDict()
        )
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="checkpoints", daemon=True
        )

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what is at hand, once, then end; returns at once."""
        self._stopping.set()
        self._changed.set()

    def marked(self, hosts: Iterable[str]) -> None:
        """Take note of hosts that were marked down when nobody waited any more."""
        hosts = list(hosts)
        self.reach("T4", hosts)
        if self._with_states:
            self.reach("T3", hosts)

    def states_set(self, host: str) -> None:
        """Take note that the states of the instances of a host are set."""
        self.reach("T3", [host])

    def reach(self, checkpoint: str, hosts: Iterable[str]) -> None:
        """Take note that ``checkpoint`` is reached for these hosts, now.

        :param checkpoint: one of ``events.HOPS``.
        """
        at = time.time()
        faults = self._known.open_on(hosts)
        with self._lock:
            fresh = [
                fault.id
                for fault in faults
                if checkpoint not in fault.times
                and (fault.id, checkpoint) not in self._told
            ]
            if not fresh:
                return
            self._told.update(((fault_id, checkpoint), None) for fault_id in fresh)
            while len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
            reached = self._reached.setdefault(checkpoint, {})
            reached.update(dict.fromkeys(fresh, at))
        self._changed.set()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._changed.wait()
            self._stopping.wait(GATHER_S)
            is_last = self._stopping.is_set()
            self._changed.clear()
            if not self._tell() and not is_last:
                self._stopping.wait(RETRY_S)
                self._changed.set()

    def _tell(self) -> bool:
        """Publish what is gathered; what the broker does not take is kept."""
        with self._lock:
            gathered, self._reached = self._reached, {}
        for checkpoint in sorted(gathered):
            fact = events.CheckpointReached(
                str(uuid.uuid4()), checkpoint, gathered[checkpoint]
            )
            try:
                self._publisher.publish(fact)
            except errors.EscalatorError as error:
                LOG.warning("Checkpoints of faults wait for the broker: %s", error)
            except Exception:
                LOG.exception("Checkpoints of faults were not told; trying again")
            else:
                del gathered[checkpoint]
        with self._lock:
            for checkpoint, reached in gathered.items():
                self._reached[checkpoint] = {
                    **reached,
                    **self._reached.get(checkpoint, {}),
                }
        return not gathered
