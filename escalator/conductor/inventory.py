"""The inventory: hosts from the VIM, facts from the agents' heartbeats."""

import dataclasses
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from escalator import errors
from escalator.conductor import engine as engines
from escalator.db import facts, session
from escalator.domain import events
from escalator.drivers import base as drivers

LOG = logging.getLogger(__name__)

Supplement = Callable[[Sequence[drivers.VimHost]], list[drivers.VimHost]]
Declared = Callable[[drivers.VimInstance], Iterable[tuple[str, int]]]


class Inventory:
    """Keeps the host rows up to date.

    :param supplement: adds what the VIM does not know of its hosts.
    :param declared: says who owns an instance, and how many of its owner's hosts
        may be down at once.
    """

    def __init__(
        self,
        engine: engines.Engine,
        vim: drivers.Vim,
        supplement: Supplement = list,
        declared: Declared = lambda instance: (),
    ) -> None:
        self.engine = engine
        self.vim = vim
        self._supplement = supplement
        self._declared = declared
        self._beats: dict[tuple[str, str], events.AgentBeat] = {}
        self._lock = threading.Lock()
        self._changes: int | None = None

    def hear(self, beat: events.AgentBeat) -> None:
        """Take a heartbeat; written with the next :meth:`flush`."""
        with self._lock:
            earlier = self._beats.get((beat.host, beat.agent))
            if earlier is not None:
                facts = {**earlier.facts, **beat.facts}
                beat = dataclasses.replace(beat, facts=facts)
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
                self.engine.vim_trouble = ""
                return
            hosts = self._supplement(self.vim.list_hosts())
            listed = _listed(hosts, self.vim.list_instances(), self._declared)
        except errors.VimUnavailable as error:
            LOG.warning("The inventory stays as it was: %s", error)
            self.engine.vim_trouble = str(error)
            return
        self.engine.vim_trouble = ""
        if self._store(listed):
            self.engine.wake()
        self._changes = changes

    @session.retry_on_conflict
    def _store(self, listed: dict[str, dict[str, Any]]) -> int:
        with self.engine.database.begin() as connection:
            return facts.sync_hosts(connection, listed)


def _listed(
    hosts: list[drivers.VimHost],
    instances: list[drivers.VimInstance],
    declared: Declared,
) -> dict[str, dict[str, Any]]:
    counts = Counter(each.host for each in instances)
    groups: dict[str, set[str]] = {}
    owners: dict[str, set[tuple[str, int]]] = {}
    residents: dict[str, Counter[tuple[str, str]]] = {}
    for each in instances:
        whose = (each.project_id, each.server_group)
        residents.setdefault(each.host, Counter())[whose] += 1
        owners.setdefault(each.host, set()).update(declared(each))
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
            "declared": [list(each) for each in sorted(owners.get(host.name, ()))],
            "instances": counts[host.name],
            "residents": [
                [*whose, count]
                for whose, count in sorted(residents.get(host.name, {}).items())
            ],
            "listed_facts": {
                **host.facts,
                "vim": {"is_enabled": host.is_enabled},
            },
        }
        for host in hosts
    }
