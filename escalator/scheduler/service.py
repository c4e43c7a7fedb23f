"""The scheduler: is asked for times, and answers with ones that hold."""

import logging
import socket
from collections.abc import Callable
from typing import Any, Protocol

from oslo_config import cfg

from escalator.bus import server as bus_server
from escalator.drivers import base
from escalator.scheduler import booking

LOG = logging.getLogger(__name__)

TOPIC = "scheduler"


class Server(Protocol):
    """What is asked of ``bus.server.RpcServer``."""

    def start(self) -> Any: ...

    def stop(self) -> Any: ...

    def wait(self, timeout_s: float = ...) -> Any: ...


class Endpoint:
    """What the conductor and the API ask of the scheduler.

    Version history: 1.0 find_times.
    """

    target = bus_server.endpoint_target("1.0")

    def __init__(self, solver: base.Solver) -> None:
        self._solver = solver

    def find_times(self, ctxt: Any, request: dict[str, Any]) -> dict[str, Any]:
        """Return conflict-free times; nothing is booked (idempotent).

        :raises InvalidInput: the request breaks its schema.
        :raises NoSchedule: there are none, and why.
        """
        answer = booking.find_times(self._solver, request)
        LOG.info(
            "%d times found, the last ends at %s",
            len(answer["bookings"]),
            answer["end"],
        )
        return answer


class SchedulerService:
    """One RPC server; several schedulers share the topic, and its queue.

    :param server_factory: (topic, server name, endpoints) -> server.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        solver: base.Solver,
        server_factory: Callable[[str, str, list[Any]], Server],
    ) -> None:
        name = f"{socket.gethostname()}-{conf.bus.instance}"
        self._server = server_factory(TOPIC, name, [Endpoint(solver)])

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self) -> None:
        """Take no new questions."""
        self._server.stop()

    def wait(self, timeout_s: float = 30.0) -> None:
        """Let the questions under way be answered."""
        self._server.wait(timeout_s)
