"""Deadlines around calls that do not keep their own.

oslo.messaging blocks for as long as the broker is away, whatever ``timeout``
says.  The call therefore runs in a daemon thread, and the caller leaves when
its time is up.  What is stuck ends once the broker is back; it is bounded.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from escalator import errors

Result = TypeVar("Result")

MOST_WORKERS = 32


class _Job(Generic[Result]):
    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._done = threading.Event()
        self._result: Result
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error
        self._done.set()

    def wait(self, timeout_s: float) -> bool:
        return self._done.wait(timeout_s)

    def outcome(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._result


class Runner:
    """Runs calls under a deadline in at most ``most`` threads."""

    def __init__(self, most: int = MOST_WORKERS) -> None:
        self._slots = threading.BoundedSemaphore(most)
        self._jobs: queue.SimpleQueue[_Job[Any]] = queue.SimpleQueue()
        self._names = itertools.count()
        self._lock = threading.Lock()
        self._idle = 0

    def run(self, call: Callable[[], Result], timeout_s: float) -> Result:
        """Return what ``call`` returns, or raise what it raises.

        :raises BusUnavailable: it did not end in time (it goes on, unheard),
            or every thread is stuck in an earlier one.
        """
        until = time.monotonic() + timeout_s
        if not self._slots.acquire(timeout=timeout_s):
            raise errors.BusUnavailable(
                timeout_s=timeout_s, reason="earlier calls are stuck"
            )
        job = _Job(call)
        self._hand_over(job)
        if not job.wait(until - time.monotonic()):
            raise errors.BusUnavailable(timeout_s=timeout_s, reason="no answer")
        return job.outcome()

    def _hand_over(self, job: _Job[Any]) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                name = f"bus-call-{next(self._names)}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            self._jobs.get().run()
            with self._lock:
                self._idle += 1
            self._slots.release()


_shared = Runner()


def run(call: Callable[[], Result], timeout_s: float) -> Result:
    """Run ``call`` in this process's shared runner, see :meth:`Runner.run`."""
    return _shared.run(call, timeout_s)
