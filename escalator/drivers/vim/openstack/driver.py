"""The driver itself: answers from memory, orders to Nova."""

import dataclasses
import logging
import threading
import time
from collections.abc import Sequence

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim.openstack import calls as nova
from escalator.drivers.vim.openstack import (
    feed,
    model,
    moving,
    services,
    snapshot,
    states,
)

LOG = logging.getLogger(__name__)

FIGURES_S = 60.0
_EVACUATIONS = "2.59"
_RETRY_S = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """:ivar notifications_url: kombu's URL of Nova's bus; empty: snapshots only.
    :ivar resets_states: set the instances of a dead host to error.
    """

    notifications_url: str = ""
    exchange: str = "nova"
    topic: str = "versioned_notifications"
    snapshot_interval_s: float = 60.0
    resets_states: bool = True
    resets_at_once: int = 4
    limits: moving.Limits = dataclasses.field(default_factory=moving.Limits)


class Openstack(base.Vim):
    """Nova as the VIM; made after a fork, follows it from the first question on.

    :param adapter: a compute adapter with an administrator's credentials.
    :param timeout_s: deadline of one attempt of one call.
    """

    def __init__(
        self, adapter: nova.Adapter, timeout_s: float, options: Options
    ) -> None:
        self.calls = nova.Calls(adapter, timeout_s)
        self._options = options
        self._services = services.Services(self.calls)
        self._reader = snapshot.Reader(self.calls, self._services)
        self._model = model.Model()
        self._states = states.States(
            self.calls, options.resets_at_once, self._model.change_server
        )
        self._moving = moving.Moving(self.calls, self._reader, options.limits)
        self._lock = threading.Lock()
        self._is_following = False
        self._wanted = threading.Event()
        self._figures_at = time.monotonic()

    def list_hosts(self) -> list[base.VimHost]:
        """Return every host with a nova-compute service, by name."""
        self._follow()
        return self._model.hosts()

    def list_instances(self) -> list[base.VimInstance]:
        """Return every instance that is on one of them, by id."""
        self._follow()
        return self._model.instances()

    def read_changes(self) -> int:
        """Return the number of the latest change; no call to Nova."""
        self._follow()
        return self._model.changes

    def set_scheduling(self, host: str, is_enabled: bool, reason: str) -> None:
        """Enable or disable ``host`` for new instances (O-0d).

        :raises NotFound: it has no nova-compute service.
        """
        self._services.set_scheduling(host, is_enabled, reason)
        self._model.change_host(host, is_enabled=is_enabled)

    def drain(self, host: str) -> dict[str, str]:
        """Move every instance off ``host`` (O-0c).

        :raises ActionFailed: one did not move; those moved stay moved.
        """
        if any(e.name == host and e.is_forced_down for e in self._model.hosts()):
            raise errors.ActionFailed(
                action="drain", reason=f"{host} is down; nothing can be migrated"
            )
        try:
            return self._moving.drain(host)
        finally:
            self._refresh()

    def mark_down(self, hosts: Sequence[str], is_down: bool) -> None:
        """Force hosts down, or undo it; instances' states follow (DR-5, DR-10).

        Returns when Nova shows the hosts as such.

        :raises NotFound: a host is unknown; the others are marked.
        :raises VimUnavailable: one is still to be marked.
        """
        if not is_down:
            self._check_evacuations(hosts)
        try:
            self._services.force_down(hosts, is_down)
        finally:
            self._set_states(hosts, is_down)
        for host in hosts:
            self._model.change_host(host, is_forced_down=is_down)

    def stop(self) -> None:
        """Follow no longer."""
        with self._lock:
            self._is_following = False
        self._wanted.set()

    def _set_states(self, hosts: Sequence[str], is_down: bool) -> None:
        if not self._options.resets_states:
            return
        for host in hosts:
            rows = [dataclasses.asdict(each) for each in self._model.servers(host)]
            if is_down:
                self._states.put_to_error(rows)
            else:
                self._states.restore(rows)

    def _check_evacuations(self, hosts: Sequence[str]) -> None:
        """Refuse to undo while a host still believes it has what was evacuated.

        nova-compute deletes it when it starts; Nova itself answers 400 until then.

        :raises VimUnavailable: ask again later.
        """
        if not self.calls.supports(_EVACUATIONS):
            return
        for host in hosts:
            path = f"/os-migrations?migration_type=evacuation&source_compute={host}"
            found = self.calls.read("list_migrations", path, _EVACUATIONS)
            done = [e for e in found["migrations"] if e["status"] == "done"]
            if done:
                raise errors.VimUnavailable(
                    call="force_up",
                    timeout_s=0,
                    reason=f"{len(done)} instances were evacuated from {host}; its"
                    " nova-compute has to start first",
                )

    def _follow(self) -> None:
        """Begin to follow Nova, at the first question.

        :raises VimUnavailable: nothing is known yet.
        """
        with self._lock:
            if not self._is_following:
                self._is_following = True
                threading.Thread(
                    target=self._keep, name="nova-snapshots", daemon=True
                ).start()
                self._listen()
        if not self._model.is_known:
            self._refresh()

    def _listen(self) -> None:
        options = self._options
        if options.notifications_url:
            self._feed = feed.Feed(
                options.notifications_url,
                options.exchange,
                options.topic,
                self._model.hear,
                self._model.change_host,
                self._wanted.set,
            )
            self._feed.start()

    def _keep(self) -> None:
        while self._is_following:
            pause_s = self._options.snapshot_interval_s
            try:
                self._refresh()
                self._mend_states()
            except errors.EscalatorError as error:
                LOG.warning("Nova's inventory stays as it was: %s", error)
                pause_s = min(_RETRY_S, pause_s)
            except Exception:
                LOG.exception("Nova's inventory was not read; trying again")
            self._tell_figures()
            self._wanted.wait(pause_s)
            self._wanted.clear()

    def _refresh(self) -> None:
        began_at = time.time()
        hosts = self._reader.hosts()
        self._model.take_snapshot(
            hosts, self._reader.servers(), self._reader.groups(), began_at
        )

    def _mend_states(self) -> None:
        """Go on where one who was killed left off.

        On a host that is down and has an instance of our making, the others are
        still to be set; on one that is up, ours are still to be restored.
        """
        if not self._options.resets_states:
            return
        for host in self._model.hosts():
            rows = [dataclasses.asdict(e) for e in self._model.servers(host.name)]
            if not any(row["state_before"] for row in rows):
                continue
            if host.is_forced_down:
                self._states.put_to_error(rows)
            else:
                self._states.restore(rows)

    def _tell_figures(self) -> None:
        if time.monotonic() - self._figures_at < FIGURES_S:
            return
        self._figures_at = time.monotonic()
        for call, known in sorted(self.calls.figures.read().items()):
            LOG.info("nova %s: %s", call, known)
