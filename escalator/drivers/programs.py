"""What the exit status of a declared program means."""

from collections.abc import Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.domain import commands
from escalator.drivers import kit

OUTPUT_LIMIT = 2000

CODES: Mapping[str, Any] = {"type": "array", "items": {"type": "integer"}}

CODES_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"done": CODES, "more": CODES, "transient": CODES},
    "additionalProperties": False,
}
"""Exit status by meaning; ``done`` is 0 unless said otherwise, all else failed."""


def call(
    jobs: kit.Jobs,
    order: commands.RunStep,
    job: str,
    argv: Sequence[str],
    timeout_s: float,
    codes: Mapping[str, Sequence[int]],
) -> tuple[str, str]:
    """Run a program as a job; return ``done`` or ``more``, and its output.

    :raises ActionFailed: ``transient`` or ``permanent`` as declared; ``timeout``.
    """
    result = jobs.run(order, job, argv, timeout_s)
    for meaning in ("done", "more"):
        if result.returncode in codes.get(meaning, (0,) if meaning == "done" else ()):
            return meaning, result.output
    is_transient = result.returncode in codes.get("transient", ())
    raise errors.ActionFailed(
        action=f"{order.action} ({job})",
        reason=f"exit status {result.returncode}: {result.output[-OUTPUT_LIMIT:]}",
        failure_class="transient" if is_transient else "permanent",
    )
