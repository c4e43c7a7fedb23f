"""Marks hosts down in the VIM: in time if it can, later if it must (DR-2)."""

import concurrent.futures
import logging
import threading
from collections.abc import Collection, Mapping

import tenacity

from escalator import errors
from escalator.drivers import base

LOG = logging.getLogger(__name__)

_WORKERS = 4
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

_Wish = tuple[int, bool]
"""Its number, and whether the host is to be down."""


class Marking:
    """A bounded pool in front of the VIM, and a debt of what it did not do.

    The latest wish for a host wins.  A call that ends after a newer wish came
    may have landed last, so that the newer one is carried out once more.
    What fails is owed and repeated by one thread until it succeeds: a host
    that the VIM cannot mark keeps no worker from the others.

    :param timeout_s: how long a notice may wait for the VIM.
    :param pause_s: first pause between two repeats; doubles.
    """

    def __init__(
        self, vim: base.Vim, timeout_s: float, pause_s: float = _FIRST_PAUSE_S
    ) -> None:
        self.vim = vim
        self.timeout_s = timeout_s
        self._pause_s = pause_s
        self._pool = concurrent.futures.ThreadPoolExecutor(_WORKERS, "marking")
        self._lock = threading.Lock()
        self._number = 0
        self._wishes: dict[str, _Wish] = {}
        self._owed: set[str] = set()
        self._is_owing = threading.Event()
        self._is_stopping = threading.Event()
        self._payer = threading.Thread(target=self._pay, name="marking-owed")
        self._payer.daemon = True
        self._payer.start()

    def mark(self, hosts: Collection[str], is_down: bool) -> frozenset[str]:
        """Return the hosts that the VIM has marked before the deadline.

        The others are still marked, later; those that the VIM does not know
        are not.
        """
        if not hosts:
            return frozenset()
        with self._lock:
            self._number += 1
            wishes = dict.fromkeys(hosts, (self._number, is_down))
            self._wishes.update(wishes)
        future = self._pool.submit(self._grant, wishes)
        try:
            return future.result(timeout=self.timeout_s)
        except concurrent.futures.TimeoutError:
            LOG.warning(
                "The VIM did not mark %d hosts within %s s; it is asked on",
                len(hosts),
                self.timeout_s,
            )
            return frozenset()

    def stop(self) -> None:
        """Give up what is owed; a call under way ends by itself."""
        self._is_stopping.set()
        self._is_owing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _grant(self, wishes: Mapping[str, _Wish]) -> frozenset[str]:
        """Carry out what is still wished; return the hosts where it worked."""
        with self._lock:
            valid = {h: w for h, w in wishes.items() if self._wishes[h] == w}
        done: set[str] = set()
        unknown: set[str] = set()
        for is_down in (True, False):
            hosts = [host for host, wish in valid.items() if wish[1] is is_down]
            self._call(hosts, is_down, done, unknown)
        with self._lock:
            overtaken = {h for h, wish in valid.items() if self._wishes[h] != wish}
            self._owed -= done | unknown
            self._owed |= overtaken | (valid.keys() - done - unknown)
            if self._owed:
                self._is_owing.set()
        return frozenset(done - overtaken)

    def _call(
        self, hosts: list[str], is_down: bool, done: set[str], unknown: set[str]
    ) -> None:
        """Ask for all at once; singly if one of them spoils it."""
        if not hosts or self._is_stopping.is_set():
            return
        try:
            self.vim.mark_down(hosts, is_down)
        except errors.VimUnavailable as error:
            LOG.warning("%d hosts are still to be marked: %s", len(hosts), error)
            return
        except Exception as error:
            reason = error
        else:
            done.update(hosts)
            return
        if len(hosts) > 1:
            for host in hosts:
                self._call([host], is_down, done, unknown)
        elif isinstance(reason, errors.NotFound):
            LOG.error("The VIM does not know %s: it is not marked", hosts[0])
            unknown.update(hosts)
        else:
            LOG.error("The VIM fails to mark %s; it is asked on: %r", hosts[0], reason)

    def _pay(self) -> None:
        """Repeat what is owed for as long as anything is."""
        repeat = tenacity.Retrying(
            retry=tenacity.retry_if_result(bool),
            wait=tenacity.wait_exponential(
                multiplier=self._pause_s, max=_LONGEST_PAUSE_S
            ),
            stop=tenacity.stop_when_event_set(self._is_stopping),
            sleep=tenacity.sleep_using_event(self._is_stopping),
            retry_error_callback=lambda state: None,
        )
        while not self._is_stopping.is_set():
            self._is_owing.wait()
            repeat(self._pay_once)

    def _pay_once(self) -> int:
        """Return how many hosts are still owed a mark."""
        with self._lock:
            wishes = {host: self._wishes[host] for host in self._owed}
        self._grant(wishes)
        with self._lock:
            if not self._owed:
                self._is_owing.clear()
            return len(self._owed)
