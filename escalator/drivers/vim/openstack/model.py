"""What Nova says of hosts and instances, in memory.  Thread-safe.

Snapshots, of everything or of what changed, are the truth; notifications run
ahead of them.  A notification that came while a snapshot was read is applied on
top of it; one that is older than the snapshot changes nothing.
"""

import dataclasses
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from escalator.drivers import base

SKEW_S = 2.0
"""How far clocks of the controllers may be apart."""


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """An instance.

    :ivar state: lower case, as Nova's API or ``vm_state`` has it.
    :ivar state_before: what we put to error, see ``states.MARK``.
    """

    id: str
    name: str
    project_id: str
    host: str
    state: str
    state_before: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class News:
    """A notification of one instance.

    :ivar server: None: it is gone, or is on no host any more.
    :ivar sent_at: epoch seconds by the sender's clock.
    """

    instance_id: str
    server: Server | None
    sent_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class HostNews:
    """A notification of one nova-compute service.

    :ivar values: what changes of ``base.VimHost``.
    :ivar sent_at: epoch seconds by the sender's clock.
    """

    host: str
    values: Mapping[str, Any]
    sent_at: float


class Model:
    """:ivar changes: grows with every change that a reader could see."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.changes = 0
        self.is_known = False
        self._hosts: dict[str, base.VimHost] = {}
        self._servers: dict[str, Server] = {}
        self._groups: Mapping[str, str] = {}
        self._heard: dict[str, tuple[float, News]] = {}
        self._hosts_heard_at: dict[str, float] = {}
        self._host_news: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
        self._server_news: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
        self._snapshot_at = 0.0

    def take_snapshot(
        self,
        hosts: Iterable[base.VimHost],
        servers: Iterable[Server],
        groups: Mapping[str, str],
        began_at: float,
        gone: Iterable[str] | None = None,
    ) -> None:
        """Replace everything, or what changed since the snapshot before.

        :param groups: instance id -> anti-affinity group.
        :param began_at: epoch seconds when the reading began.
        :param gone: None: ``servers`` are all there are; else the ids of those that
            are no more, and ``servers`` those that changed.
        """
        fresh_hosts = {each.name: each for each in hosts}
        fresh = {each.id: each for each in servers}
        with self._lock:
            if gone is not None:
                fresh = {**self._servers, **fresh}
                for instance_id in gone:
                    fresh.pop(instance_id, None)
            # Some that the snapshot has seen are kept: older ones may still come.
            recent_at = began_at - SKEW_S
            self._heard = {i: h for i, h in self._heard.items() if h[0] >= recent_at}
            for heard_at, news in self._heard.values():
                if heard_at >= began_at and news.sent_at >= recent_at:
                    _apply(fresh, news)
            _replay(fresh_hosts, self._host_news, began_at)
            _replay(fresh, self._server_news, began_at)
            self._snapshot_at = began_at
            before = (self._hosts, self._servers, self._groups)
            after = (fresh_hosts, fresh, groups)
            if before != after or not self.is_known:
                self.changes += 1
            self._hosts, self._servers, self._groups = after
            self.is_known = True

    def hear(self, news: News) -> None:
        """Apply a notification, unless something newer is known."""
        with self._lock:
            known = self._heard.get(news.instance_id)
            if known is not None and known[1].sent_at > news.sent_at:
                return
            if news.sent_at < self._snapshot_at - SKEW_S:
                return
            self._heard[news.instance_id] = (time.time(), news)
            if _apply(self._servers, news):
                self.changes += 1

    def hear_host(self, news: HostNews) -> None:
        """Apply a notification, unless a newer one, or a snapshot, is known."""
        with self._lock:
            latest_at = self._hosts_heard_at.get(news.host, 0.0)
            if news.sent_at < max(latest_at, self._snapshot_at - SKEW_S):
                return
            self._hosts_heard_at[news.host] = news.sent_at
            self._change_host(news.host, news.values)

    def change_host(self, name: str, **values: Any) -> None:
        """Apply what an answer to us says of a host."""
        with self._lock:
            self._change_host(name, values)

    def _change_host(self, name: str, values: Mapping[str, Any]) -> None:
        _note(self._host_news, name, values)
        known = self._hosts.get(name)
        if known is not None:
            changed = dataclasses.replace(known, **values)
            self.changes += changed != known
            self._hosts = {**self._hosts, name: changed}

    def change_server(self, instance_id: str, **values: Any) -> None:
        """Apply what an answer to us says of an instance."""
        with self._lock:
            _note(self._server_news, instance_id, values)
            known = self._servers.get(instance_id)
            if known is not None:
                changed = dataclasses.replace(known, **values)
                self.changes += changed != known
                self._servers[instance_id] = changed

    def find(self, instance_id: str) -> Server | None:
        """Return what is known of an instance."""
        with self._lock:
            return self._servers.get(instance_id)

    def hosts(self) -> list[base.VimHost]:
        """Return every host by name."""
        with self._lock:
            return [self._hosts[name] for name in sorted(self._hosts)]

    def servers(self, host: str | None = None) -> list[Server]:
        """Return instances, of one host or of all."""
        with self._lock:
            return [
                each
                for each in self._servers.values()
                if host is None or each.host == host
            ]

    def instances(self) -> list[base.VimInstance]:
        """Return every instance that is on a host, by id."""
        with self._lock:
            return [
                base.VimInstance(
                    each.id,
                    each.name,
                    each.project_id,
                    each.host,
                    each.state,
                    self._groups.get(each.id, ""),
                )
                for each in sorted(self._servers.values(), key=lambda one: one.id)
                if each.host in self._hosts
            ]


def _note(
    news: dict[str, list[tuple[float, Mapping[str, Any]]]],
    key: str,
    values: Mapping[str, Any],
) -> None:
    news.setdefault(key, []).append((time.time(), values))


def _replay(
    fresh: dict[str, Any],
    news: dict[str, list[tuple[float, Mapping[str, Any]]]],
    began_at: float,
) -> None:
    """Apply to a snapshot what became known while it was read; drop the rest."""
    for key in list(news):
        news[key] = [each for each in news[key] if each[0] >= began_at]
        for _, values in news[key]:
            if key in fresh:
                fresh[key] = dataclasses.replace(fresh[key], **values)
        if not news[key]:
            del news[key]


def _apply(servers: dict[str, Server], news: News) -> bool:
    """Change ``servers``; tells whether anything is different."""
    before = servers.get(news.instance_id)
    if news.server is None:
        servers.pop(news.instance_id, None)
        return before is not None
    after = news.server
    if before is not None:
        after = dataclasses.replace(after, state_before=before.state_before)
    servers[news.instance_id] = after
    return before != after
