"""Judges by the journal whether an undo went backwards (R-2)."""

from typing import Any

from tests.scenario.stage import pair_of


class UndoOrder:
    """Reads a journal line by line and judges the order of the undo."""

    def __init__(self) -> None:
        self.undone: list[str] = []
        self.broken: list[str] = []
        self._is_rolling_back = False
        self._last: dict[str, int] = {}
        self._in_flight: set[str] = set()
        self._reverting: set[str] = set()

    def read(self, line: dict[str, Any]) -> None:
        if line["object_type"] == "campaign" and line["to_state"] == "rolling_back":
            self._is_rolling_back = True
        elif line["object_type"] == "slot":
            self._read_slot(line["host"], line["to_state"])
        elif line["object_type"] == "step" and line["intent"] == "run":
            self._read_step(line)

    def _read_step(self, line: dict[str, Any]) -> None:
        if line["to_state"] in ("dispatched", "running", "verifying"):
            self._in_flight.add(line["host"])
        else:
            self._in_flight.discard(line["host"])
        if line["to_state"] in ("dispatched", "running", "verifying", "done", "failed"):
            self._last[line["host"]] = line["seq"]

    def _read_slot(self, host: str, to_state: str) -> None:
        if to_state == "reverting":
            self._begin(host)
        elif to_state == "reverted":
            self._reverting.discard(host)

    def _begin(self, host: str) -> None:
        """The latest of those that are free to go must be the one."""
        pairs = {pair_of(each) for each in self._reverting}
        free = [
            each
            for each in self._last
            if each not in self.undone
            and each not in self._in_flight
            and pair_of(each) not in pairs
        ]
        latest = max(free, key=lambda each: self._last[each], default="")
        if latest != host:
            self.broken.append(f"{host} before {latest}")
        self.undone.append(host)
        self._reverting.add(host)
