"""What the operator of a node lets actions do there (section ``[agent]``).

A campaign names things; what they are is declared in files on the node.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import jsonschema
import yaml

from escalator import errors

ARGV: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1},
    "minItems": 1,
}
NAME = "^[A-Za-z0-9][A-Za-z0-9_.@:-]*$(?!\\n)"
"""A name of something declared: never an option, never a path."""


@dataclasses.dataclass(frozen=True, slots=True)
class Grants:
    """``resources["grants"]``; what is left empty is refused.

    :ivar services: file of the services that run without systemd.
    :ivar commands: file of the commands that ``command.run`` may run.
    :ivar databases: file of the profiles of ``database.*``.
    :ivar templates: directory of the templates of ``file.render``.
    :ivar playbooks: directory of the playbooks of ``playbook.run``.
    :ivar writable: directories below which actions may write files.
    :ivar reboot: program and arguments that ask the system to reboot.
    :ivar boot_id: file whose content differs after every boot.
    """

    services: str = ""
    commands: str = ""
    databases: str = ""
    templates: str = ""
    playbooks: str = ""
    writable: tuple[str, ...] = ()
    reboot: tuple[str, ...] = ("systemctl", "reboot")
    boot_id: str = "/proc/sys/kernel/random/boot_id"

    def check_writable(self, path: str) -> str:
        """Return the real path of a file that may be written.

        :raises ActionFailed: class ``permanent``.
        """
        real = os.path.realpath(path)
        for root in self.writable:
            if real.startswith(os.path.join(os.path.realpath(root), "")):
                return real
        raise errors.ActionFailed(
            f"{path} is not below a directory of [agent] writable_paths of this node."
        )


def of(resources: Mapping[str, Any]) -> Grants:
    """Return what this agent grants."""
    found: Grants = resources.get("grants") or Grants()
    return found


def declared(
    path: str, name: str, kind: str, schema: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return what the file at ``path`` declares under ``name``.

    Read anew each time, so that a changed file needs no restart.

    :param kind: what it is, and the option of ``[agent]`` that names the file.
    :raises ActionFailed: class ``permanent``: not declared, or not as ``schema``
        wants it.
    """
    entries = load(path, kind) if path else {}
    if name not in entries:
        known = ", ".join(sorted(map(str, entries))) or "none"
        raise errors.ActionFailed(
            f"{name!r} is not declared in [agent] {kind} of this node; known: {known}."
        )
    checker = jsonschema.Draft202012Validator(schema)
    problem = jsonschema.exceptions.best_match(checker.iter_errors(entries[name]))
    if problem is not None:
        raise errors.ActionFailed(
            f"{path}: {name}: {problem.json_path}: {problem.message}"
        )
    entry: Mapping[str, Any] = entries[name]
    return entry


def check(path: str, kind: str, schema: Mapping[str, Any]) -> None:
    """Look at every entry of a file of declarations; an empty path is fine.

    :raises ActionFailed: as :func:`declared`.
    """
    for name in load(path, kind) if path else ():
        declared(path, name, kind, schema)


def load(path: str, kind: str) -> Mapping[str, Any]:
    """Return the mapping that a file holds.

    :raises ActionFailed: class ``permanent``: it is unreadable or no mapping.
    """
    try:
        with open(path, encoding="utf-8") as source:
            content = yaml.safe_load(source)
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise errors.ActionFailed(f"[agent] {kind}: {path}: {error}") from error
    if not isinstance(content, dict):
        raise errors.ActionFailed(f"[agent] {kind}: {path} is no mapping.")
    return content
