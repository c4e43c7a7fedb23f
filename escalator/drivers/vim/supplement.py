"""What the VIM does not know of its hosts, from a file (``[vim] host_facts``).

    hosts:
      - name: compute-1
        address: 192.0.2.11
        rack: r1

A host of the file that the VIM has gets the values given there; one that it has
not (a controller, a switch) is a host of its own.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import yaml

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim import inventory

_CHECK = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "properties": {"hosts": {"type": "array", "items": inventory.HOST_FACTS}},
        "required": ["hosts"],
        "additionalProperties": False,
    }
)


class Supplement:
    """Values for hosts by name.  Without a path there are none.

    :raises ConfigError: the file is refused; names the place.
    """

    def __init__(self, path: str | None) -> None:
        self._facts = _read(path) if path else {}

    def apply(self, hosts: Sequence[base.VimHost]) -> list[base.VimHost]:
        """Return the hosts with what the file says of them."""
        known = {host.name for host in hosts}
        found = [
            dataclasses.replace(host, **self._facts.get(host.name, {}))
            for host in hosts
        ]
        for name, values in self._facts.items():
            if name not in known:
                found.append(dataclasses.replace(_unknown(name), **values))
        return found


def _unknown(name: str) -> base.VimHost:
    return base.VimHost(
        name=name,
        address="",
        role="",
        rack="",
        availability_zone="",
        is_enabled=True,
        is_forced_down=False,
    )


def _read(path: str) -> dict[str, dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
        for error in _CHECK.iter_errors(content):
            raise ValueError(f"{error.json_path.removeprefix('$.')}: {error.message}")
        found: dict[str, dict[str, Any]] = {}
        for at, host in enumerate(content["hosts"]):
            if host["name"] in found:
                raise ValueError(f"hosts[{at}].name: {host['name']} is there already")
            found[host["name"]] = _values(host)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise errors.ConfigError(
            group="vim", option="host_facts", reason=f"{path}: {error}"
        ) from error
    return found


def _values(host: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in host.items()
        if name != "name"
    }
