"""The version that a service speaks to its peers, pinned while they differ."""

from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, files, grants, ini, kit, supervisor

SECTION = "upgrade_levels"
_WORD = "^[A-Za-z0-9_.-]+$(?!\\n)"

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "pattern": "^/[^\\x00\\n]+$"},
        "section": {"type": "string", "pattern": _WORD},
        "option": {"type": "string", "pattern": _WORD},
        "value": {"type": "string", "pattern": _WORD},
        "service": {"type": "string", "pattern": grants.NAME},
    },
    "required": ["path", "option", "value"],
    "additionalProperties": False,
}


class _PinAction(base.Action):
    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    idempotence = "probe"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]

    def _write(
        self, order: commands.RunStep, wanted: list[str], keep_section: bool = True
    ) -> dict[str, Any]:
        """Change the file, then tell the service; return what was there."""
        before = self._keep.once(order.record, "before", lambda: self._read(order))
        path = self._path(order)
        found = files.snapshot(path)
        text = files.content_of(found).decode()
        section, option = _place(order)
        fresh = ini.write(text, section, option, wanted, keep_section)
        files.restore(path, files.described(found, fresh.encode()))
        if self._must_signal(order, before, wanted):
            unit = supervisor.of(self._resources, order.params["service"])
            unit.hang_up(order)
            unit.await_state(True, order.timeout_s)
            self._keep.once(order.record, "signalled", dict)
        return before

    def _must_signal(
        self, order: commands.RunStep, before: Mapping[str, Any], wanted: list[str]
    ) -> bool:
        """Say whether the service may not have read what is in the file."""
        is_changed = ini.value_of(before["lines"]) != ini.value_of(wanted)
        is_told = self._keep.find(order.record, "signalled") is not None
        return "service" in order.params and is_changed and not is_told

    def _is_reached(self, order: commands.RunStep, wanted: list[str]) -> bool:
        found = self._read(order)
        if ini.value_of(found["lines"]) != ini.value_of(wanted):
            return False
        before = self._keep.find(order.record, "before") or found
        return not self._must_signal(order, before, wanted)

    def _read(self, order: commands.RunStep) -> dict[str, Any]:
        path = self._path(order)
        found = files.snapshot(path)
        if not found["is_present"]:
            raise errors.ActionFailed(f"There is no {path}.")
        text = files.content_of(found).decode()
        section, option = _place(order)
        return {
            "lines": ini.read(text, section, option),
            "has_section": ini.has_section(text, section),
        }

    def _path(self, order: commands.RunStep) -> str:
        return self._grants.check_writable(order.params["path"])


class Set(_PinAction):
    """Sets ``option`` to ``value`` and sends the service SIGHUP."""

    undo = "rpc_pin.restore"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Pin.

        :raises ActionFailed: ``permanent``.
        """
        before = self._write(order, _wanted(order))
        return {"value": order.params["value"], "previous": before}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the file says so and the service was told."""
        if not self._is_reached(order, _wanted(order)):
            return None
        before = self._keep.find(order.record, "before") or self._read(order)
        return {"value": order.params["value"], "previous": before}


class Restore(_PinAction):
    """Puts the option back as it was, and tells the service."""

    undo = "none_needed"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Go back.

        :raises ActionFailed: ``permanent``, also if nothing was recorded.
        """
        before = base.previous(order, self._keep)
        self._write(order, before["lines"], before["has_section"])
        return {"value": ini.value_of(before["lines"])}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if it is as it was and the service was told."""
        lines = base.previous(order, self._keep)["lines"]
        return (
            {"value": ini.value_of(lines)} if self._is_reached(order, lines) else None
        )


def _place(order: commands.RunStep) -> tuple[str, str]:
    return order.params.get("section", SECTION), order.params["option"]


def _wanted(order: commands.RunStep) -> list[str]:
    return [f"{order.params['option']} = {order.params['value']}"]
