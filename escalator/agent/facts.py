"""What the heartbeat tells of the node: versions of watched packages."""

import os
from collections.abc import Callable, Sequence
from typing import Any

DPKG_STATUS = "/var/lib/dpkg/status"

Reader = Callable[[Sequence[str]], dict[str, str]]


class PackageFacts:
    """Reads versions again only after the package database was written.

    :param names: watched packages; none: nothing is ever read.
    :param read: returns installed versions by name; may raise OSError.
    :param status_path: file that every change of a package replaces; empty: read
        every time.
    """

    def __init__(
        self, names: Sequence[str], read: Reader, status_path: str = DPKG_STATUS
    ) -> None:
        self._names = tuple(names)
        self._read = read
        self._status_path = status_path
        self._seen: tuple[int, int] | None = None
        self._versions: dict[str, str] = {}

    def facts(self) -> dict[str, Any]:
        """Return ``{"package": {name: version}}``, or nothing if none is watched."""
        if not self._names:
            return {}
        try:
            seen = self._stamp()
            if seen is None or seen != self._seen:
                self._versions = self._read(self._names)
                self._seen = seen
        except OSError:
            self._seen = None
        return {"package": dict(self._versions)}

    def _stamp(self) -> tuple[int, int] | None:
        if not self._status_path:
            return None
        status = os.stat(self._status_path)
        return status.st_mtime_ns, status.st_ino
