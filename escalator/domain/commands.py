"""Every order the core can give, one frozen dataclass each."""

import dataclasses
from typing import Any

ASK = "ask"
"""Kind and intent of a preflight's question; ``params``: ``{"deeds": [{"action": ...,
"with": {...}}]}``.  Answered by ``{"facts": {...}, "obstacles": [text, ...]}``; the
VIM's agents have no facts."""

REMEDY = "remedy"
"""Intent of a preflight's order to mend what it found; nothing undoes it."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunStep:
    """Order one agent to carry out one attempt of one step.

    :ivar executor: ``node`` (the agent on ``host``) or ``vim`` (any agent
        with access to the VIM).
    :ivar kind: ``action``, ``verify``, ``checkpoint`` or :data:`ASK`.
    :ivar intent: ``run``, ``revert`` (an undo), ``restore`` (a checkpoint is put
        back), ``evacuate``, :data:`ASK` or :data:`REMEDY`.
    :ivar is_resumed: an earlier attempt may have acted: detect before acting
        if ``idempotence`` is ``probe``.
    :ivar undo: for reverts, ``{"record": ..., "result": ..., "checkpoint": ...}``
        of the step that is undone; for a restore ``{"checkpoint": {id: content}}``;
        else empty.
    :ivar deadline_at: epoch seconds of the database's clock.
    :ivar rerun: how often the target was undone and begun anew before.
    :ivar progress_s: without any progress for so long it hangs; 0: no limit.
    """

    step_id: str
    campaign_id: str
    host: str
    executor: str
    kind: str
    intent: str
    action: str
    params: dict[str, Any]
    attempt: int
    fence: int
    idempotence: str
    is_resumed: bool
    timeout_s: float
    deadline_at: float
    undo: dict[str, Any]
    rerun: int = 0
    progress_s: float = 0.0

    @property
    def record(self) -> str:
        """Return what the node's own records of this step are kept under.

        All attempts share them; a step that was undone and runs again has its own.
        """
        return record_of(self.step_id, self.rerun)


def record_of(step_id: str, rerun: int) -> str:
    """Return :attr:`RunStep.record` of a step."""
    return f"{step_id}.{rerun}"


@dataclasses.dataclass(frozen=True, slots=True)
class ProbeStep:
    """Ask an agent's journal what became of an attempt."""

    step_id: str
    campaign_id: str
    host: str
    executor: str
    attempt: int
    fence: int


@dataclasses.dataclass(frozen=True, slots=True)
class ReleaseSteps:
    """Tell an agent that these steps will never be undone any more.

    :ivar fences: step id -> the highest fence it was ordered with; a step that
        the agent knows with a higher one is kept.
    """

    campaign_id: str
    host: str
    executor: str
    fences: dict[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class StopStep:
    """End the programs of an attempt that is under way; it reports ``stopped``."""

    step_id: str
    campaign_id: str
    host: str
    executor: str
    attempt: int
    fence: int
    reason: str


Command = RunStep | ProbeStep | StopStep | ReleaseSteps
