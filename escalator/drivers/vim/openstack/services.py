"""nova-compute services: forced down, disabled, and back."""

import concurrent.futures
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.drivers.vim.openstack import calls as nova

LOG = logging.getLogger(__name__)

BY_ID = "2.53"
"""From here on a service is named by id; before, by host."""

BY_HOST = "2.11"
EVACUATIONS = "2.59"
AT_ONCE = 8


class Services:
    """Knows every host's service id, so that marking is one call."""

    def __init__(self, calls: nova.Calls) -> None:
        self._calls = calls
        self._ids: dict[str, str] = {}
        self._lock = threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE, "nova-services")

    def read(self) -> list[Mapping[str, Any]]:
        """Return every nova-compute service, as Nova has it."""
        version = BY_ID if self._calls.supports(BY_ID) else BY_HOST
        found = self._calls.read(
            "list_services", "/os-services?binary=nova-compute", version
        )["services"]
        with self._lock:
            self._ids = {each["host"]: str(each["id"]) for each in found}
        return list(found)

    def force_down(self, hosts: Sequence[str], is_down: bool) -> None:
        """Force hosts down, or undo it; safe to repeat.

        :raises NotFound: a host has no service; the others are marked.
        :raises VimUnavailable: some may not be marked.
        :raises ActionFailed: Nova refuses one, for example to undo while its
            evacuations have not been cleaned up.
        """
        waiting = [self._pool.submit(self._force, host, is_down) for host in hosts]
        concurrent.futures.wait(waiting)
        failures = [error for each in waiting if (error := each.exception())]
        for kind in (errors.VimUnavailable, errors.ActionFailed, errors.NotFound):
            for failure in failures:
                if isinstance(failure, kind):
                    raise failure
        for failure in failures:
            raise failure

    def find_evacuated(self, hosts: Sequence[str]) -> dict[str, int]:
        """Return host -> instances it still believes to have, but were evacuated.

        nova-compute deletes them when it starts; Nova refuses the undo until then.

        :raises VimUnavailable: Nova does not answer.
        """
        if not self._calls.supports(EVACUATIONS):
            return {}
        found = {}
        for host in hosts:
            path = f"/os-migrations?migration_type=evacuation&source_compute={host}"
            rows = self._calls.read("list_migrations", path, EVACUATIONS)["migrations"]
            count = sum(each["status"] == "done" for each in rows)
            if count:
                found[host] = count
        return found

    def set_scheduling(self, host: str, is_enabled: bool, reason: str) -> None:
        """Enable or disable a host for new instances; safe to repeat.

        :raises NotFound: it has no service.
        """
        body: dict[str, Any] = {"status": "enabled" if is_enabled else "disabled"}
        if not is_enabled:
            body["disabled_reason"] = reason[:255]
        if self._calls.supports(BY_ID):
            self._update(host, body)
            return
        verb = "enable" if is_enabled else "disable-log-reason"
        old = {"host": host, "binary": "nova-compute"}
        if not is_enabled:
            old["disabled_reason"] = reason[:255]
        self._calls.send(f"service_{verb}", "PUT", f"/os-services/{verb}", old)

    def _force(self, host: str, is_down: bool) -> None:
        if self._calls.supports(BY_ID):
            self._update(host, {"forced_down": is_down})
            return
        body = {"host": host, "binary": "nova-compute", "forced_down": is_down}
        self._calls.send("force_down", "PUT", "/os-services/force-down", body, BY_HOST)

    def _update(self, host: str, body: Mapping[str, Any]) -> None:
        name = "force_down" if "forced_down" in body else "set_scheduling"
        path = f"/os-services/{self._id_of(host)}"
        try:
            self._calls.send(name, "PUT", path, body, BY_ID)
        except errors.NotFound:
            # Its service was deleted and registered anew.
            self.read()
            path = f"/os-services/{self._id_of(host)}"
            self._calls.send(name, "PUT", path, body, BY_ID)

    def _id_of(self, host: str) -> str:
        with self._lock:
            known = self._ids.get(host)
        if known is None:
            self.read()
            with self._lock:
                known = self._ids.get(host)
        if known is None:
            raise errors.NotFound(kind="nova-compute service of host", id=host)
        return known
