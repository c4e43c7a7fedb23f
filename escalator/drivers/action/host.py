"""The host itself: a reboot that the agent survives."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, grants, kit

POLL_S = 0.2
ASK_S = 30.0
"""How long the program that asks for the reboot may take."""


class Reboot(base.Action):
    """Reboots the host once for each step; give the step ``may_reboot: true``.

    The boot's id is kept before the system is asked.  The reboot ends this
    process; the agent's next one takes the step up and finds another id.
    """

    params_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"reason": {"type": "string"}},
        "additionalProperties": False,
    }
    idempotence = "probe"
    undo = "none_needed"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]
        self._jobs: kit.Jobs = resources["jobs"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Ask for a reboot and wait for it.

        :raises ActionFailed: ``permanent``: the system refuses; ``timeout``: the
            boot's id stayed the same.
        """
        end = time.monotonic() + order.timeout_s
        before = self._keep.once(order.record, "before", self._read)
        if self._read() == before:
            self._ask(order)
        while self._read() == before:
            if time.monotonic() >= end:
                raise errors.ActionFailed(
                    f"The boot id is the same {order.timeout_s:.0f} s after "
                    f"{self._grants.reboot[0]} was called.",
                    failure_class="timeout",
                )
            time.sleep(POLL_S)
        return {"previous": before, **self._read()}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the host was booted since the step began."""
        before, now = self._keep.find(order.record, "before"), self._read()
        return None if before in (None, now) else {"previous": before, **now}

    def can_resume(self, order: commands.RunStep) -> bool:
        """Return True: what ``run`` did shows in the kept id and the system's."""
        return self._keep.find(order.record, "before") is not None

    def _ask(self, order: commands.RunStep) -> None:
        timeout_s = min(ASK_S, order.timeout_s)
        try:
            result = self._jobs.run(order, "reboot", self._grants.reboot, timeout_s)
        except errors.ActionFailed as error:
            if error.failure_class == "interrupted":
                return  # the system that goes down took it along
            raise
        if result.returncode != 0:
            reason = f"exit status {result.returncode}: {result.output[-500:]}"
            raise errors.ActionFailed(action=order.action, reason=reason)

    def _read(self) -> dict[str, Any]:
        try:
            with open(self._grants.boot_id, encoding="ascii") as source:
                return {"boot_id": source.read().strip()}
        except OSError as error:
            raise errors.ActionFailed(f"The boot id is unreadable: {error}") from error
