"""Keeps the probe loop's targets equal to the inventory."""

import threading
from collections.abc import Callable
from typing import Protocol

from oslo_log import log as logging

from escalator import errors
from escalator.domain import events
from escalator.monitor import inventory

LOG = logging.getLogger(__name__)


class Source(Protocol):
    """``monitor.inventory.Inventory``."""

    def read_hosts(self) -> inventory.Hosts: ...

    def read_raised(self) -> list[events.Fault]: ...


class Watching:
    """Reads the inventory now and then; keeps the last one meanwhile.

    :param changed: called with new hosts, and with the faults that are raised
        if they are to be taken over: at first, and whenever ``share`` changes.
    :param heard: called after every reading that succeeded.
    :param share: number of the division of hosts among the monitors.
    """

    def __init__(
        self,
        source: Source,
        interval_s: float,
        changed: Callable[[inventory.Hosts, list[events.Fault] | None], None],
        heard: Callable[[], None],
        share: Callable[[], int] = lambda: 0,
    ) -> None:
        self._source = source
        self._interval_s = interval_s
        self._changed = changed
        self._heard = heard
        self._share = share
        self._seen: int | None = None
        self._hosts: inventory.Hosts | None = None
        self._is_away = False
        self._is_stopping = False
        self._woken = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="monitor-watching", daemon=True
        )

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; a question under way is not waited for."""
        self._is_stopping = True
        self._woken.set()

    def wake(self) -> None:
        """Read now."""
        self._woken.set()

    def refresh(self) -> None:
        """Read once; on failure the last hosts stay."""
        share, raised = self._share(), None
        try:
            if share != self._seen:
                raised = self._source.read_raised()
            hosts = self._source.read_hosts()
        except errors.EscalatorError as error:
            if not self._is_away:
                LOG.warning("Inventory not read, the last one stays: %s", error)
            self._is_away = True
            return
        self._is_away = False
        self._heard()
        if hosts != self._hosts or raised is not None:
            self._hosts, self._seen = hosts, share
            self._changed(hosts, raised)
            LOG.info("The inventory has %d targets", len(hosts.targets))

    def _run(self) -> None:
        while not self._is_stopping:
            self._woken.clear()
            try:
                self.refresh()
            except Exception:
                LOG.exception("Reading the inventory failed; the last one stays")
            if not self._is_stopping:
                self._woken.wait(self._interval_s)
