"""Programs that the operator of a node declared, and nothing else."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jsonschema

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, grants, kit, programs

KIND = "allowed_commands"
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "pattern": grants.NAME},
        "arguments": {"type": "object"},
    },
    "required": ["command"],
    "additionalProperties": False,
}

ENTRY_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "argv": grants.ARGV,
        "arguments": {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["type"]},
        },
        "timeout": {"type": "number", "exclusiveMinimum": 0},
        "idempotence": {"enum": ["natural", "keyed", "probe", "never"]},
        "check": grants.ARGV,
        "undo": {"type": "string", "pattern": grants.NAME},
        "exit_codes": programs.CODES_SCHEMA,
    },
    "required": ["argv", "idempotence"],
    "if": {"properties": {"idempotence": {"const": "probe"}}},
    "then": {"required": ["check"]},
    "additionalProperties": False,
}
"""One entry of the file; ``check`` ends with 0 if the goal is reached."""


class _CommandAction(base.Action):
    progress = "programs"
    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]
        self._jobs: kit.Jobs = resources["jobs"]

    def _entry(self, name: str) -> Mapping[str, Any]:
        return grants.declared(self._grants.commands, name, KIND, ENTRY_SCHEMA)

    def _carry_out(self, order: commands.RunStep, name: str) -> dict[str, Any]:
        entry = self._entry(name)
        found = self._find(order, name, entry, "before")
        if found is not None:
            return found
        self._begin(order, name, entry)
        self._call(order, name, entry)
        if "check" in entry and not self._is_reached(order, entry, "after"):
            raise errors.ActionFailed(action=name, reason="its check still says no")
        return self._keep.once(order.record, "done", lambda: _result(name, True))

    def _find(
        self, order: commands.RunStep, name: str, entry: Mapping[str, Any], job: str
    ) -> dict[str, Any] | None:
        """Return the result if this step did it, or the check says so."""
        done = self._keep.find(order.record, "done")
        if done is None and "check" in entry and self._is_reached(order, entry, job):
            began = self._keep.find(order.record, "began")
            return _result(name, began is not None)
        return done

    def _begin(
        self, order: commands.RunStep, name: str, entry: Mapping[str, Any]
    ) -> None:
        """Refuse to repeat what may never be repeated."""
        mine = {"attempt": order.attempt}
        began = self._keep.once(order.record, "began", lambda: mine)
        if entry["idempotence"] == "never" and began != mine:
            raise errors.ActionFailed(
                action=name,
                reason=f"attempt {began['attempt']} began it, and it is declared"
                " never to be repeated",
            )

    def _call(
        self, order: commands.RunStep, name: str, entry: Mapping[str, Any]
    ) -> None:
        timeout_s = min(entry.get("timeout", order.timeout_s), order.timeout_s)
        argv = fill(name, entry, entry["argv"], order.params.get("arguments", {}))
        codes = entry.get("exit_codes", {})
        programs.call(self._jobs, order, "command", argv, timeout_s, codes)

    def _is_reached(
        self, order: commands.RunStep, entry: Mapping[str, Any], job: str
    ) -> bool:
        arguments = order.params.get("arguments", {})
        argv = fill(order.action, entry, entry["check"], arguments)
        result = self._jobs.run(order, f"check-{job}", argv, order.timeout_s)
        return result.returncode == 0


class Run(_CommandAction):
    """Runs a command of the node's file, once for each step."""

    idempotence = "keyed"
    undo = "command.undo"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Run it, unless its check says that there is nothing to do.

        :raises ActionFailed: as its exit status is declared; ``permanent`` if it
            is not allowed, or may not be repeated.
        """
        return self._carry_out(order, order.params["command"])

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if this step did it, or the check says so."""
        name = order.params["command"]
        return self._find(order, name, self._entry(name), "detect")


class Undo(_CommandAction):
    """Runs the command that the node declares as the undo of another."""

    idempotence = "keyed"
    undo = "none_needed"

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Undo, unless the command had nothing to do.

        :raises ActionFailed: ``permanent`` if no undo is declared.
        """
        if _was_idle(order):
            return _result(order.params["command"], False)
        return self._carry_out(order, self._name(order))

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if it is undone."""
        if _was_idle(order):
            return _result(order.params["command"], False)
        name = self._name(order)
        return self._find(order, name, self._entry(name), "detect")

    def _name(self, order: commands.RunStep) -> str:
        name = order.params["command"]
        undo = self._entry(name).get("undo")
        if not undo:
            raise errors.ActionFailed(f"{name} has no undo in [agent] {KIND}.")
        return str(undo)


def fill(
    name: str,
    entry: Mapping[str, Any],
    argv: Sequence[str],
    arguments: Mapping[str, Any],
) -> list[str]:
    """Return ``argv`` with its placeholders filled in (pure).

    A value fills a part of one argument and never becomes two; it cannot become
    an option where it is a whole argument.

    :raises ActionFailed: class ``permanent``: a value is missing, unknown, or not
        as its declaration wants it; the value is not told.
    """
    declared = entry.get("arguments", {})
    schema = {
        "properties": declared,
        "required": sorted(declared),
        "additionalProperties": False,
    }
    for problem in jsonschema.Draft202012Validator(schema).iter_errors(arguments):
        where = problem.json_path if problem.path else "$"
        reason = f"argument {where} is not as {problem.validator} wants it"
        raise errors.ActionFailed(action=name, reason=reason)

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in arguments:
            reason = f"{{{match[1]}}} is no declared argument"
            raise errors.ActionFailed(action=name, reason=reason)
        return str(arguments[match[1]])

    filled = [_PLACE.sub(value_of, item) for item in argv]
    for item, text in zip(argv, filled, strict=True):
        is_option = text.startswith("-") and not item.startswith("-")
        if is_option or "\0" in text:
            raise errors.ActionFailed(action=name, reason=f"a bad value for {item}")
    return filled


def _was_idle(order: commands.RunStep) -> bool:
    return order.undo.get("result", {}).get("is_changed") is False


def _result(name: str, is_changed: bool) -> dict[str, Any]:
    return {"command": name, "is_changed": is_changed}
