"""What an action is handed to work with (``resources``)."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from escalator.domain import commands


class Jobs(Protocol):
    """Runs programs so that they outlive the agent (``agent.jobs``)."""

    def run(
        self, order: commands.RunStep, name: str, argv: Sequence[str], timeout_s: float
    ) -> "JobResult":
        """Run ``argv`` once per (step, attempt, name), or collect that run.

        A second call with the same key, also by a restarted agent, waits for
        the running program or returns its recorded result: never runs it
        again.

        :raises ActionFailed: ``timeout`` class if it does not end in time.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class JobResult:
    returncode: int
    output: str


class Keep(Protocol):
    """Remembers on the node what a step found there (``agent.kept``).

    ``record`` is ``RunStep.record``: one for all attempts.
    """

    def once(
        self, record: str, name: str, make: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the record of (record, name); make it durably if there is none."""

    def find(self, record: str, name: str) -> dict[str, Any] | None:
        """Return the record, or None."""

    def directory(self, record: str, name: str) -> str:
        """Return a directory that goes when its step is forgotten."""


Progress = Callable[[str, dict[str, Any]], None]
"""Told (step id, ``{"done": 3, "total": 10, "unit": "batches"}``) by a long action;
``total`` is left out if it is not known.  ``resources["progress"]``."""
