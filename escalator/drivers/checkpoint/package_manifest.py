"""Checkpoint of a Debian node: every package's version, and our apt source."""

from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import apt, base, dpkg


class PackageManifest(base.Checkpoint):
    """``{"packages": {name: version}, "sources": text or null, "holds": [...]}``."""

    covers: ClassVar[tuple[str, ...]] = ("package.install",)

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

    def restore(self, order: commands.RunStep, content: Mapping[str, Any]) -> None:
        """Bring every package, the apt source and the pins back, in that order.

        :raises ActionFailed: ``permanent``: what could not be brought back;
            ``transient`` for locks and network.
        """
        node = apt.Apt(self._resources, order)
        installed = node.query("present")
        wanted = dpkg.whole(content["packages"], installed)
        node.write_sources(content["sources"])
        if dpkg.differences(installed, wanted):
            node.go_back(wanted, installed, bool(content["sources"]))
            installed = node.query("after")
        wanted = dpkg.whole(content["packages"], installed)
        left = dpkg.differences(installed, wanted)
        if left:
            raise errors.ActionFailed(
                action=order.action,
                reason=f"this could not be restored: {dpkg.describe(left)}",
            )
        _pin(node, installed, set(content["holds"]))


def _pin(
    node: apt.Apt, installed: Mapping[str, dpkg.Package], wanted: set[str]
) -> None:
    """Hold the versions of these packages, and of no others."""
    held = {each.name for each in installed.values() if each.is_held}
    for mark, names in (("hold", wanted - held), ("unhold", held - wanted)):
        if names:
            result = node.run(mark, ["apt-mark", mark, *sorted(names)])
            if result.returncode != 0:
                raise node.failed(f"apt-mark {mark}", result)
