"""The file that fills a new simulated VIM."""

from collections.abc import Mapping
from typing import Any

import yaml

from escalator import errors

_HOST_KEYS = {
    "name",
    "address",
    "role",
    "rack",
    "availability_zone",
    "tags",
    "groups",
    "capacity",
}
_INSTANCE_KEYS = {"id", "name", "project", "host", "group"}


def read(source: str | Mapping[str, Any] | None) -> dict[str, list[dict[str, Any]]]:
    """Return ``hosts`` and ``instances`` of a file or a mapping.

    :param source: path of a YAML file, or its content; None: empty.
    :raises ConfigError: the place and what is wrong there.
    """
    content = _load(source) if isinstance(source, str) else dict(source or {})
    hosts = [
        _entry(each, _HOST_KEYS, {"name"}, f"hosts[{at}]")
        for at, each in enumerate(content.get("hosts", []))
    ]
    instances = [
        _entry(each, _INSTANCE_KEYS, {"id", "project", "host"}, f"instances[{at}]")
        for at, each in enumerate(content.get("instances", []))
    ]
    known = {host["name"] for host in hosts}
    for at, each in enumerate(instances):
        if each["host"] not in known:
            raise _refusal(f"instances[{at}].host: {each['host']} is no host")
    return {"hosts": hosts, "instances": instances}


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        raise _refusal(str(error)) from error
    if not isinstance(content, dict):
        raise _refusal(f"{path}: hosts and instances are expected")
    return content


def _entry(entry: Any, known: set[str], needed: set[str], place: str) -> dict[str, Any]:
    if not isinstance(entry, dict) or set(entry) - known or needed - set(entry):
        raise _refusal(
            f"{place}: keys {sorted(needed)} are needed, {sorted(known)} are known"
        )
    return entry


def _refusal(reason: str) -> errors.ConfigError:
    return errors.ConfigError(group="vim", option="simulated_inventory", reason=reason)
