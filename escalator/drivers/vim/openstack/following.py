"""Keeps the model of Nova up to date: notifications at once, snapshots to repair."""

import dataclasses
import logging
import math
import threading
import time
from typing import Any

from escalator import errors
from escalator.drivers.vim.openstack import calls as nova
from escalator.drivers.vim.openstack import feed, model, snapshot, states

LOG = logging.getLogger(__name__)

FIGURES_S = 60.0
RETRY_S = 2.0
OVERLAP_S = 30.0
"""Changes are read from so long before the reading before: clocks differ, and a
transaction of Nova carries the time at which it began."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """:ivar urls: kombu's URLs of Nova's brokers; none: snapshots only.

    :ivar ssl: kombu's ``ssl``.
    :ivar exchange: Nova's control_exchange.
    :ivar topic: one of its versioned_notifications_topics.
    :ivar interval_s: seconds between two snapshots, of what changed.
    :ivar whole_interval_s: seconds between two of all instances.
    """

    urls: tuple[str, ...] = ()
    ssl: dict[str, Any] | bool = False
    exchange: str = "nova"
    topic: str = "versioned_notifications"
    interval_s: float = 60.0
    whole_interval_s: float = 600.0


class Following:
    """A thread for snapshots and one for notifications, from :meth:`begin` on.

    :param instances: None: their states are left alone.
    """

    def __init__(
        self,
        known: model.Model,
        reader: snapshot.Reader,
        instances: states.States | None,
        source: Source,
        figures: nova.Figures,
    ) -> None:
        self._model = known
        self._reader = reader
        self._states = instances
        self._source = source
        self._figures = figures
        self._figures_at = time.monotonic()
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._whole_at = -math.inf
        self.is_mending = False
        self._is_begun = False
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._feed: feed.Feed | None = None

    def begin(self) -> None:
        """Begin, at the first question; returns once something is known.

        :raises VimUnavailable: nothing is known yet.
        """
        with self._lock:
            if not self._is_begun:
                self._is_begun = True
                self._start()
        if not self._model.is_known:
            self.refresh()

    def stop(self) -> None:
        """End; returns at once."""
        self._stopping.set()
        self._wanted.set()
        if self._feed is not None:
            self._feed.stop()

    def refresh(self) -> None:
        """Read everything now.

        :raises VimUnavailable: Nova does not answer; what was known stays.
        """
        began_at, now = time.time(), time.monotonic()
        hosts = self._reader.hosts()
        servers = self._reader.servers()
        self._model.take_snapshot(hosts, servers, self._reader.groups(), began_at)
        self._read_at, self._whole_at = began_at, now

    def refresh_changes(self) -> None:
        """Read hosts, and what changed of instances since the last reading.

        Everything, if that was read too long ago: what Nova shows no change of, such
        as an instance that is archived, is repaired then.

        :raises VimUnavailable: Nova does not answer; what was known stays.
        """
        if time.monotonic() - self._whole_at >= self._source.whole_interval_s:
            self.refresh()
            return
        began_at = time.time()
        hosts = self._reader.hosts()
        servers, gone = self._reader.changed_servers(self._read_at - OVERLAP_S)
        groups = self._reader.groups()
        self._model.take_snapshot(hosts, servers, groups, began_at, gone)
        self._read_at = began_at

    def _start(self) -> None:
        threading.Thread(target=self._run, name="nova-snapshots", daemon=True).start()
        if self._source.urls:
            self._feed = feed.Feed(
                self._source.urls,
                self._source.ssl,
                self._source.exchange,
                self._source.topic,
                self._model.hear,
                self._model.hear_host,
                self._wanted.set,
            )
            self._feed.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause_s = self._source.interval_s
            try:
                self.refresh_changes()
                self._mend_states()
            except errors.EscalatorError as error:
                LOG.warning("Nova's inventory stays as it was: %s", error)
                pause_s = min(RETRY_S, pause_s)
            except Exception:
                LOG.exception("Nova's inventory was not read; trying again")
            self._tell_figures()
            self._wanted.wait(pause_s)
            self._wanted.clear()

    def _mend_states(self) -> None:
        """Go on where one who was killed left off.

        On a host that is down and has an instance of our making, the others are
        still to be set; on one that is up, ours are still to be restored.
        """
        if self._states is None or not self.is_mending:
            return
        for host in self._model.hosts():
            servers = self._model.servers(host.name)
            if not any(each.state_before for each in servers):
                continue
            if host.is_forced_down:
                self._states.put_to_error(host.name, servers)
            else:
                self._states.restore(servers)

    def _tell_figures(self) -> None:
        if time.monotonic() - self._figures_at < FIGURES_S:
            return
        self._figures_at = time.monotonic()
        for call, known in sorted(self._figures.read().items()):
            LOG.info("nova %s: %s", call, known)
