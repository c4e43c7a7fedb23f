"""The file that fills a new simulated VIM."""

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jsonschema
import yaml

from escalator import errors

CAPACITY = 1000
"""Instances that a host takes if the file does not say."""

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_TEXT = {"type": "string", "maxLength": 255}
_NAMES = {"type": "array", "items": _NAME}
_NICS = {
    "type": "object",
    "propertyNames": {"pattern": "^[^%]{1,64}$"},
    "additionalProperties": _TEXT,
}
HOST_FACTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": _NAME,
        "address": _TEXT,
        "role": _TEXT,
        "rack": _TEXT,
        "availability_zone": _TEXT,
        "tags": _NAMES,
        "groups": _NAMES,
        "nics": _NICS,
        "facts": {"type": "object", "propertyNames": {"maxLength": 255}},
    },
    "required": ["name"],
    "additionalProperties": False,
}
"""Schema of what a file may say of a host: the fields of ``base.VimHost``."""

_CAPACITY = {"type": "integer", "minimum": 0}
_HOST = {
    **HOST_FACTS,
    "properties": {**HOST_FACTS["properties"], "capacity": _CAPACITY},
}
_INSTANCE = {
    "type": "object",
    "properties": {
        "id": _NAME,
        "name": _TEXT,
        "project": _NAME,
        "host": _NAME,
        "group": _TEXT,
    },
    "required": ["id", "project", "host"],
    "additionalProperties": False,
}
_SCALING = {
    "type": "object",
    "properties": {"name": _NAME, "project": _NAME, "enabled": {"type": "boolean"}},
    "required": ["name", "project"],
    "additionalProperties": False,
}
_CHECK = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "hosts": {"type": "array", "items": _HOST},
            "instances": {"type": "array", "items": _INSTANCE},
            "scaling": {"type": "array", "items": _SCALING},
        },
        "additionalProperties": False,
    }
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Entries = Sequence[Mapping[str, Any]]


def read(source: str | Mapping[str, Any] | None) -> dict[str, Entries]:
    """Return ``hosts``, ``instances`` and ``scaling`` of a file or a mapping.

    :param source: path of a YAML file, or its content; None: empty.
    :raises ConfigError: the place and what is wrong there.
    """
    try:
        return _checked(_load(source) if isinstance(source, str) else source or {})
    except (OSError, ValueError, yaml.YAMLError) as error:
        place = f"{source}: " if isinstance(source, str) else ""
        raise errors.ConfigError(
            group="vim", option="simulated_inventory", reason=f"{place}{error}"
        ) from error


def _checked(content: Any) -> dict[str, Entries]:
    for error in _CHECK.iter_errors(content):
        raise ValueError(f"{error.json_path.removeprefix('$.')}: {error.message}")
    hosts, instances = content.get("hosts", []), content.get("instances", [])
    scaling = content.get("scaling", [])
    _check_unique("hosts", "name", hosts)
    _check_unique("instances", "id", instances)
    _check_unique("scaling", "name", scaling)
    _check_places(hosts, instances)
    return {"hosts": hosts, "instances": instances, "scaling": scaling}


def _load(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, _LOADER)  # noqa: S506 - a safe loader


def _check_unique(kind: str, key: str, entries: Entries) -> None:
    seen: dict[str, int] = {}
    for at, each in enumerate(entries):
        first = seen.setdefault(each[key], at)
        if first != at:
            raise ValueError(
                f"{kind}[{at}].{key}: {each[key]} is also that of {kind}[{first}]"
            )


def _check_places(hosts: Entries, instances: Entries) -> None:
    """Refuse what the VIM itself would never have placed like that."""
    room = {each["name"]: each.get("capacity", CAPACITY) for each in hosts}
    taken: collections.Counter[str] = collections.Counter()
    members: dict[tuple[str, str], int] = {}
    for at, (host, group) in enumerate(_places(instances)):
        if host not in room:
            raise ValueError(f"instances[{at}].host: {host} is no host")
        taken[host] += 1
        if taken[host] > room[host]:
            raise ValueError(f"instances[{at}].host: {host} takes {room[host]} only")
        if group and members.setdefault((host, group), at) != at:
            other = members[host, group]
            raise ValueError(
                f"instances[{at}].group: {group} has instances[{other}] on {host} too"
            )


def _places(instances: Entries) -> Iterable[tuple[str, str]]:
    for each in instances:
        yield each["host"], each.get("group", "")
