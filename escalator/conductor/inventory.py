"""The inventory: hosts from the VIM, facts from the agents' heartbeats."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from escalator import errors
from escalator.conductor import engine as engines
from escalator.db import facts, residents, session
from escalator.domain import events
from escalator.drivers import base as drivers

LOG = logging.getLogger(__name__)

Supplement = Callable[[Sequence[drivers.VimHost]], list[drivers.VimHost]]


class Inventory:
    """Keeps the host rows up to date.

    :param supplement: adds what the VIM does not know of its hosts.
    """

    def __init__(
        self, engine: engines.Engine, vim: drivers.Vim, supplement: Supplement = list
    ) -> None:
        self.engine = engine
        self.vim = vim
        self._supplement = supplement
        self._beats: dict[tuple[str, str], events.AgentBeat] = {}
        self._lock = threading.Lock()
        self._changes: int | None = None

    def hear(self, beat: events.AgentBeat) -> None:
        """Take a heartbeat; written with the next :meth:`flush`."""
        with self._lock:
            self._beats[beat.host, beat.agent] = beat

    def flush(self) -> None:
        """Write the heartbeats heard since the last call."""
        with self._lock:
            beats, self._beats = self._beats, {}
        if beats:
            self._note(list(beats.values()))

    @session.retry_on_conflict
    def _note(self, beats: list[events.AgentBeat]) -> None:
        with self.engine.database.begin() as connection:
            facts.note_beats(connection, beats, self.engine.database.now(connection))

    def sync(self) -> None:
        """Read the VIM if it changed; a VIM that is away changes nothing."""
        try:
            changes = self.vim.read_changes()
            if changes == self._changes:
                return
            hosts = self._supplement(self.vim.list_hosts())
            instances = self.vim.list_instances()
        except errors.VimUnavailable as error:
            LOG.warning("The inventory stays as it was: %s", error)
            return
        if self._store(_listed(hosts, instances), instances):
            self.engine.wake()
        self._changes = changes

    @session.retry_on_conflict
    def _store(
        self,
        listed: dict[str, dict[str, Any]],
        instances: list[drivers.VimInstance],
    ) -> int:
        owners = Counter((i.host, i.project_id, i.server_group) for i in instances)
        with self.engine.database.begin() as connection:
            residents.sync(connection, owners)
            return facts.sync_hosts(connection, listed)


def _listed(
    hosts: list[drivers.VimHost], instances: list[drivers.VimInstance]
) -> dict[str, dict[str, Any]]:
    counts = Counter(each.host for each in instances)
    groups: dict[str, set[str]] = {}
    for each in instances:
        if each.server_group:
            groups.setdefault(each.host, set()).add(each.server_group)
    return {
        host.name: {
            "address": host.address,
            "role": host.role,
            "rack": host.rack,
            "availability_zone": host.availability_zone,
            "tags": list(host.tags),
            "groups": list(host.groups),
            "nics": dict(host.nics),
            "server_groups": sorted(groups.get(host.name, ())),
            "instances": counts[host.name],
        }
        for host in hosts
    }
