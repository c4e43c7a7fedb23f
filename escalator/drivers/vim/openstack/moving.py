"""Draining: instances move to other hosts, live or cold (O-0c)."""

import concurrent.futures
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim.openstack import calls as nova
from escalator.drivers.vim.openstack import model, snapshot

LOG = logging.getLogger(__name__)

LIVE, COLD = "live", "cold"
LIVE_VERSION = "2.30"
"""The first with a choice of the host by the scheduler alone, and none forced."""

_LIVE_STATES = frozenset({"active", "paused"})
_COLD_STATES = frozenset({"active", "stopped"})
_POLL_S = 0.5


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """:ivar methods: what may be done to an active instance, in this order; a
        stopped one is always moved cold.
    :ivar at_once: migrations under way from one host.
    :ivar timeout_s: for one instance and method.
    """

    methods: Sequence[str] = (LIVE,)
    at_once: int = 2
    timeout_s: float = 600.0


class Moving:
    """Moves every instance off a host."""

    def __init__(
        self, calls: nova.Calls, reader: snapshot.Reader, limits: Limits
    ) -> None:
        self._calls = calls
        self._reader = reader
        self._limits = limits

    def drain(self, host: str, tell: base.Moved) -> dict[str, str]:
        """Return instance id -> new host.

        :raises ActionFailed: one did not move; ``result`` has those that did.
        :raises VimUnavailable: Nova does not answer.
        """
        servers = [each for each in self._reader.servers(host) if each.host == host]
        moved: dict[str, str] = {}
        failures: list[errors.EscalatorError] = []
        with concurrent.futures.ThreadPoolExecutor(self._limits.at_once) as pool:
            waiting = {pool.submit(self._move, each): each for each in servers}
            for future in concurrent.futures.as_completed(waiting):
                try:
                    moved[waiting[future].id] = future.result()
                    tell(len(moved), len(servers))
                except errors.NotFound:
                    LOG.info("Instance %s was deleted meanwhile", waiting[future].id)
                except errors.EscalatorError as error:
                    failures.append(error)
        for failure in failures:
            if isinstance(failure, errors.VimUnavailable):
                raise failure
        if failures:
            raise errors.ActionFailed(
                action="drain",
                reason="; ".join(sorted(str(each) for each in failures)),
                result={"moved": dict(sorted(moved.items()))},
            )
        return moved

    def _move(self, server: model.Server) -> str:
        reasons = []
        for method in self.methods(server):
            move = self._live if method == LIVE else self._cold
            try:
                return move(server)
            except errors.ActionFailed as error:
                reasons.append(f"{method}: {error}")
        told = "; ".join(reasons) or f"no way to move one that is {server.state}"
        raise errors.ActionFailed(
            action="drain", reason=f"instance {server.id}: {told}"
        )

    def methods(self, server: model.Server) -> list[str]:
        """Return how an instance would be moved in its present state, in order."""
        if server.state == "stopped":
            return [COLD]
        able = {LIVE: _LIVE_STATES, COLD: _COLD_STATES}
        return [each for each in self._limits.methods if server.state in able[each]]

    def _live(self, server: model.Server) -> str:
        body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
        self._act(server.id, "live_migrate", body, LIVE_VERSION)

        def is_over(row: dict[str, Any]) -> bool:
            return row.get("OS-EXT-STS:task_state") is None

        return self._await_elsewhere(server, is_over)

    def _cold(self, server: model.Server) -> str:
        self._act(server.id, "migrate", {"migrate": None}, "2.1")

        def is_ready(row: dict[str, Any]) -> bool:
            return row["status"] == "VERIFY_RESIZE" or (
                row.get("OS-EXT-STS:task_state") is None
                and row["OS-EXT-STS:vm_state"] != "resized"
            )

        where = self._await_elsewhere(server, is_ready)
        self._act(server.id, "confirm_resize", {"confirmResize": None}, "2.1")
        self._await(server, lambda row: row["status"] != "VERIFY_RESIZE")
        return where

    def _act(self, server_id: str, name: str, body: Any, version: str) -> None:
        path = f"/servers/{server_id}/action"
        self._calls.send(name, "POST", path, body, version, is_repeatable=False)

    def _await_elsewhere(
        self, server: model.Server, is_over: Callable[[dict[str, Any]], bool]
    ) -> str:
        row = self._await(server, is_over)
        where = str(row.get("OS-EXT-SRV-ATTR:host") or "")
        if where == server.host or row["status"] == "ERROR":
            fault = (row.get("fault") or {}).get("message", "no valid host")
            raise errors.ActionFailed(
                action="migrate", reason=f"it stays on {server.host}: {fault}"
            )
        return where

    def _await(
        self, server: model.Server, is_over: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + self._limits.timeout_s
        while True:
            time.sleep(_POLL_S)
            row: dict[str, Any] = self._calls.read(
                "show_server", f"/servers/{server.id}"
            )["server"]
            if is_over(row):
                return row
            if time.monotonic() > deadline:
                raise errors.ActionFailed(
                    action="migrate",
                    failure_class="timeout",
                    reason=f"{server.id} still moves after"
                    f" {self._limits.timeout_s:.0f} s",
                )
