"""Takes what the conductor's outbox holds to the bus."""

from collections.abc import Callable
from typing import Any

from escalator import context
from escalator.bus import events as bus_events
from escalator.bus import rpcapi
from escalator.objects import base


class Courier:
    """Casts orders to agents and publishes facts."""

    def __init__(self, conf: Any, publisher: bus_events.EventPublisher) -> None:
        agents = rpcapi.AgentAPI(conf)
        self._casts: dict[str, Callable[..., None]] = {
            "run": agents.run_step,
            "probe": agents.probe_step,
            "release": agents.release_steps,
            "stop": agents.stop_step,
        }
        self._publisher = publisher
        self._context = context.service_context("conductor")

    def deliver(self, message: dict[str, Any]) -> None:
        """Send one message; raises a retryable EscalatorError if it cannot."""
        made: Any = base.EscalatorObject.obj_from_primitive(message["payload"])
        if cast := self._casts.get(message["kind"]):
            cast(self._context, message["target"], made)
        else:
            self._publisher.publish(made.to_domain())
