"""The probe loop as a thread, for one process that holds everything."""

import queue
import threading
from collections.abc import Callable

from oslo_log import log as logging

from escalator.domain import fault
from escalator.drivers import base
from escalator.monitor import report, rounds

LOG = logging.getLogger(__name__)


class ProbeThread:
    """Runs the same loop as ``monitor.process``, without its guarantees."""

    def __init__(
        self,
        probe: base.Probe,
        law: fault.Law,
        read_order: Callable[[], rounds.Order],
        outlet: report.Outlet,
    ) -> None:
        self.probe = probe
        self._read_order = read_order
        self._orders: queue.SimpleQueue[rounds.Order | None] = queue.SimpleQueue()
        self._rounds = rounds.Rounds(probe, law, self._next_order, outlet)
        self._thread = threading.Thread(
            target=self._run, name="monitor-probing", daemon=True
        )

    def start(self) -> None:
        """Start probing."""
        self.refresh()
        self._thread.start()

    def refresh(self) -> None:
        """Ask for the order and hand it to the loop."""
        self._orders.put(self._read_order())

    def stop(self) -> None:
        """End the loop; its last reports are taken."""
        self._orders.put(None)
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            self._rounds.run()
        except Exception:
            LOG.exception("The probe loop failed")

    def _next_order(self) -> rounds.Order | None:
        try:
            order = self._orders.get_nowait()
        except queue.Empty:
            return None
        if order is None:
            raise EOFError
        return order
