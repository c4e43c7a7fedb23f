"""Deeds that the VIM does; run by agents with access to it."""

from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, kit

_NO_PARAMS: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}},
    "additionalProperties": False,
}


class _VimAction(base.Action):
    executor = "vim"
    params_schema = _NO_PARAMS
    idempotence = "natural"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.vim: base.Vim = resources["vim"]


class DisableScheduling(_VimAction):
    """Let nothing new land on the host (O-0d)."""

    undo = "vim.enable_scheduling"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Disable; natural: once more changes nothing."""
        reason = order.params.get("reason") or f"campaign {order.campaign_id}"
        self.vim.set_scheduling(order.host, False, reason)
        return {"is_enabled": False}


class EnableScheduling(_VimAction):
    """Let instances land on the host again."""

    undo = "vim.vacate"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Enable; natural: once more changes nothing."""
        self.vim.set_scheduling(order.host, True, "")
        return {"is_enabled": True}


class _Draining(_VimAction):
    """An action that moves every instance away."""

    progress = "told"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        super().__init__(resources)
        self._tell: kit.Progress = resources.get("progress", lambda *_: None)

    def dry_run(self, order: commands.RunStep) -> list[str]:
        """Ask the VIM what stands in the way (V-3)."""
        try:
            return self.vim.try_drain(order.host)
        except errors.NotFound as error:
            return [str(error)]
        except errors.VimUnavailable as error:
            raise errors.ActionFailed(
                action=order.action,
                failure_class="transient",
                reason=f"could not be told: {error}",
            ) from error

    def _drain(self, order: commands.RunStep) -> dict[str, Any]:
        def tell(done: int, total: int) -> None:
            told = {"done": done, "total": total, "unit": "instances"}
            self._tell(order.step_id, told)

        return {"moved": self.vim.drain(order.host, tell)}


class Drain(_Draining):
    """Move every instance off the host (O-0c)."""

    undo = "none_needed"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Drain; natural: a host that is empty stays so."""
        return self._drain(order)


class Vacate(_Draining):
    """Disable scheduling, then drain: the way back before an undo."""

    undo = "vim.enable_scheduling"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Vacate; natural."""
        self.vim.set_scheduling(order.host, False, f"campaign {order.campaign_id}")
        return self._drain(order)
