"""Checkpoint of a simulated host."""

from collections.abc import Mapping
from typing import Any, ClassVar

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers import fleet as fleets
from escalator.drivers.checkpoint import package_manifest


class PackageManifest(base.Checkpoint):
    """The same content as the real one, from ``resources["fleet"]``."""

    covers: ClassVar[tuple[str, ...]] = package_manifest.PackageManifest.covers

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._fleet: fleets.Fleet = resources.get("fleet") or fleets.fleet()

    def take(self, order: commands.RunStep) -> dict[str, Any]:
        """Record every package of the host."""
        self._fleet.spend(order)
        packages = self._fleet.packages(order.host)
        return {"packages": packages, "sources": None, "holds": []}

    def restore(self, order: commands.RunStep, content: Mapping[str, Any]) -> None:
        """Set the whole inventory of the host."""
        self._fleet.spend(order)
        self._fleet.change(order, content["packages"])
