"""Checkpoint of a simulated host."""

from collections.abc import Mapping
from typing import Any

from escalator.domain import commands
from escalator.drivers import base
from escalator.drivers import fleet as fleets


class PackageManifest(base.Checkpoint):
    """The same content as the real one, from ``resources["fleet"]``."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._fleet: fleets.Fleet = resources.get("fleet") or fleets.fleet()

    def take(self, order: commands.RunStep) -> dict[str, Any]:
        """Record every package of the host."""
        self._fleet.spend(order)
        packages = self._fleet.packages(order.host)
        return {"packages": packages, "sources": None, "holds": []}
