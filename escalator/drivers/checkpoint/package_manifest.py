"""Checkpoint of a Debian node: every package's version, and our apt source."""

from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.domain import commands
from escalator.drivers import apt, base


class PackageManifest(base.Checkpoint):
    """``{"packages": {name: version}, "sources": text or null, "holds": [...]}``."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._resources = resources

    def take(self, order: commands.RunStep) -> dict[str, Any]:
        """Record the whole closure: a part of it cannot be gone back to.

        :raises ActionFailed: a package is half installed: the node was broken
            before the campaign came, and this state is none to go back to.
        """
        node = apt.Apt(self._resources, order)
        installed = node.query("manifest")
        broken = sorted(each.name for each in installed.values() if not each.is_whole)
        if broken:
            raise errors.ActionFailed(
                f"Half installed before the campaign: {', '.join(broken[:10])}; "
                "repair the node first (dpkg --configure -a)."
            )
        if not installed:
            raise errors.ActionFailed("dpkg-query lists no package at all.")
        return {
            "packages": {each.name: each.version for each in installed.values()},
            "sources": node.read_sources(),
            "holds": sorted(each.name for each in installed.values() if each.is_held),
        }
