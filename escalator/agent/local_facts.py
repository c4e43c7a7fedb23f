"""Facts that programs of the node leave in files (O-0e).

A notify script of keepalived, say, keeps ``{"ha": {"active": true}}`` in one.
"""

import json
import logging
import os
import pathlib
from typing import Any

LOG = logging.getLogger(__name__)

MOST_BYTES = 16384
"""Of one file; a larger one is passed over: heartbeats are small."""


class LocalFacts:
    """Reads every ``*.json`` of a directory, a file again only after it changed.

    What cannot be read is passed over and logged once, until it changes.

    :param path: the directory; empty: there are no such facts.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: dict[str, tuple[tuple[int, int, int], dict[str, Any]]] = {}

    def facts(self) -> dict[str, Any]:
        """Return the facts of all files; of equal names the last file's counts."""
        found: dict[str, Any] = {}
        for name in self._names():
            found |= self._of(name)
        return found

    def _names(self) -> list[str]:
        if not self._path:
            return []
        try:
            names = os.listdir(self._path)
        except OSError:
            return []
        return sorted(each for each in names if each.endswith(".json"))

    def _of(self, name: str) -> dict[str, Any]:
        path = pathlib.Path(self._path, name)
        try:
            stat = path.stat()
        except OSError:
            return {}
        stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        known = self._known.get(name)
        if known is None or known[0] != stamp:
            known = (stamp, _read(path, stat.st_size))
            self._known[name] = known
        return known[1]


def _read(path: pathlib.Path, size: int) -> dict[str, Any]:
    try:
        if size > MOST_BYTES:
            raise ValueError(f"{size} bytes; at most {MOST_BYTES} are read")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("is no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        LOG.warning("No facts from %s: %s", path, error)
        return {}
    return content
