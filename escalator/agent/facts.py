"""Heartbeats, and what they tell of the node."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from escalator import errors
from escalator.domain import events
from escalator.drivers import addresses

LOG = logging.getLogger(__name__)

DPKG_STATUS = "/var/lib/dpkg/status"

Reader = Callable[[Sequence[str]], dict[str, str]]


class PackageFacts:
    """Reads versions again only after the package database was written.

    :param names: watched packages; none: nothing is ever read.
    :param read: returns installed versions by name; may raise OSError.
    :param status_path: file that every change of a package replaces; empty: read
        every time.
    """

    def __init__(
        self, names: Sequence[str], read: Reader, status_path: str = DPKG_STATUS
    ) -> None:
        self._names = tuple(names)
        self._read = read
        self._status_path = status_path
        self._seen: tuple[int, int] | None = None
        self._versions: dict[str, str] = {}

    def facts(self) -> dict[str, Any]:
        """Return ``{"package": {name: version}}``, or nothing if none is watched."""
        if not self._names:
            return {}
        try:
            seen = self._stamp()
            if seen is None or seen != self._seen:
                self._versions = self._read(self._names)
                self._seen = seen
        except OSError:
            self._seen = None
        return {"package": dict(self._versions)}

    def _stamp(self) -> tuple[int, int] | None:
        if not self._status_path:
            return None
        status = os.stat(self._status_path)
        return status.st_mtime_ns, status.st_ino


class AddressFacts:
    """Tells which of the watched addresses this host has: who is active (O-0e).

    :param watched: address by the name that it has in the facts.
    """

    def __init__(self, watched: Mapping[str, str]) -> None:
        self._watched = dict(watched)

    def facts(self) -> dict[str, Any]:
        """Return ``{"virtual_address": {name: bool}}``; nothing if nobody can tell."""
        if not self._watched:
            return {}
        try:
            here = {
                name: addresses.is_here(each) for name, each in self._watched.items()
            }
        except errors.ActionFailed as error:
            LOG.warning("No facts of addresses: %s", error)
            return {}
        return {"virtual_address": here}


class Beats(Protocol):
    """What the agent needs of ``bus.heartbeat.BeatSender``."""

    def send(self, beat: events.AgentBeat) -> bool: ...


class Heart:
    """Sends one beat per call of :meth:`beat`.

    :param tellers: tell facts of the node; of equal names the last one's counts.
    """

    def __init__(
        self,
        host: str,
        agent: str,
        capabilities: tuple[str, ...],
        interval_s: float,
        sender: Beats,
        tellers: Sequence[Callable[[], dict[str, Any]]],
        is_cut_off: Callable[[], bool],
    ) -> None:
        self._host = host
        self._agent = agent
        self._capabilities = capabilities
        self._interval_s = interval_s
        self._sender = sender
        self._tellers = tuple(tellers)
        self._is_cut_off = is_cut_off

    def beat(self) -> None:
        """Say that the agent lives, unless its simulated host is dead."""
        if self._is_cut_off():
            return
        told: dict[str, Any] = {}
        for tell in self._tellers:
            told |= tell()
        self._sender.send(
            events.AgentBeat(
                host=self._host,
                agent=self._agent,
                capabilities=self._capabilities,
                facts=told,
                sent_at=time.time(),
                interval_s=self._interval_s,
            )
        )
