"""A node in no campaign, whose faults must not be lost either."""

from concurrent import futures
from typing import Any

from tests.scenario.stage import SPARE, TROUBLE, Stage, wait_for


class Spare:
    """Cuts the spare node's cable; mends it once the fault is kept.

    The mending waits in a thread: the campaign must not run out meanwhile.
    """

    def __init__(self, stage: Stage) -> None:
        self.cuts = 0
        self._node = stage.bed.node(SPARE)
        self._stage = stage
        self._pool = futures.ThreadPoolExecutor(1)
        self._mending: futures.Future[None] | None = None

    def cut(self) -> None:
        """Pull the cable."""
        self.cuts += 1
        self._node.link_down()

    def begin_mending(self) -> None:
        """Plug the cable in once the fault is kept, and see it cleared."""
        self._mending = self._pool.submit(self._mend)

    def wait_mended(self) -> None:
        """Wait for the mending under way, if there is one.

        :raises AssertionError: the fault was lost, or never cleared.
        """
        if self._mending is not None:
            self._mending.result()

    def faults(self) -> list[dict[str, Any]]:
        """Return the node's faults; none while nobody can tell."""
        try:
            return self._stage.faults(SPARE)
        except TROUBLE:
            return []

    def _mend(self) -> None:
        wait_for("the fault is kept", lambda: len(self.faults()) >= self.cuts, 60)
        self._node.link_up()
        wait_for("the fault is cleared", self._is_all_clear, 60)

    def _is_all_clear(self) -> bool:
        found = self.faults()
        return found != [] and all(fault["state"] == "cleared" for fault in found)
