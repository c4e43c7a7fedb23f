"""Marks hosts down in the VIM: in time if it can, later if it must (DR-2)."""

import concurrent.futures
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping

import tenacity

from escalator import errors
from escalator.drivers import base
from escalator.inspector import wishes

LOG = logging.getLogger(__name__)

_WORKERS = 4
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


def _tell_nobody(hosts: list[str]) -> None:
    """Nobody wants to know."""


class Marking:
    """A bounded pool in front of the VIM, and a debt of what it did not do.

    The latest wish for a host wins.  A call that ends after a newer wish came
    may have landed last, so that the newer one is carried out once more.
    What fails is owed and repeated by one thread until it succeeds: a host
    that the VIM cannot mark keeps no worker from the others.  The debt is in
    memory only: whoever asks for a mark keeps the reason until
    :meth:`when_settled` tells that it is done.

    :param timeout_s: how long a notice may wait for the VIM.
    :param late: called with hosts that were marked down when nobody waited any more.
    :param pause_s: first pause between two repeats; doubles.
    """

    def __init__(
        self,
        vim: base.Vim,
        timeout_s: float,
        late: Callable[[list[str]], None] = _tell_nobody,
        pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self.vim = vim
        self.timeout_s = timeout_s
        self._late = late
        self._pause_s = pause_s
        self._pool = concurrent.futures.ThreadPoolExecutor(_WORKERS, "marking")
        self._wishes = wishes.Wishes()
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
        future = self._pool.submit(self._grant, self._wishes.add(hosts, is_down))
        try:
            return future.result(timeout=self.timeout_s)
        except concurrent.futures.TimeoutError:
            if is_down:
                future.add_done_callback(self._came_late)
            LOG.warning(
                "The VIM did not mark %d hosts within %s s; it is asked on",
                len(hosts),
                self.timeout_s,
            )
            return frozenset()

    def correct(self, hosts: Iterable[str], is_down: bool) -> None:
        """Turn the opposite wish round where it is not carried out yet."""
        opposed = self._wishes.find_opposed(hosts, is_down)
        if opposed:
            self.mark_later(opposed, is_down)

    def mark_later(self, hosts: Collection[str], is_down: bool) -> None:
        """Mark without waiting for it, unless it is on the way already."""
        wanted = set(hosts) - set(self._wishes.find_opposed(hosts, not is_down))
        wished = self._wishes.add(wanted, is_down)
        self._pool.submit(self._grant, wished, is_late=True)

    def is_settled(self, hosts: Iterable[str]) -> bool:
        """Tell whether the VIM has done all that is wished of these hosts."""
        return self._wishes.is_settled(hosts)

    def when_settled(self, hosts: Iterable[str], then: Callable[[], None]) -> None:
        """Call ``then`` when what is wished of these hosts now is settled.

        That is: done, unknown to the VIM, or overtaken by a newer wish.
        """
        self._wishes.when_settled(hosts, then)

    def stop(self) -> None:
        """Give up what is owed; a call under way ends by itself."""
        self._is_stopping.set()
        self._wishes.is_owing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _came_late(self, future: concurrent.futures.Future[frozenset[str]]) -> None:
        if not future.cancelled():
            self._late(sorted(future.result()))

    def _grant(
        self, wished: Mapping[str, wishes.Wish], is_late: bool = False
    ) -> frozenset[str]:
        """Carry out what is still wished; return the hosts where it worked."""
        begun = self._wishes.begin(wished)
        done: set[str] = set()
        unknown: set[str] = set()
        for is_down in (True, False):
            hosts = [host for host, wish in begun.items() if wish[1] is is_down]
            self._call(hosts, is_down, done, unknown)
        overtaken = self._wishes.end(begun, done | unknown)
        done -= overtaken
        if is_late:
            self._late(sorted(host for host in done if wished[host][1]))
        return frozenset(done)

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
            self._wishes.is_owing.wait()
            repeat(self._pay_once)

    def _pay_once(self) -> int:
        """Return how many hosts are still owed a mark."""
        owed = self._wishes.find_owed()
        self._grant(owed, is_late=True)
        return len(self._wishes.find_owed())
