"""What the agent of a node can do, and how much room is left there (V-3)."""

import shutil
from collections.abc import Mapping
from typing import Any

from escalator.domain import reading

EVERY = 30
"""Beats from one telling to the next; what is not told stays known."""

_GIB = 2**30


class Abilities:
    """Tells the versions of actions, and the free space, with some of the beats.

    :param actions: installed classes of actions by name.
    :param checkpoints: the same of checkpoint drivers.
    :param path: on the file system whose space is told; empty: none.
    """

    def __init__(
        self, actions: Mapping[str, Any], checkpoints: Mapping[str, Any], path: str
    ) -> None:
        self._versions = {
            name: reading.version_of(
                kind.executor, kind.is_mutating, kind.params_schema
            )
            for name, kind in actions.items()
        } | {
            name: reading.version_of(
                kind.executor, False, {"type": "object"}, kind.covers
            )
            for name, kind in checkpoints.items()
        }
        self._path = path
        self._beats = 0

    def facts(self) -> dict[str, Any]:
        """Return what :meth:`tell` does, or nothing."""
        self._beats += 1
        return self.tell() if self._beats % EVERY == 1 else {}

    def tell(self) -> dict[str, Any]:
        """Return ``actions`` and ``disk_free_gib`` (whole GiB), as they are now."""
        told: dict[str, Any] = {"actions": dict(self._versions)}
        if self._path:
            told["disk_free_gib"] = shutil.disk_usage(self._path).free // _GIB
        return told
