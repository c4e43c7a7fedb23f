"""The simulated fleet of one process: hosts, packages, deaths and failures.

Serves the embedded default and the tests with many hosts.  It keeps count of
every side effect, so that a test can tell that none happened twice.
"""

import collections
import dataclasses
import functools
import random
import threading
import time
from collections.abc import Iterable, Mapping

from escalator import errors
from escalator.domain import commands

PACKAGES: Mapping[str, str] = {"demo-service": "1.0", "libdemo": "1.0"}
"""What a host has that nobody said anything else of."""

ANY = "*"


@dataclasses.dataclass(frozen=True, slots=True)
class Effect:
    """One change that really happened.

    :ivar before: the host's packages until then.
    """

    host: str
    action: str
    step_id: str
    attempt: int
    fence: int
    before: Mapping[str, str]


@dataclasses.dataclass(slots=True)
class _Failure:
    times: int
    failure_class: str
    is_after_effect: bool


class Fleet:
    """Simulated hosts; any thread may use it.

    :param seed: makes the latencies repeatable, whatever the threads do.
    :ivar withheld: (host, package, version): what its repositories do not have.
    """

    def __init__(self, seed: int = 0, packages: Mapping[str, str] = PACKAGES) -> None:
        self._seed = seed
        self._changed = threading.Condition()
        self._dead: set[str] = set()
        self._packages: dict[str, dict[str, str]] = collections.defaultdict(
            lambda: dict(packages)
        )
        self._latency_s: dict[str, tuple[float, float]] = {}
        self._failures: dict[tuple[str, str], _Failure] = {}
        self._effects: list[Effect] = []
        self.withheld: set[tuple[str, str, str]] = set()

    def is_alive(self, host: str) -> bool:
        """Return False for a host that was killed."""
        return host not in self._dead

    def kill(self, host: str) -> None:
        """Let ``host`` answer nothing any more; what runs there stands still."""
        with self._changed:
            self._dead.add(host)
            self._changed.notify_all()

    def revive(self, host: str) -> None:
        """Let ``host`` answer again."""
        with self._changed:
            self._dead.discard(host)
            self._changed.notify_all()

    def set_packages(self, host: str, packages: Mapping[str, str]) -> None:
        """Set the whole inventory of ``host``, outside of any step."""
        with self._changed:
            self._packages[host] = dict(packages)

    def packages(self, host: str) -> dict[str, str]:
        """Return every installed package's version."""
        with self._changed:
            return dict(self._packages[host])

    def versions(self, host: str, names: Iterable[str]) -> dict[str, str]:
        """Return the versions of those of ``names`` that are installed."""
        found = self.packages(host)
        return {name: found[name] for name in names if name in found}

    def set_latency(self, action: str, low_s: float, high_s: float) -> None:
        """Let ``action`` (``*``: every other) take a time in between."""
        self._latency_s[action] = (low_s, high_s)

    def fail(
        self,
        action: str,
        host: str,
        times: int = 1,
        failure_class: str = "transient",
        is_after_effect: bool = False,
    ) -> None:
        """Let the next ``times`` runs of ``action`` on ``host`` fail.

        :param is_after_effect: fail only after the host was changed.
        """
        with self._changed:
            failure = _Failure(times, failure_class, is_after_effect)
            self._failures[action, host] = failure

    def spend(self, order: commands.RunStep) -> None:
        """Take the action's time; stand still while the host is dead.

        :raises ActionFailed: as programmed by :meth:`fail`, or ``timeout``.
        """
        end = time.monotonic() + order.timeout_s
        done_at = time.monotonic() + self._latency(order)
        with self._changed:
            while self._left(order, done_at, end) > 0:
                self._changed.wait(self._left(order, done_at, end))
            if order.host in self._dead or done_at > end:
                raise errors.ActionFailed(
                    action=order.action,
                    reason=f"{order.host} did not do it in {order.timeout_s:g} s",
                    failure_class="timeout",
                )
            self._fail_if_due(order, is_after_effect=False)

    def change(self, order: commands.RunStep, packages: Mapping[str, str]) -> bool:
        """Set the whole inventory as a step's side effect; False if it is so.

        :raises ActionFailed: as programmed by :meth:`fail`.
        """
        with self._changed:
            before = self._packages[order.host]
            is_changed = before != dict(packages)
            if is_changed:
                self._packages[order.host] = dict(packages)
                self._effects.append(_effect(order, before))
            self._fail_if_due(order, is_after_effect=True)
        return is_changed

    def effects(self) -> list[Effect]:
        """Return every change of a host by a step, in order."""
        with self._changed:
            return list(self._effects)

    def effect_counts(self) -> collections.Counter[tuple[str, str, str]]:
        """Count the changes by (host, action, step id)."""
        return collections.Counter(
            (each.host, each.action, each.step_id) for each in self.effects()
        )

    def _latency(self, order: commands.RunStep) -> float:
        low_s, high_s = self._latency_s.get(
            order.action, self._latency_s.get(ANY, (0.0, 0.0))
        )
        if high_s <= 0:
            return 0.0
        name = f"{self._seed}/{order.host}/{order.action}/{order.step_id}"
        return random.Random(name).uniform(low_s, high_s)  # noqa: S311

    def _left(self, order: commands.RunStep, done_at: float, end: float) -> float:
        until = end if order.host in self._dead else min(done_at, end)
        return until - time.monotonic()

    def _fail_if_due(self, order: commands.RunStep, is_after_effect: bool) -> None:
        failure = self._failures.get((order.action, order.host))
        if failure is None or failure.times <= 0:
            return
        if failure.is_after_effect is not is_after_effect:
            return
        failure.times -= 1
        raise errors.ActionFailed(
            action=order.action,
            reason=f"simulated failure on {order.host}",
            failure_class=failure.failure_class,
        )


def _effect(order: commands.RunStep, before: Mapping[str, str]) -> Effect:
    return Effect(
        host=order.host,
        action=order.action,
        step_id=order.step_id,
        attempt=order.attempt,
        fence=order.fence,
        before=before,
    )


@functools.cache
def fleet() -> Fleet:
    """Return the one fleet of this process."""
    return Fleet()
