"""The agent's side of ``bus.rpcapi.AgentAPI``."""

from collections.abc import Callable
from typing import Any

from escalator.agent import runner
from escalator.bus import server
from escalator.domain import commands


class Endpoint:
    """What the conductor orders of an agent; answered by facts.

    Version history: 1.0 run_step, probe_step, stop_step, release_steps.
    """

    target = server.endpoint_target("1.0")

    def __init__(
        self,
        steps: runner.Runner,
        release: Callable[[commands.ReleaseSteps], None],
        is_cut_off: Callable[[], bool],
    ) -> None:
        self._steps = steps
        self._release = release
        self._is_cut_off = is_cut_off

    def run_step(self, ctxt: Any, order: Any) -> None:
        """Take an order (``objects.order.StepOrder``)."""
        if not self._is_cut_off():
            self._steps.order(order.to_domain())

    def probe_step(self, ctxt: Any, probe: Any) -> None:
        """Answer a question (``objects.order.StepProbe``)."""
        if not self._is_cut_off():
            self._steps.probe(probe.to_domain())

    def release_steps(self, ctxt: Any, release: Any) -> None:
        """Forget what undoing would need (``objects.order.StepRelease``)."""
        if not self._is_cut_off():
            self._release(release.to_domain())

    def stop_step(self, ctxt: Any, stop: Any) -> None:
        """End the programs of an attempt (``objects.order.StepStop``)."""
        if not self._is_cut_off():
            self._steps.halt(stop.to_domain())
