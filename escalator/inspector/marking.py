"""Marks hosts down in the VIM: in time if it can, later if it must (DR-2)."""

import concurrent.futures
import logging
import threading
from collections.abc import Sequence

import tenacity

from escalator import errors
from escalator.drivers import base

LOG = logging.getLogger(__name__)

_WORKERS = 4


class Marking:
    """A bounded pool in front of the VIM.

    The latest wish for a host wins: a call that is still being repeated for
    an older one ends.

    :param timeout_s: how long a notice may wait for the VIM.
    """

    def __init__(self, vim: base.Vim, timeout_s: float) -> None:
        self.vim = vim
        self.timeout_s = timeout_s
        self._pool = concurrent.futures.ThreadPoolExecutor(_WORKERS, "marking")
        self._wishes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def mark(self, hosts: Sequence[str], is_down: bool) -> bool:
        """Mark hosts; True if the VIM has done it before the deadline."""
        if not hosts:
            return True
        with self._lock:
            number = max(self._wishes.values(), default=0) + 1
            self._wishes.update(dict.fromkeys(hosts, number))
        future = self._pool.submit(self._insist, tuple(hosts), is_down, number)
        try:
            return future.result(timeout=self.timeout_s)
        except concurrent.futures.TimeoutError:
            LOG.warning(
                "The VIM did not mark %d hosts within %s s; it is asked on",
                len(hosts),
                self.timeout_s,
            )
            return False

    def stop(self) -> None:
        """Give up what is being repeated."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _insist(self, hosts: tuple[str, ...], is_down: bool, number: int) -> bool:
        """Repeat until the VIM has done it or a newer wish came."""
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(errors.VimUnavailable),
            wait=tenacity.wait_exponential(multiplier=0.1, max=5),
            stop=tenacity.stop_when_event_set(self._stop),
            reraise=True,
        ):
            with attempt:
                with self._lock:
                    wanted = [h for h in hosts if self._wishes.get(h) == number]
                if wanted:
                    self.vim.mark_down(wanted, is_down)
        return True
