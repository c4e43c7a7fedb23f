"""The driver itself: answers from memory, orders to Nova."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim.openstack import calls as nova
from escalator.drivers.vim.openstack import (
    dry_run,
    following,
    model,
    moving,
    scaling,
    services,
    session,
    settings,
    snapshot,
    states,
)


class Openstack(base.Vim):
    """Nova as the VIM; made after a fork, follows it from the first question on.

    :param adapter: a compute adapter with an administrator's credentials; that of
        Placement and Aodh beside it.
    :param timeout_s: deadline of one attempt of one call.
    """

    waits_for_states = False

    def __init__(
        self, adapter: session.Compute, timeout_s: float, options: settings.Options
    ) -> None:
        self.calls = nova.Calls(adapter, timeout_s)
        self._services = services.Services(self.calls)
        reader = snapshot.Reader(self.calls, self._services)
        self._model = model.Model()
        self._states: states.States | None = None
        if options.resets_states:
            self._states = states.States(
                self.calls,
                options.resets_at_once,
                options.reset_delay_s,
                self._model.change_server,
                self._model.find,
            )
        self._moving = moving.Moving(self.calls, reader, options.limits)
        figures = self.calls.figures
        placement = nova.Calls(adapter.placement, timeout_s, "Placement", figures)
        self._dry_run = dry_run.DryRun(
            self.calls, placement, reader, self._services, self._moving
        )
        self.scaling = scaling.connect(
            adapter.alarming, timeout_s, figures, options.choice
        )
        self._following = following.Following(
            self._model, reader, self._states, options.source, figures
        )

    @classmethod
    def from_conf(cls, conf: Any, broker: base.Broker) -> "Openstack":
        """Return the driver of ``[vim]``."""
        compute = session.Compute(settings.connect(conf), conf.vim.timeout_s)
        return cls(compute, conf.vim.timeout_s, settings.read(conf, broker))

    @classmethod
    def check_conf(cls, conf: Any, broker: base.Broker) -> None:
        """Find what would stop it."""
        settings.connect(conf)
        settings.read(conf, broker)

    def list_hosts(self) -> list[base.VimHost]:
        """Return every host with a nova-compute service, by name."""
        self._following.begin()
        return self._model.hosts()

    def list_instances(self) -> list[base.VimInstance]:
        """Return every instance that is on one of them, by id."""
        self._following.begin()
        return self._model.instances()

    def read_changes(self) -> int:
        """Return the number of the latest change; no call to Nova."""
        self._following.begin()
        return self._model.changes

    def set_scheduling(self, host: str, is_enabled: bool, reason: str) -> None:
        """Enable or disable ``host`` for new instances (O-0d).

        :raises NotFound: it has no nova-compute service.
        """
        self._services.set_scheduling(host, is_enabled, reason)
        self._model.change_host(host, is_enabled=is_enabled)

    def drain(self, host: str, tell: base.Moved = base.tell_nobody) -> dict[str, str]:
        """Move every instance off ``host`` (O-0c).

        :raises ActionFailed: one did not move; those moved stay moved.
        :raises NotFound: Nova has no such host.
        """
        if self._is_dead(host):
            raise errors.ActionFailed(
                action="drain", reason=f"{host} is down; nothing can be migrated"
            )
        try:
            return self._moving.drain(host, tell)
        finally:
            self._following.refresh_changes()

    def try_drain(self, host: str) -> list[str]:
        """Return what stands in the way of a drain now; changes nothing (V-3).

        :raises ActionFailed: it cannot be told, e.g. Placement is too old.
        :raises NotFound: Nova has no such host.
        """
        if self._is_dead(host):
            return [f"{host} is down; nothing can be migrated"]
        places = {each.id: each.host for each in self._model.servers()}
        return self._dry_run.obstacles(host, places)

    def _is_dead(self, host: str) -> bool:
        known = {each.name: each for each in self.list_hosts()}
        if host not in known:
            raise errors.NotFound(kind="host", id=host)
        return known[host].is_forced_down

    def mark_down(self, hosts: Sequence[str], is_down: bool) -> None:
        """Force hosts down, or undo it; instances' states follow (DR-5, DR-10).

        Returns when Nova shows the hosts as such.

        :raises NotFound: a host is unknown; the others are marked.
        :raises VimUnavailable: one is still to be marked.
        :raises ActionFailed: one cannot be marked yet; the others are marked.
        """
        if is_down and self._states is not None:
            self._states.hush()
        evacuated = {} if is_down else self._services.find_evacuated(hosts)
        ready = [host for host in hosts if host not in evacuated]
        try:
            self._services.force_down(ready, is_down)
        finally:
            self._set_states(ready, is_down)
        for host in ready:
            self._model.change_host(host, is_forced_down=is_down)
        if evacuated:
            raise _not_yet(evacuated)

    def begin_marking(self, states_set: Callable[[str], None]) -> None:
        """Complete what an inspector before this one left half done."""
        if self._states is not None:
            self._states.on_host_set = states_set
        self._following.is_mending = True

    def figures(self) -> Mapping[str, Mapping[str, float]]:
        """Return what calls were made, and how long the latest took."""
        return self.calls.figures.read()

    def stop(self) -> None:
        """Follow no longer."""
        self._following.stop()

    def _set_states(self, hosts: Sequence[str], is_down: bool) -> None:
        if self._states is None:
            return
        for host in hosts:
            if is_down:
                self._states.put_to_error(host, self._model.servers(host))
            else:
                self._states.restore(self._model.servers(host))


def _not_yet(evacuated: Mapping[str, int]) -> errors.ActionFailed:
    """Return why hosts cannot be up again; ``evacuated``: host -> instances."""
    reasons = [
        f"{count} instances were evacuated from {host}: its nova-compute has to start"
        " first"
        for host, count in sorted(evacuated.items())
    ]
    return errors.ActionFailed(action="force_up", reason="; ".join(reasons))
