"""The package actions on simulated hosts; the same parameters as the real ones."""

from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers import fleet as fleets
from escalator.drivers.action import http, package


class OnFleet(base.Action):
    """Acts on ``resources["fleet"]``, else on this process's fleet."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._fleet: fleets.Fleet = resources.get("fleet") or fleets.fleet()


class Install(OnFleet):
    """Sets the named versions."""

    progress = package.Install.progress

    params_schema: ClassVar[Mapping[str, Any]] = package.Install.params_schema
    idempotence = "probe"
    undo = "package.restore"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Install; the result holds the earlier versions."""
        self._fleet.spend(order)
        wanted = order.params["packages"]
        self._fleet.change(order, {**self._fleet.packages(order.host), **wanted})
        return self._result(order)

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if every version is installed."""
        wanted = order.params["packages"]
        if self._fleet.versions(order.host, wanted) != wanted:
            return None
        return self._result(order)

    def dry_run(self, order: commands.RunStep) -> list[str]:
        """Return which versions the host's repositories do not have."""
        return [
            f"no repository has {name} {version}"
            for name, version in sorted(order.params["packages"].items())
            if (order.host, name, version) in self._fleet.withheld
        ]

    def _result(self, order: commands.RunStep) -> dict[str, Any]:
        """Return the versions, and those before the step's first attempt."""
        wanted, before = order.params["packages"], self._fleet.packages(order.host)
        for effect in self._fleet.effects():
            if effect.step_id == order.step_id:
                before = dict(effect.before)
                break
        previous = {name: before.get(name) for name in wanted}
        return {"packages": dict(wanted), "previous": previous}


class Restore(OnFleet):
    """Goes back to the manifest, else to the install's earlier versions."""

    params_schema: ClassVar[Mapping[str, Any]] = package.Restore.params_schema
    idempotence = "probe"
    undo = "none_needed"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Go back."""
        self._fleet.spend(order)
        is_changed = self._fleet.change(order, self._wanted(order))
        return {"restored": sorted(order.params["packages"]) if is_changed else []}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if the host is as it was."""
        if self._fleet.packages(order.host) != self._wanted(order):
            return None
        return {"restored": []}

    def _wanted(self, order: commands.RunStep) -> dict[str, str]:
        recorded = package.manifest_of(order)
        if recorded is not None:
            return dict(recorded["packages"])
        previous = order.undo.get("result", {}).get("previous")
        if not previous:
            raise errors.ActionFailed(
                action=order.action, reason="no earlier version was recorded"
            )
        found: dict[str, str | None] = {**self._fleet.packages(order.host), **previous}
        return {name: version for name, version in found.items() if version}


class Verify(OnFleet):
    """Compares versions."""

    is_mutating = False
    params_schema: ClassVar[Mapping[str, Any]] = package.Verify.params_schema

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Return the versions.

        :raises ActionFailed: class ``verification``.
        """
        self._fleet.spend(order)
        wanted = order.params["packages"]
        found = self._fleet.versions(order.host, wanted)
        if found != wanted:
            raise errors.ActionFailed(
                f"Packages are not as they should be: {found}, not {wanted}",
                failure_class="verification",
            )
        return {"packages": found}


class Answer(OnFleet):
    """A daemon that answers with the versions of the host's packages."""

    is_mutating = False
    params_schema: ClassVar[Mapping[str, Any]] = http.Verify.params_schema

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Return the answer.

        :raises ActionFailed: class ``verification``.
        """
        self._fleet.spend(order)
        expect = order.params["expect"]
        versions = set(self._fleet.packages(order.host).values())
        wanted = {expect} if isinstance(expect, str) else set(expect.values())
        if not wanted <= versions:
            raise errors.ActionFailed(
                f"{order.host} answers {sorted(versions)}, expected {expect!r}",
                failure_class="verification",
            )
        return {"answer": ", ".join(sorted(versions))}
