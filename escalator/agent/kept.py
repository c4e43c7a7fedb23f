"""What a step found on the node before it acted, for its undo.

One JSON file for each (record, name), written once: a later attempt, also of a
restarted agent, reads what the first one found.  A step that was undone and runs
again has another record (``RunStep.record``).  Implements ``drivers.kit.Keep``.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection
from typing import Any

from escalator import errors
from escalator.agent import job_wrapper

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}", re.ASCII)


class Kept:
    """The records of one agent, below ``root``; readable by its user only."""

    def __init__(self, root: str) -> None:
        self.root = root
        os.makedirs(root, mode=0o700, exist_ok=True)

    def once(
        self, record: str, name: str, make: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the record; ``make`` it durably if there is none."""
        found = self.find(record, name)
        if found is not None:
            return found
        directory = os.path.dirname(self._path(record, name))
        content = make()
        os.makedirs(directory, mode=0o700, exist_ok=True)
        job_wrapper.sync_directory(self.root)
        job_wrapper.write_whole(directory, name, content)
        return content

    def find(self, record: str, name: str) -> dict[str, Any] | None:
        """Return the record, or None."""
        with contextlib.suppress(FileNotFoundError):
            with open(self._path(record, name), encoding="utf-8") as source:
                content: dict[str, Any] = json.load(source)
            return content
        return None

    def directory(self, record: str, name: str) -> str:
        """Return a directory of the step's own; make it if there is none."""
        path = self._path(record, name)
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def forget_all_but(self, step_ids: Collection[str]) -> None:
        """Remove the records of all other steps."""
        for record in os.listdir(self.root):
            if record.partition(".")[0] not in step_ids:
                shutil.rmtree(os.path.join(self.root, record), ignore_errors=True)

    def forget(self, step_ids: Collection[str]) -> None:
        """Remove the records of these steps; what a crash leaves goes at the start."""
        for record in os.listdir(self.root):
            if record.partition(".")[0] in step_ids:
                shutil.rmtree(os.path.join(self.root, record), ignore_errors=True)

    def _path(self, record: str, name: str) -> str:
        for part in (record, name):
            if not _SAFE_NAME.fullmatch(part):
                raise errors.ActionFailed(f"{part!r} cannot name a record")
        return os.path.join(self.root, record, name)
