"""A service's database: expanded, migrated online, contracted, or shrunk again.

The programs are the service's own, declared as a profile on the node
(``[agent] database_profiles``).  Expand while old code runs; migrate rows in
batches while both run; contract once no old code is left.  Contracting is the
point of no return (O-3): until then the schema can be shrunk to what it was.
"""

import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from escalator import errors
from escalator.domain import commands
from escalator.drivers import base, grants, kit, programs

KIND = "database_profiles"
BATCH = 50
IDLE_BATCHES = 3
"""So many batches without a row mean that the migration is stuck."""

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "profile": {"type": "string", "pattern": grants.NAME},
        "batch": {"type": "integer", "minimum": 1},
    },
    "required": ["profile"],
    "additionalProperties": False,
}

_PHASE: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "argv": grants.ARGV,
        "check": grants.ARGV,
        "exit_codes": programs.CODES_SCHEMA,
        "batch": {"type": "integer", "minimum": 1},
        "rows": {"type": "string", "format": "regex"},
    },
    "required": ["argv"],
    "additionalProperties": False,
}

PROFILE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        name: _PHASE for name in ("expand", "migrate", "contract", "shrink", "verify")
    },
    "additionalProperties": False,
}
"""``check`` ends with 0 if its phase has nothing left to do; ``{batch}`` in
``argv`` is the number of rows; the first group of ``rows`` finds in the output
how many were moved."""


class _PhaseAction(base.Action):
    """Does one phase, once for each step."""

    progress = "programs"
    params_schema: ClassVar[Mapping[str, Any]] = SCHEMA
    idempotence = "natural"
    phase: ClassVar[str]

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self._grants = grants.of(resources)
        self._keep: kit.Keep = resources["keep"]
        self._jobs: kit.Jobs = resources["jobs"]
        self._tell: kit.Progress = resources.get("progress", lambda *_: None)

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Do what is left of the phase.

        :raises ActionFailed: as the profile declares; ``permanent`` if the check
            still finds something to do afterwards.
        """
        found = self._find(order, "before")
        if found is not None:
            return found
        result = self._act(order, self._entry(order, self.phase))
        if self._is_reached(order, self.phase, "after") is False:
            raise errors.ActionFailed(
                action=order.action, reason="its check still finds work to do"
            )
        return self._keep.once(order.record, "done", lambda: result)

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return the result if this step did it, or the check says so."""
        return self._find(order, "detect")

    def _act(self, order: commands.RunStep, entry: Mapping[str, Any]) -> dict[str, Any]:
        codes = entry.get("exit_codes", {})
        argv = entry["argv"]
        programs.call(self._jobs, order, self.phase, argv, order.timeout_s, codes)
        return self._result(order, True)

    def _find(self, order: commands.RunStep, job: str) -> dict[str, Any] | None:
        done = self._keep.find(order.record, "done")
        if done is None and self._is_reached(order, self.phase, job):
            return self._result(order, False)
        return done

    def _is_reached(self, order: commands.RunStep, phase: str, job: str) -> bool | None:
        """Ask the check of a phase; None if it has none."""
        entry = self._entry(order, phase)
        if "check" not in entry:
            return None
        name = f"check-{phase}-{job}"
        answer = self._jobs.run(order, name, entry["check"], order.timeout_s)
        return answer.returncode == 0

    def _entry(self, order: commands.RunStep, phase: str) -> Mapping[str, Any]:
        profile = self._profile(order)
        if phase not in profile:
            name = order.params["profile"]
            raise errors.ActionFailed(f"Profile {name} of [agent] {KIND}: no {phase}.")
        entry: Mapping[str, Any] = profile[phase]
        return entry

    def _profile(self, order: commands.RunStep) -> Mapping[str, Any]:
        name = order.params["profile"]
        return grants.declared(self._grants.databases, name, KIND, PROFILE_SCHEMA)

    def _result(self, order: commands.RunStep, is_changed: bool) -> dict[str, Any]:
        return {"profile": order.params["profile"], "is_changed": is_changed}


class Expand(_PhaseAction):
    """Adds what the new release needs; the old one goes on working."""

    phase = "expand"
    undo = "none_needed"


class Migrate(_PhaseAction):
    """Moves rows, ``batch`` at a time, until the program says that all are moved.

    Each batch is a job: a restarted agent goes on after the last one.
    """

    phase = "migrate"
    undo = "none_needed"

    def _act(self, order: commands.RunStep, entry: Mapping[str, Any]) -> dict[str, Any]:
        end = time.monotonic() + order.timeout_s
        size = order.params.get("batch") or entry.get("batch", BATCH)
        argv = [item.replace("{batch}", str(size)) for item in entry["argv"]]
        codes = entry.get("exit_codes", {})
        meaning, batches, rows, idle = "more", 0, 0, 0
        while meaning == "more":
            left_s = end - time.monotonic()
            if left_s <= 0:
                reason = f"rows are left after {batches} batches"
                raise errors.ActionFailed(
                    action=order.action, reason=reason, failure_class="timeout"
                )
            batches += 1
            job = f"batch-{batches:06d}"
            meaning, output = programs.call(self._jobs, order, job, argv, left_s, codes)
            moved = _rows(entry, output)
            rows += moved or 0
            idle = idle + 1 if moved == 0 else 0
            self._tell(
                order.step_id, {"done": batches, "unit": "batches", "rows": rows}
            )
            if meaning == "more" and idle >= IDLE_BATCHES:
                reason = f"{idle} batches moved no row: {output[-500:]}"
                raise errors.ActionFailed(action=order.action, reason=reason)
        return {**self._result(order, True), "batches": batches, "rows": rows}

    def _result(self, order: commands.RunStep, is_changed: bool) -> dict[str, Any]:
        return {**super()._result(order, is_changed), "batches": 0, "rows": 0}


class Contract(_PhaseAction):
    """Removes what only the old release needs; refused while rows are left.

    There is no way back but the database's own checkpoint, so that the campaign
    has to say what its undo is.
    """

    phase = "contract"

    def _act(self, order: commands.RunStep, entry: Mapping[str, Any]) -> dict[str, Any]:
        if self._is_reached(order, "migrate", "first") is False:
            raise errors.ActionFailed(
                action=order.action, reason="rows are not migrated yet"
            )
        return super()._act(order, entry)


class Shrink(_PhaseAction):
    """Takes away what expand added, once no new code is left; undo of expand.

    Refused once the schema is contracted: the old release's data are gone then,
    and only the database's own checkpoint brings them back.
    """

    phase = "shrink"
    undo = "database.expand"

    def _act(self, order: commands.RunStep, entry: Mapping[str, Any]) -> dict[str, Any]:
        profile = self._profile(order)
        has_check = "check" in profile.get("contract", {})
        if has_check and self._is_reached(order, "contract", "first"):
            reason = "the schema is contracted: restore the database's checkpoint"
            raise errors.ActionFailed(action=order.action, reason=reason)
        return super()._act(order, entry)


class Verify(_PhaseAction):
    """Asks the service's own upgrade check."""

    phase = "verify"
    is_mutating = False
    idempotence = ""

    def run(self, order: commands.RunStep) -> dict[str, Any]:
        """Return what it printed.

        :raises ActionFailed: class ``verification``.
        """
        entry = self._entry(order, self.phase)
        answer = self._jobs.run(order, self.phase, entry["argv"], order.timeout_s)
        if answer.returncode not in entry.get("exit_codes", {}).get("done", (0,)):
            raise errors.ActionFailed(
                action=order.action,
                reason=f"exit status {answer.returncode}: {answer.output[-500:]}",
                failure_class="verification",
            )
        output = answer.output[-programs.OUTPUT_LIMIT :]
        return {**self._result(order, False), "output": output}

    def detect(self, order: commands.RunStep) -> dict[str, Any] | None:
        """Return None: there is nothing to be reached."""
        return None


def _rows(entry: Mapping[str, Any], output: str) -> int | None:
    """Return how many rows a batch moved, None if nobody can tell."""
    if "rows" not in entry:
        return None
    found = re.findall(entry["rows"], output)
    try:
        return sum(int(each) for each in found)
    except (TypeError, ValueError):
        return None
