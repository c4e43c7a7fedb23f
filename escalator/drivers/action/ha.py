"""A virtual address handed over before a node is changed, and taken back.

By keepalived's own means, without a restart: it tracks a file (``track_file`` with
a negative ``weight``), and a 1 in it lowers this node's priority.
"""

import abc
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import addresses, base, files, grants, kit, supervisor

PID_FILE = "/run/keepalived.pid"
POLL_S = 0.1
RESERVE_S = 0.5
"""Kept back from the step's time, so that the reason is told."""

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "address": {"type": "string", "pattern": "^[0-9A-Fa-f.:]+$(?!\\n)"},
        "track_file": {"type": "string", "pattern": "^/[^\\x00\\n]+$"},
        "pid_file": {"type": "string", "pattern": "^/[^\\x00\\n]+$"},
        "expect_address": {"type": "boolean"},
    },
    "required": ["address", "track_file"],
    "additionalProperties": False,
}


class _AddressAction(base.Action):
    """Writes the tracked file, then waits for the address to move."""

    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    idempotence = "natural"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Move the address; where no keepalived runs, say so and do nothing.

        :raises ActionFailed: ``timeout``: it did not move; ``permanent``: the file
            may not be written, or is not there.
        """
        if not _is_running(order):
            return self._skipped(order)
        before = self._keep.once(order.record, "before", lambda: self._read(order))
        value, is_wanted = self._goal(order)
        path = self._path(order)
        found = files.snapshot(path)
        files.restore(path, files.described(found, f"{value}\n".encode()))
        try:
            self._await(order, is_wanted)
        except errors.ActionFailed as error:
            error.result = {"previous": before}
            raise
        return self._result(order, before)

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the file says so and the address is where it should."""
        if not _is_running(order):
            return self._skipped(order)
        found, (value, is_wanted) = self._read(order), self._goal(order)
        if found["value"] != value or is_wanted not in (None, found["is_here"]):
            return None
        return self._result(order, self._keep.find(order.record, "before") or found)

    def _goal(self, order: commands.RunStep) -> tuple[str, bool | None]:
        """Return the file's value, and where the address is to be; None: anywhere."""
        if order.intent == "revert":
            before = base.previous(order, self._keep)
            return before["value"], before["is_here"]
        return self._own_goal(order)

    @abc.abstractmethod
    def _own_goal(self, order: commands.RunStep) -> tuple[str, bool | None]:
        """Return what the action is for, as :meth:`_goal` does."""

    def _await(self, order: commands.RunStep, is_wanted: bool | None) -> None:
        if is_wanted is None:
            return
        address = order.params["address"]
        end = time.monotonic() + max(order.timeout_s - RESERVE_S, 0.1)
        while addresses.is_here(address) != is_wanted:
            if time.monotonic() >= end:
                reason = "did not come back" if is_wanted else "no peer took it over"
                raise errors.ActionFailed(
                    action=order.action,
                    reason=f"{address}: {reason}",
                    failure_class="timeout",
                )
            time.sleep(POLL_S)

    def _read(self, order: commands.RunStep) -> dict[str, Any]:
        path = self._path(order)
        found = files.snapshot(path)
        if not found["is_present"]:
            raise errors.ActionFailed(f"There is no {path}: nothing tracks it.")
        value = files.content_of(found).decode(errors="replace").strip()
        return {"value": value, "is_here": addresses.is_here(order.params["address"])}

    def _path(self, order: commands.RunStep) -> str:
        return self._grants.check_writable(order.params["track_file"])

    def _skipped(self, order: commands.RunStep) -> dict[str, Any]:
        here = addresses.is_here(order.params["address"])
        reason = "no keepalived runs on this host: there is nobody to hand over to"
        return {"is_here": here, "is_skipped": True, "reason": reason}

    def _result(
        self, order: commands.RunStep, before: Mapping[str, Any]
    ) -> dict[str, Any]:
        here = addresses.is_here(order.params["address"])
        return {"is_here": here, "is_skipped": False, "previous": dict(before)}


class HandOver(_AddressAction):
    """Lets a peer take the address; a node that does not hold it does not take it."""

    undo = "ha.take_back"

    def _own_goal(self, order: commands.RunStep) -> tuple[str, bool | None]:
        return "1", False


class TakeBack(_AddressAction):
    """Gives this node its priority back.

    ``expect_address``: wait until the address is here.  As an undo it goes by what
    was before instead.
    """

    undo = "ha.hand_over"

    def _own_goal(self, order: commands.RunStep) -> tuple[str, bool | None]:
        return "0", True if order.params.get("expect_address") else None


def _is_running(order: commands.RunStep) -> bool:
    """Return True if the process of keepalived's pid file lives."""
    path = order.params.get("pid_file", PID_FILE)
    try:
        with open(path, encoding="ascii") as source:
            return supervisor.start_time(int(source.read())) > 0
    except (OSError, ValueError):
        return False
