"""Attempts whose programs are ended before their time, and why.

The mark is durable before a program is signalled: an agent that is killed in
between ends what is left when it comes back, and reports the same.
"""

import dataclasses
import json
import os
import re
from collections.abc import Hashable
from typing import Protocol

from escalator.agent import job_wrapper
from escalator.domain import commands

STOPPED = "stopped"
"""Ended on demand: the attempt is neither done nor failed."""

HUNG = "hung"

MARK = re.compile(r"[0-9]+\.ending", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class Ending:
    """:ivar kind: ``stopped`` or ``hung``."""

    kind: str
    reason: str


class Programs(Protocol):
    """What a runner needs of the programs of an attempt (``agent.jobs``)."""

    def end(self, order: commands.RunStep, ending: Ending) -> bool:
        """Let no program of the attempt go on or begin; False if none runs."""

    def ending(self, order: commands.RunStep) -> Ending | None:
        """Return why the attempt was ended, if it was."""

    def sign(self, order: commands.RunStep) -> Hashable:
        """Return what differs once the attempt's programs made progress."""


class NoPrograms:
    """For agents whose actions start none."""

    def end(self, order: commands.RunStep, ending: Ending) -> bool:
        """Return False: none runs."""
        return False

    def ending(self, order: commands.RunStep) -> Ending | None:
        """Return None: nothing was ended."""
        return None

    def sign(self, order: commands.RunStep) -> Hashable:
        """Return always the same."""
        return ()


def write(parent: str, attempt: int, ending: Ending) -> None:
    """Mark an attempt durably; the first mark of it stands."""
    if read(parent, attempt) is None:
        os.makedirs(parent, mode=0o700, exist_ok=True)
        name = f"{attempt}.ending"
        job_wrapper.write_whole(parent, name, dataclasses.asdict(ending))


def read(parent: str, attempt: int) -> Ending | None:
    """Return the mark of an attempt, or None."""
    path = os.path.join(parent, f"{attempt}.ending")
    try:
        with open(path, encoding="utf-8") as source:
            return Ending(**json.load(source))
    except FileNotFoundError:
        return None
