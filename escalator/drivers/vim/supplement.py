"""What the VIM does not know of its hosts, from a file (``[vim] host_facts``).

    hosts:
      - name: compute-1
        address: 192.0.2.11
        rack: r1
        facts: {site: north, chassis: c3}
    owners:
      - {project: 6f1c, max_down: 1}

A host of the file that the VIM has gets the values given there; one that it has
not (a controller, a switch) is a host of its own.  An owner says how many of the
hosts with instances of the project, or of the server group, may be down at once.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import yaml

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim import inventory

_OWNER = {
    "type": "object",
    "properties": {
        "project": {"type": "string", "minLength": 1, "maxLength": 64},
        "server_group": {"type": "string", "minLength": 1, "maxLength": 64},
        "max_down": {"type": "integer", "minimum": 1},
    },
    "required": ["max_down"],
    "additionalProperties": False,
    "oneOf": [{"required": ["project"]}, {"required": ["server_group"]}],
}
_CHECK = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "hosts": {"type": "array", "items": inventory.HOST_FACTS},
            "owners": {"type": "array", "items": _OWNER},
        },
        "required": ["hosts"],
        "additionalProperties": False,
    }
)


class Supplement:
    """Values for hosts by name.  Without a path there are none.

    :raises ConfigError: the file is refused; names the place.
    """

    def __init__(self, path: str | None) -> None:
        content = _read(path) if path else {"hosts": []}
        self._facts = {each["name"]: _values(each) for each in content["hosts"]}
        self._owners = {
            _owner(each): each["max_down"] for each in content.get("owners", ())
        }

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

    def declared(self, instance: base.VimInstance) -> list[tuple[str, int]]:
        """Return the owners of an instance who declared a limit, each with it."""
        keys = (("project", instance.project_id), ("group", instance.server_group))
        owners = [f"{kind} {name}" for kind, name in keys]
        return [(each, self._owners[each]) for each in owners if each in self._owners]


def _owner(entry: Mapping[str, Any]) -> str:
    if "project" in entry:
        return f"project {entry['project']}"
    return f"group {entry['server_group']}"


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


def _read(path: str) -> Mapping[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
        for error in _CHECK.iter_errors(content):
            raise ValueError(f"{error.json_path.removeprefix('$.')}: {error.message}")
        _check_unique("hosts", [host["name"] for host in content["hosts"]])
        _check_unique("owners", [_owner(each) for each in content.get("owners", ())])
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise errors.ConfigError(
            group="vim", option="host_facts", reason=f"{path}: {error}"
        ) from error
    found: Mapping[str, Any] = content
    return found


def _check_unique(section: str, names: Sequence[str]) -> None:
    for at, name in enumerate(names):
        if name in names[:at]:
            place = f"{section}[{at}]" + (".name" if section == "hosts" else "")
            raise ValueError(f"{place}: {name} is there already")


def _values(host: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in host.items()
        if name != "name"
    }
