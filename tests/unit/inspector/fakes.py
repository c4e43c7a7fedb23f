"""Stand-ins for the inspector's neighbours."""

import dataclasses
import threading
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.domain import events
from escalator.drivers import base

PATIENCE_S = 10.0
PREFETCH = 10


class FakeVim(base.Vim):
    """Hosts and instances in memory; slow, unreachable or spoilt on demand.

    :ivar down: hosts that it shows as down.
    :ivar calls: (hosts, is_down) of every call, in the order of arrival.
    :ivar landed: those that it carried out.
    :ivar failures: errors that the next calls raise, first things first.
    :ivar spoilt: hosts for which it always raises.
    """

    def __init__(self, *instances: base.VimInstance) -> None:
        self.instances = list(instances)
        self.changes = 1
        self.down: set[str] = set()
        self.calls: list[tuple[tuple[str, ...], bool]] = []
        self.landed: list[tuple[tuple[str, ...], bool]] = []
        self.failures: list[Exception] = []
        self.spoilt: dict[str, Exception] = {}
        self.readings = 0
        self._gates: dict[bool, threading.Event] = {}
        self._changed = threading.Condition()

    def hold(self, is_down: bool) -> threading.Event:
        """Let calls of this kind wait; what is returned lets them go."""
        self._gates[is_down] = threading.Event()
        return self._gates[is_down]

    def wait_for(self, is_so: Callable[[], bool]) -> bool:
        """Wait until the calls made so far make ``is_so`` true."""
        with self._changed:
            return self._changed.wait_for(is_so, PATIENCE_S)

    def mark_down(self, hosts: Sequence[str], is_down: bool) -> None:
        with self._changed:
            self.calls.append((tuple(hosts), is_down))
            self._changed.notify_all()
        gate = self._gates.get(is_down)
        if gate is not None:
            gate.wait(PATIENCE_S)
        with self._changed:
            if self.failures:
                raise self.failures.pop(0)
            for host in hosts:
                if host in self.spoilt:
                    raise self.spoilt[host]
            change = self.down.update if is_down else self.down.difference_update
            change(hosts)
            self.landed.append((tuple(hosts), is_down))
            self._changed.notify_all()

    def list_instances(self) -> list[base.VimInstance]:
        self.readings += 1
        if self.failures:
            raise self.failures.pop(0)
        return list(self.instances)

    def read_changes(self) -> int:
        return self.changes

    def list_hosts(self) -> list[base.VimHost]:
        return []

    def set_scheduling(self, host: str, is_enabled: bool, reason: str) -> None:
        raise NotImplementedError

    def drain(self, host: str) -> dict[str, str]:
        raise NotImplementedError

    def try_drain(self, host: str) -> list[str]:
        raise NotImplementedError


def away() -> errors.VimUnavailable:
    return errors.VimUnavailable(call="mark_down", timeout_s=1, reason="away")


def instance(id: str, project: str, host: str) -> base.VimInstance:
    return base.VimInstance(id, f"name-{id}", project, host, "active")


def fault(
    host: str, fault_type: str = "host.down", at: float = 100.0, id: str = ""
) -> events.Fault:
    times = {"T0": at - 0.3, "T1": at}
    return events.Fault(
        id or str(uuid.uuid4()), host, fault_type, "critical", times, {"missed": 3}
    )


@dataclasses.dataclass(eq=False)
class FakeDelivery:
    """A received fact that remembers how it was settled."""

    event: Any
    acks: int = 0
    returns: int = 0
    acked: threading.Event = dataclasses.field(default_factory=threading.Event)

    def ack(self) -> None:
        self.acks += 1
        self.acked.set()

    def requeue(self) -> None:
        self.returns += 1


def confirmed(*faults: events.Fault) -> FakeDelivery:
    return FakeDelivery(events.FaultConfirmed(str(uuid.uuid4()), faults))


def cleared(*faults: events.Fault, at: float = 200.0) -> FakeDelivery:
    return FakeDelivery(events.FaultCleared(str(uuid.uuid4()), faults, at))


def corroborated(*faults: events.Fault, before: int = 1) -> FakeDelivery:
    counts = {fault.id: before for fault in faults}
    return FakeDelivery(
        events.FaultCorroborated(str(uuid.uuid4()), faults, counts, 150.0)
    )


class FakePublisher:
    """Keeps what is published; raises the ``failures`` first."""

    def __init__(self) -> None:
        self.published: list[Any] = []
        self.failures: list[Exception] = []

    def publish(self, event: events.Event) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.published.append(event)


class FakeListener:
    """Stands for the bus: a test hands the deliveries over itself."""

    def __init__(
        self,
        pool: str,
        handlers: Mapping[type, Callable[..., None]],
        max_batch: int,
        is_manual: bool,
        patience_s: float = 0.0,
    ) -> None:
        self.is_manual = is_manual
        self.patience_s = patience_s
        self.pool = pool
        self.handlers = handlers
        self.max_batch = max_batch
        self.steps: list[str] = []

    def hand_over(self, *deliveries: FakeDelivery) -> None:
        self.handlers[type(deliveries[0].event)](list(deliveries))

    def start(self) -> None:
        self.steps.append("start")

    def stop(self) -> None:
        self.steps.append("stop")

    def wait(self, timeout_s: float) -> None:
        self.steps.append("wait")


def conf(mark_down_timeout_s: float = PATIENCE_S) -> Any:
    return types.SimpleNamespace(
        bus=types.SimpleNamespace(prefetch=PREFETCH),
        inspector=types.SimpleNamespace(
            realtime=False, map_interval_s=0.01, mark_down_timeout_s=mark_down_timeout_s
        ),
    )
