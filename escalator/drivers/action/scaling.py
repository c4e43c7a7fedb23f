"""Scaling is held while a campaign changes the platform (S-7, ADR 26)."""

import abc
from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, scaling

REASON = "the platform is being upgraded; enabled again afterwards"

NAMED = 100
"""Names in a list of a result; more are counted."""

_PARAMS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 200, "pattern": r"^[^\[\]\r\n]*$"},
        "if_absent": {"enum": ["fail", "skip"]},
        "holder": {"type": "string", "pattern": "^[0-9a-f-]{36}$"},
    },
    "additionalProperties": False,
}


class _ScalingAction(base.Action):
    executor = "vim"
    params_schema = _PARAMS
    idempotence = "natural"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.vim: base.Vim = resources["vim"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Do it; natural: once more changes nothing."""
        try:
            if self.vim.scaling is None:
                raise errors.NotFound("This VIM driver knows nothing that scales.")
            found = self._act(self.vim.scaling, order)
        except errors.NotFound as error:
            if order.params.get("if_absent") == "skip":
                return {"is_absent": True}
            raise errors.ActionFailed(
                action=order.action,
                reason=f"{error} If that is so on purpose, write if_absent: skip.",
            ) from error
        return {key: _some(names) for key, names in found.items()}

    @abc.abstractmethod
    def _act(
        self, known: scaling.Scaling, order: commands.RunStep
    ) -> dict[str, list[str]]: ...


class Hold(_ScalingAction):
    """Let nothing scale by itself until it is released."""

    undo = "scaling.release"

    def _act(
        self, known: scaling.Scaling, order: commands.RunStep
    ) -> dict[str, list[str]]:
        reason = order.params.get("reason") or REASON
        return known.hold(_holder(order), reason, order.timeout_s)


class Release(_ScalingAction):
    """Let scale again what this campaign held and nobody else holds."""

    undo = "scaling.hold"

    def _act(
        self, known: scaling.Scaling, order: commands.RunStep
    ) -> dict[str, list[str]]:
        return known.release(_holder(order), order.timeout_s)


def _holder(order: commands.RunStep) -> str:
    return str(order.params.get("holder") or order.campaign_id)


def _some(names: list[str]) -> list[str]:
    if len(names) <= NAMED:
        return names
    return [*names[:NAMED], f"and {len(names) - NAMED} more"]
