"""Stand-ins for the notifier's neighbours."""

import dataclasses
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.domain import aodh_event, events, notice
from escalator.drivers import base
from escalator.objects import base as objects_base

URL = "http://consumer/"


@dataclasses.dataclass(eq=False)
class FakeDelivery:
    """A received fact that remembers how it was settled."""

    event: Any
    received_at: float = 100.0
    acks: int = 0
    requeues: int = 0

    def ack(self) -> None:
        self.acks += 1

    def requeue(self) -> None:
        self.requeues += 1


def host_down(*projects: str, event_id: str = "") -> events.HostMarkedDown:
    """Build a fact about one host with an instance of each project."""
    fault = events.Fault(str(uuid.uuid4()), "node", "host.down", "critical", {})
    instances = tuple(
        events.AffectedInstance(id=f"i-{project}", project_id=project)
        for project in projects
    )
    impact = events.Impact(fault, instances, True, {})
    return events.HostMarkedDown(event_id or str(uuid.uuid4()), (impact,))


def evidence(*probes: str) -> dict[str, Any]:
    """Return what a monitor with three kinds of probes says of those that agree."""
    return {"probes": list(probes), "probes_watching": 3}


def corroborated(
    fact: events.HostMarkedDown, *probes: str, before: int = 1
) -> events.ImpactCorroborated:
    """Build the fact that these probes agree on what ``fact`` told."""
    impacts = tuple(with_probes(each, *probes) for each in fact.impacts)
    return events.ImpactCorroborated(
        str(uuid.uuid4()), impacts, {each.fault.id: before for each in impacts}, 1.0
    )


def with_probes(impact: events.Impact, *probes: str) -> events.Impact:
    """Return an impact that these probes agree on."""
    fault = dataclasses.replace(impact.fault, evidence=evidence(*probes))
    return dataclasses.replace(impact, fault=fault)


def subscriber(id: str, project_id: str) -> notice.Subscriber:
    return notice.subscriber(id, project_id, URL, (), "warning", False)


def make_notice(id: str) -> notice.Notice:
    return notice.Notice(id, "cause", "s", "red", URL, (), {}, {})


def settlement(item: notice.Notice, state: str = "delivered") -> events.NoticeSettled:
    return events.NoticeSettled(
        event_id=str(uuid.uuid4()),
        notice_id=item.id,
        cause_id=item.cause_id,
        fault_ids=item.fault_ids,
        subscription_id=item.subscription_id,
        project_id=item.project_id,
        state=state,
        attempts=1,
        times=item.times,
    )


class FakeSink(base.Sink):
    """Holds every notice until the test settles it."""

    def __init__(self) -> None:
        self.held: list[tuple[notice.Notice, Callable[..., None]]] = []
        self.calls: list[str] = []

    @property
    def notices(self) -> list[notice.Notice]:
        return [item for item, _ in self.held]

    def start(self) -> None:
        self.calls.append("start")

    def submit(
        self,
        notice: notice.Notice,
        settled: Callable[[events.NoticeSettled], None],
    ) -> None:
        self.held.append((notice, settled))

    def settle_all(self) -> None:
        held, self.held = self.held, []
        for item, settled in held:
            settled(settlement(item))

    def stop(self, timeout_s: float) -> None:
        self.calls.append("stop")


class ProjectSink(FakeSink):
    """Knows its audience itself, as Aodh's does."""

    def evaluate(
        self, event: notice.Told, directory: notice.Directory, now: float
    ) -> Sequence[notice.Notice]:
        return aodh_event.notices(event)


class BrokenSink(FakeSink):
    """Cannot say whom it tells."""

    def evaluate(
        self, event: notice.Told, directory: notice.Directory, now: float
    ) -> Sequence[notice.Notice]:
        raise RuntimeError("a bug")


class WatchingSink(FakeSink):
    """Remembers what another one had been given when it was asked itself."""

    def __init__(self, other: FakeSink) -> None:
        super().__init__()
        self._other = other
        self.seen: list[int] = []

    def evaluate(
        self, event: notice.Told, directory: notice.Directory, now: float
    ) -> Sequence[notice.Notice]:
        self.seen.append(len(self._other.notices))
        return ()


class FakePublisher:
    """Takes facts, unless the broker is away for the first ``away`` tries."""

    def __init__(self, away: int = 0) -> None:
        self.facts: list[events.Event] = []
        self.batches = 0
        self.tried = threading.Semaphore(0)
        self._away = away

    def publish_all(self, facts: Sequence[events.Event]) -> None:
        self.tried.release()
        if self._away:
            self._away -= 1
            raise errors.BusUnavailable(timeout_s=1, reason="away")
        if any(getattr(fact, "notice_id", "") == "bad" for fact in facts):
            raise ValueError("cannot be encoded")
        self.batches += 1
        self.facts.extend(facts)


class FakeListener:
    """Has the signature of ``bus.events.EventListener``."""

    def __init__(
        self,
        conf: Any,
        pool: str,
        handlers: Mapping[type[Any], Callable[[list[Any]], None]],
        max_batch: int = 1,
        is_manual: bool = False,
    ) -> None:
        self.handlers = handlers
        self.is_manual = is_manual
        self.is_started = threading.Event()
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")
        self.is_started.set()

    def stop(self) -> None:
        self.calls.append("stop")

    def wait(self, timeout_s: float) -> bool:
        self.calls.append("wait")
        return True

    def receive(self, *deliveries: FakeDelivery) -> None:
        self.handlers[type(deliveries[0].event)](list(deliveries))


class FakeStore:
    """The conductor's rows of subscriptions, which may be out of reach."""

    def __init__(self, rows: Sequence[dict[str, Any]] = ()) -> None:
        self.rows = list(rows)
        self.is_away = False
        self.reads = threading.Semaphore(0)

    def plug_in(self, add_cleanup: Callable[..., Any]) -> None:
        """Serve this process's objects until the test is over."""
        add_cleanup(setattr, objects_base.EscalatorObject, "store", None)
        objects_base.use_store(self)

    def read(self, kind: str, **query: Any) -> list[dict[str, Any]]:
        if self.is_away:
            self.reads.release()
            raise errors.CallTimeout(method="read", target="conductor", timeout_s=1)
        rows = sorted(self.rows, key=lambda row: str(row["id"]))
        later = [row for row in rows if row["id"] > (query["marker"] or "")]
        if not later:
            self.reads.release()  # the last page: a reading is complete
        return later[: query["limit"]]

    def write(self, kind: str, verb: str, **values: Any) -> dict[str, Any]:
        raise NotImplementedError


def row(project_id: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "project_id": project_id,
        "url": URL,
        "fault_types": [],
        "min_severity": "warning",
        "min_probes": 1,
        "is_admin": False,
    }
