"""Services started, stopped, restarted, reloaded, and put back."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, grants, kit, supervisor

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"service": {"type": "string", "pattern": grants.NAME}},
    "required": ["service"],
    "additionalProperties": False,
}

Unit = supervisor.Supervisor


class _ServiceAction(base.Action):
    """The state before the first attempt is kept for the undo."""

    progress = "programs"
    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    undo = "service.restore"
    verb: ClassVar[str]

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources
        self._keep: kit.Keep = resources["keep"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Act and wait until it shows.

        :raises ActionFailed: ``permanent``; its result holds the state before.
        """
        unit = self._unit(order)
        before = self._keep.once(
            order.record, "before", lambda: dataclasses.asdict(unit.state())
        )
        try:
            if not self.is_reached(order, unit, before):
                unit.act(order, self.verb)
                self.settle(order, unit)
        except errors.ActionFailed as error:
            error.result = {**error.result, "previous": before}
            raise
        return _result(order, before)

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the service is as it should be."""
        unit = self._unit(order)
        before = self._keep.find(order.record, "before")
        if not self.is_reached(order, unit, before):
            return None
        return _result(order, before or dataclasses.asdict(unit.state()))

    @abc.abstractmethod
    def is_reached(
        self, order: commands.RunStep, unit: Unit, before: dict[str, Any] | None
    ) -> bool:
        """Return True if there is nothing left to do."""

    def settle(self, order: commands.RunStep, unit: Unit) -> None:
        """Wait until it runs."""
        unit.await_state(True, order.timeout_s)

    def _unit(self, order: commands.RunStep) -> Unit:
        return supervisor.of(self._resources, order.params["service"])


class Start(_ServiceAction):
    """Starts a service that does not run."""

    verb = "start"
    idempotence = "natural"

    def is_reached(
        self, order: commands.RunStep, unit: Unit, before: dict[str, Any] | None
    ) -> bool:
        """Return True if it runs."""
        return unit.state().is_active


class Stop(_ServiceAction):
    """Stops a service that runs."""

    verb = "stop"
    idempotence = "natural"

    def is_reached(
        self, order: commands.RunStep, unit: Unit, before: dict[str, Any] | None
    ) -> bool:
        """Return True if it does not run."""
        return not unit.state().is_active

    def settle(self, order: commands.RunStep, unit: Unit) -> None:
        """Wait until it is gone."""
        unit.await_state(False, order.timeout_s)


class Restart(_ServiceAction):
    """Restarts a service, once for each step, or starts it."""

    verb = "restart"
    idempotence = "probe"

    def is_reached(
        self, order: commands.RunStep, unit: Unit, before: dict[str, Any] | None
    ) -> bool:
        """Return True if it runs since after the step's first attempt began."""
        now = unit.state()
        return bool(before and now.is_active and now.identity != before["identity"])


class Reload(_ServiceAction):
    """Lets a service read its configuration again, once for each step."""

    verb = "reload"
    idempotence = "keyed"
    undo = "none_needed"

    def is_reached(
        self, order: commands.RunStep, unit: Unit, before: dict[str, Any] | None
    ) -> bool:
        """Return True if this step did so already."""
        return self._keep.find(order.record, "reloaded") is not None

    def settle(self, order: commands.RunStep, unit: Unit) -> None:
        """Remember that it was done; the service must have survived it."""
        super().settle(order, unit)
        self._keep.once(order.record, "reloaded", dict)


class Restore(base.Action):
    """Undoes the others: running if it ran before, else stopped."""

    progress = "programs"
    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    idempotence = "natural"
    undo = "none_needed"

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources
        self._keep: kit.Keep = resources["keep"]

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Go back.

        :raises ActionFailed: ``permanent``, also if nothing was recorded.
        """
        unit, was_active = self._asked(order)
        if unit.state().is_active != was_active:
            unit.act(order, "start" if was_active else "stop")
            unit.await_state(was_active, order.timeout_s)
        return {"is_active": was_active}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if it is as it was."""
        unit, was_active = self._asked(order)
        return (
            {"is_active": was_active} if unit.state().is_active == was_active else None
        )

    def _asked(self, order: commands.RunStep) -> tuple[Unit, bool]:
        unit = supervisor.of(self._resources, order.params["service"])
        return unit, bool(base.previous(order, self._keep)["is_active"])


def _result(order: commands.RunStep, before: Mapping[str, Any]) -> dict[str, Any]:
    return {"service": order.params["service"], "previous": dict(before)}
