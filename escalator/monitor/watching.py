"""Keeps the probe loop's targets equal to the inventory."""

import threading
from collections.abc import Callable
from typing import Protocol

from oslo_log import log as logging

from escalator import errors
from escalator.domain import events
from escalator.monitor import inventory, rounds

LOG = logging.getLogger(__name__)


class Source(Protocol):
    """``monitor.inventory.Inventory``."""

    def read_hosts(self) -> inventory.Hosts: ...

    def read_raised(self) -> list[events.Fault]: ...


class Watching:
    """Reads the inventory now and then; keeps the last one meanwhile.

    :param adopt: takes the faults of an earlier monitor, before the first
        host is watched.
    :param changed: called with new hosts.
    :param heard: called after every reading that succeeded.
    """

    def __init__(
        self,
        source: Source,
        interval_s: float,
        adopt: Callable[[list[events.Fault]], None],
        changed: Callable[[inventory.Hosts], None],
        heard: Callable[[], None],
    ) -> None:
        self._source = source
        self._interval_s = interval_s
        self._adopt = adopt
        self._changed = changed
        self._heard = heard
        self._hosts: inventory.Hosts | None = None
        self._is_away = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="monitor-watching", daemon=True
        )

    def order(self, down: frozenset[str]) -> rounds.Order:
        """Return what is to be watched now."""
        return rounds.Order(self._hosts.targets if self._hosts else {}, down)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; a question under way is not waited for."""
        self._stopping.set()

    def refresh(self) -> None:
        """Read once; on failure the last hosts stay."""
        try:
            if self._hosts is None:
                self._adopt(self._source.read_raised())
            hosts = self._source.read_hosts()
        except errors.EscalatorError as error:
            if not self._is_away:
                LOG.warning("Inventory not read, the last one stays: %s", error)
            self._is_away = True
            return
        self._is_away = False
        self._heard()
        if hosts != self._hosts:
            self._hosts = hosts
            self._changed(hosts)
            LOG.info("Watching %d hosts", len(hosts.targets))

    def _run(self) -> None:
        while True:
            try:
                self.refresh()
            except Exception:
                LOG.exception("Reading the inventory failed; the last one stays")
            if self._stopping.wait(self._interval_s):
                return
