"""What Placement is asked for an instance: the resources and traits of its flavor.

As Nova's scheduler does it, as far as the servers API shows what that goes by: not
what the image or the ports ask for, nor ``hw:`` keys other than ``cpu_policy``.
"""

import collections
import dataclasses
import math
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from escalator import errors

ENABLED = "!COMPUTE_STATUS_DISABLED"
"""nova-compute puts this trait on the provider of a host that is disabled."""

_KEY = re.compile(r"^(resources|trait)([a-zA-Z0-9_-]{1,64})?:(.+)$")
_MIB_OF_GIB = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """:ivar flavor: its name.
    :ivar size: amount by resource class, over all groups.
    :ivar query: parameters for ``GET /allocation_candidates``.
    """

    flavor: str
    size: Mapping[str, int]
    query: str

    def told(self) -> str:
        """Say it in words: ``m1.large: 4 VCPU, 8192 MEMORY_MB``."""
        return f"{self.flavor}: {amounts(self.size)}"


def amounts(size: Mapping[str, float]) -> str:
    """Say amounts in words, CPUs first as people do."""
    ordered = sorted(size, key=lambda name: (not name.endswith("CPU"), name))
    ordered.sort(key=lambda name: name == "DISK_GB")
    return ", ".join(f"{size[name]:g} {name}" for name in ordered)


def of_server(row: Mapping[str, Any]) -> Demand:
    """Return what an instance needs elsewhere.

    :param row: as the servers API shows it from 2.47 on.
    :raises ActionFailed: it cannot be told.
    """
    flavor = row["flavor"]
    name = str(flavor["original_name"])
    specs = flavor.get("extra_specs") or {}
    resources: dict[str, dict[str, int]] = collections.defaultdict(dict)
    traits: dict[str, list[str]] = collections.defaultdict(list)
    for key, value in sorted(specs.items()):
        if found := _KEY.match(key):
            kind, group, what = found[1], found[2] or "", found[3]
            if kind == "resources":
                resources[group][what] = _number(name, key, value)
            elif value in ("required", "forbidden"):
                traits[group].append(what if value == "required" else f"!{what}")
    _add_flavor(resources, flavor, not row.get("image"), name)
    query: dict[str, str] = {}
    size: collections.Counter[str] = collections.Counter()
    for group, wanted in sorted(resources.items()):
        wanted = {each: amount for each, amount in sorted(wanted.items()) if amount}
        if not wanted:
            continue
        size.update(wanted)
        told = ",".join(f"{each}:{amount}" for each, amount in wanted.items())
        query[f"resources{group}"] = told
        needed = traits[group] if group else [*traits[group], ENABLED]
        if needed:
            query[f"required{group}"] = ",".join(needed)
    if "group_policy" in specs:
        query["group_policy"] = str(specs["group_policy"])
    return Demand(name, dict(size), urllib.parse.urlencode(query, safe=":,!"))


def _add_flavor(
    resources: dict[str, dict[str, int]],
    flavor: Mapping[str, Any],
    is_on_volume: bool,
    name: str,
) -> None:
    """Add what the flavor's own fields ask for, unless an extra spec overrides it."""
    known = {each for wanted in resources.values() for each in wanted}
    own = resources[""]
    if not known & {"VCPU", "PCPU"}:
        policy = (flavor.get("extra_specs") or {}).get("hw:cpu_policy", "shared")
        if policy not in ("shared", "dedicated"):
            raise _unclear(name, f"hw:cpu_policy is {policy}")
        own["PCPU" if policy == "dedicated" else "VCPU"] = int(flavor["vcpus"])
    if "MEMORY_MB" not in known:
        own["MEMORY_MB"] = int(flavor["ram"])
    if "DISK_GB" not in known:
        disk = int(flavor.get("ephemeral") or 0)
        disk += math.ceil(int(flavor.get("swap") or 0) / _MIB_OF_GIB)
        own["DISK_GB"] = disk + (0 if is_on_volume else int(flavor["disk"]))


def _number(flavor: str, key: str, value: Any) -> int:
    try:
        return int(value)
    except ValueError:
        raise _unclear(flavor, f"{key} is {value}, no number") from None


def _unclear(flavor: str, why: str) -> errors.ActionFailed:
    return errors.ActionFailed(
        action="try_drain",
        reason=f"could not be told: flavor {flavor}: {why}",
    )
