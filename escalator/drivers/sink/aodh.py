"""Aodh: events straight to its listener's queue, without Nova and Ceilometer.

A few threads, each with a connection of its own.  A project's messages stay in
one thread, and so in order.  What the broker has not confirmed is tried again;
until then the fact that caused it stays unacknowledged on our bus, which keeps
it over a crash.  Source: DR-6, ADR 16.
"""

import dataclasses
import logging
import queue
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

from escalator import errors
from escalator.domain import aodh_event, events
from escalator.domain import notice as domain_notice
from escalator.drivers import base

LOG = logging.getLogger(__name__)

Settled = Callable[[events.NoticeSettled], None]

MOST_AT_ONCE = 20
"""Messages written before their confirms are waited for."""

REPEAT_LOG_S = 30.0


class Publisher(Protocol):
    """What is asked of ``bus.samples.SamplePublisher``."""

    def publish(self, bodies: Sequence[bytes]) -> None: ...

    def close(self) -> None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long Aodh's broker is borne with.

    :ivar retry_s: seconds from a notice's coming to its death.
    :ivar waiting_limit: facts whose notices one thread may keep while the
        broker is away; each uses up the listener's prefetch, so with more the
        other sinks would hear nothing.
    """

    retry_s: float = 300.0
    backoff_s: float = 0.5
    backoff_max_s: float = 10.0
    waiting_limit: int = 16


@dataclasses.dataclass(slots=True, eq=False)
class _Job:
    notice: domain_notice.Notice
    settled: Settled
    since: float
    body: bytes = b""
    attempts: int = 0


class Aodh(base.Sink):
    """Publishes events for Aodh's event alarms; needs no subscription.

    :param publisher: makes the connection of one thread; connects later.
    :param canary_s: seconds between two events that nobody has an alarm on,
        which keep Aodh's listener warm and show early that the way is closed;
        0 sends none.
    """

    def __init__(
        self,
        publisher: Callable[[], Publisher],
        patience: Patience,
        threads: int = 2,
        canary_s: float = 30.0,
        with_instances: bool = True,
    ) -> None:
        self._with_instances = with_instances
        self._workers = [
            _Worker(publisher, patience, 0.0 if at else canary_s)
            for at in range(threads)
        ]

    def evaluate(
        self,
        event: domain_notice.Told,
        directory: domain_notice.Directory,
        now: float,
    ) -> Sequence[domain_notice.Notice]:
        """Return a message or more for every affected project."""
        return aodh_event.notices(event, self._with_instances)

    def revive(
        self, letter: events.ResendRequested, directory: domain_notice.Directory
    ) -> domain_notice.Notice | None:
        """Return the message that a dead letter of this sink is."""
        return aodh_event.revive(letter)

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def submit(self, notice: domain_notice.Notice, settled: Settled) -> None:
        lane = zlib.crc32(notice.project_id.encode(errors="replace"))
        self._workers[lane % len(self._workers)].put(notice, settled)

    def stop(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        for worker in self._workers:
            worker.leave()
        for worker in self._workers:
            worker.join(max(deadline - time.monotonic(), 0.0))


class _Worker:
    """One thread, one connection, messages in order."""

    def __init__(
        self, publisher: Callable[[], Publisher], patience: Patience, canary_s: float
    ) -> None:
        self._make_publisher = publisher
        self._patience = patience
        self._canary_s = canary_s
        self._arrived: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting: list[_Job] = []
        self._stopped = threading.Event()
        self._is_failing = False
        self._logged_at = self._try_at = 0.0
        self._thread = threading.Thread(target=self._run, name="aodh", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, notice: domain_notice.Notice, settled: Settled) -> None:
        self._arrived.put(_Job(notice, settled, time.monotonic()))

    def leave(self) -> None:
        self._stopped.set()
        self._arrived.put(None)

    def join(self, timeout_s: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        self._publisher = self._make_publisher()
        is_new = True
        while not self._stopped.is_set():
            try:
                if is_new:
                    is_new = False
                    self._send_canary()
                self._collect()
                if time.monotonic() >= self._try_at:
                    self._deliver()
            except Exception:
                LOG.exception("aodh: unforeseen; what waits is tried again")
                self._try_at = time.monotonic() + self._patience.backoff_max_s
        self._publisher.close()

    def _collect(self) -> None:
        """Take over what comes until there is something to do."""
        wait_s = self._canary_s or None
        if self._waiting:
            wait_s = max(self._try_at - time.monotonic(), 0.0)
        try:
            self._accept(self._arrived.get(timeout=wait_s))
            while not self._arrived.empty():
                self._accept(self._arrived.get())
        except queue.Empty:
            if not self._waiting:
                self._send_canary()

    def _accept(self, job: _Job | None) -> None:
        if job is None:
            return
        try:
            job.body = aodh_event.encode(job.notice.id, job.notice.body, time.time())
        except Exception as error:
            LOG.exception("aodh: notice %s cannot be sent", job.notice.id)
            self._bury(job, repr(error))
            return
        causes = {each.notice.cause_id for each in self._waiting}
        is_full = len(causes) >= self._patience.waiting_limit
        if self._is_failing and is_full and job.notice.cause_id not in causes:
            self._bury(job, "Aodh's broker is away, and too many facts wait for it")
        else:
            self._waiting.append(job)

    def _deliver(self) -> None:
        """Send what waits, in order, until it is sent or must wait longer."""
        while self._waiting and not self._stopped.is_set():
            batch = self._waiting[:MOST_AT_ONCE]
            try:
                self._publisher.publish([job.body for job in batch])
            except errors.BusUnavailable as error:
                return self._keep(batch, error)
            self._note_success()
            del self._waiting[: len(batch)]
            at = time.time()
            for job in batch:
                job.attempts += 1
                job.settled(_settlement(job, {"T8": at}))

    def _keep(self, batch: list[_Job], error: errors.BusUnavailable) -> None:
        """Bury what waited too long; set the time of the others' next attempt."""
        self._note_failure(error)
        for job in batch:
            job.attempts += 1
        latest = time.monotonic() - self._patience.retry_s
        dead = [job for job in self._waiting if job.since <= latest]
        self._waiting = [job for job in self._waiting if job.since > latest]
        for job in dead:
            self._bury(job, str(error))
        tried = self._waiting[0].attempts if self._waiting else 1
        pause_s = self._patience.backoff_s * 2 ** min(tried - 1, 16)
        pause_s = min(pause_s, self._patience.backoff_max_s)
        self._try_at = time.monotonic() + pause_s

    def _bury(self, job: _Job, reason: str) -> None:
        LOG.error("aodh: notice %s is a dead letter: %s", job.notice.id, reason)
        job.settled(_settlement(job, {}, reason))

    def _send_canary(self) -> None:
        if not self._canary_s:
            return
        now = time.time()
        body = aodh_event.encode(str(uuid.uuid4()), aodh_event.canary(now), now)
        try:
            self._publisher.publish([body])
        except errors.BusUnavailable as error:
            self._note_failure(error)
        else:
            self._note_success()

    def _note_failure(self, error: errors.BusUnavailable) -> None:
        now = time.monotonic()
        if not self._is_failing or now - self._logged_at >= REPEAT_LOG_S:
            LOG.warning("aodh: %d messages wait: %s", len(self._waiting), error)
            self._logged_at = now
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            LOG.info("aodh: its broker takes messages again")
        self._is_failing = False


def _settlement(
    job: _Job, times: dict[str, float], error: str = ""
) -> events.NoticeSettled:
    """Return the fact; its id is the same for the same outcome.

    ``T8`` is the broker's confirm.  There is no ``T9``: who calls the owner is
    Aodh, and it does not tell.
    """
    notice, state = job.notice, "dead" if error else "delivered"
    return events.NoticeSettled(
        event_id=str(uuid.uuid5(uuid.UUID(notice.id), state)),
        notice_id=notice.id,
        cause_id=notice.cause_id,
        fault_ids=notice.fault_ids,
        subscription_id=notice.subscription_id,
        project_id=notice.project_id,
        state=state,
        attempts=job.attempts,
        times={**notice.times, **times},
        error=error,
        body=job.body.decode() if error else "",
    )
