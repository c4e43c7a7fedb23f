"""The conductor's threads that nobody calls: ticks, leases, inventory."""

import logging
import threading
from collections.abc import Callable

from escalator.conductor import execution, inventory, leases, outbox

LOG = logging.getLogger(__name__)

BREATH_S = 0.01
"""Shortest pause between two looks: another conductor may be at it."""


class Clockwork:
    """The threads that nobody calls: ticks, leases, heartbeats, inventory."""

    def __init__(
        self,
        looked: execution.Execution,
        leased: leases.Leases,
        stock: inventory.Inventory,
        sender: outbox.Outbox,
        tick_s: float,
        inventory_interval_s: float,
    ) -> None:
        self.looked = looked
        self.leased = leased
        self.stock = stock
        self.sender = sender
        self.tick_s = tick_s
        self.inventory_interval_s = inventory_interval_s
        self._left_s = 0.0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def wake(self) -> None:
        """Look at the campaigns now rather than at the next tick."""
        self._wake.set()

    def start(self) -> None:
        """Begin; each thread survives any failure of a single round."""
        self.sender.start()
        rounds: list[tuple[str, Callable[[], object], Callable[[], None]]] = [
            ("tick", self._look, self._await_turn),
            ("leases", self.leased.sweep, lambda: self._pause(self.tick_s)),
            ("beats", self.stock.flush, lambda: self._pause(self.tick_s)),
            (
                "inventory",
                self.stock.sync,
                lambda: self._pause(self.inventory_interval_s),
            ),
        ]
        for name, work, pause in rounds:
            thread = threading.Thread(
                target=self._loop, args=(name, work, pause), name=name, daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End every thread after its present round."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self.sender.stop()

    def _look(self) -> None:
        # What it stays at if the look fails.
        self._left_s = self.tick_s
        self._left_s = self.looked.look_in_turn()

    def _await_turn(self) -> None:
        self._stop.wait(max(BREATH_S, min(self._left_s, self.tick_s)))
        if not self._left_s:
            self._wake.wait(self.tick_s)
        self._wake.clear()

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _loop(
        self, name: str, work: Callable[[], object], pause: Callable[[], None]
    ) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception:
                LOG.exception("A round of %s failed; the next one follows", name)
            pause()
