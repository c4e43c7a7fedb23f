"""How far long actions have come, until they are over."""

import threading
from typing import Any


class Board:
    """The newest progress by step id; any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}

    def tell(self, step_id: str, progress: dict[str, Any]) -> None:
        """Replace what is known (``drivers.kit.Progress``)."""
        with self._lock:
            self._known[step_id] = progress

    def of(self, step_id: str) -> dict[str, Any]:
        """Return ``{"progress": {...}}``, or nothing."""
        with self._lock:
            known = self._known.get(step_id)
        return {} if known is None else {"progress": known}

    def forget(self, step_id: str) -> None:
        """Drop a step that is over."""
        with self._lock:
            self._known.pop(step_id, None)
