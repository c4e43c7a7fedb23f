"""The map host -> instances, kept in memory beside the hot path (DR-5)."""

import logging
import threading

from escalator import errors
from escalator.domain import events, impact
from escalator.drivers import base

LOG = logging.getLogger(__name__)

_STOP_S = 1.0


class Mapping:
    """Follows the VIM's changes; readers get an immutable map at once.

    :param interval_s: seconds between two questions whether it changed.
    """

    def __init__(self, vim: base.Vim, interval_s: float) -> None:
        self.vim = vim
        self.interval_s = interval_s
        self.where: impact.Map = {}
        self._changes: int | None = None
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="map", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the first map; False if it did not come in time."""
        return self._ready.wait(timeout_s)

    def read(self) -> impact.Map:
        """Return the latest map.

        :raises VimUnavailable: none was ever read.
        """
        if not self.wait_ready(0.0):
            raise errors.VimUnavailable(
                call="list_instances", timeout_s=0, reason="no map was read yet"
            )
        return self.where

    def stop(self) -> None:
        """End; waits for a reading that is under way, but not for a hung one."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def refresh(self) -> None:
        """Read the VIM if it changed; on failure the last map stays."""
        try:
            changes = self.vim.read_changes()
            if changes == self._changes:
                return
            where = _by_host(self.vim.list_instances())
        except errors.VimUnavailable as error:
            LOG.warning("The map stays as it was: %s", error)
            return
        self.where = where
        self._changes = changes
        self._ready.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
            except Exception:
                LOG.exception("The map could not be read; trying again")
            self._stop.wait(self.interval_s)


def _by_host(instances: list[base.VimInstance]) -> impact.Map:
    found: dict[str, list[events.AffectedInstance]] = {}
    for each in instances:
        found.setdefault(each.host, []).append(
            events.AffectedInstance(each.id, each.project_id, each.name)
        )
    return {host: tuple(members) for host, members in found.items()}
