"""What every program is plugged together from.

Each program has a module here whose ``build`` returns a :class:`Running`: its parts
are started in order and stopped in reverse.  It is called after the fork; ``check``
before it.  No program loads what only another one needs.
"""

import socket
from collections.abc import Callable
from typing import Any

from escalator import context
from escalator.bus import rpcapi
from escalator.cmd import record
from escalator.objects import base as objects_base
from escalator.objects import registry

STOP_S = 30.0


class Running:
    """Parts of one process, in the order of their start."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def start(self) -> None:
        """Start every part."""
        for part in self.parts:
            part.start()

    def stop(self) -> None:
        """Stop all, then wait for all: nothing new while the rest finishes."""
        for part in reversed(self.parts):
            part.stop()
        for part in reversed(self.parts):
            if hasattr(part, "wait"):
                part.wait(STOP_S)

    def reload(self) -> None:
        """Let every part that can take its changed options."""
        for part in self.parts:
            if hasattr(part, "reload"):
                part.reload()


class Closing:
    """Closes something after every other part has stopped."""

    def __init__(self, close: Callable[[], object]) -> None:
        self._close = close

    def start(self) -> None:
        """Do nothing: it was opened when it was made."""

    def stop(self) -> None:
        """Do nothing yet."""

    def wait(self, timeout_s: float) -> None:
        """Close it."""
        self._close()


def instance_of(conf: Any, worker: int) -> str:
    """Return what tells this process from its siblings on the broker."""
    return f"{host_of(conf)}-{conf.bus.instance}-{worker}"


def host_of(conf: Any) -> str:
    """Return the name of the host this process is responsible for."""
    return str(conf.agent.host or socket.gethostname())


def remote_objects(conf: Any) -> None:
    """Let this process's objects ask the conductor (RU-2)."""
    assert registry.CLASSES  # noqa: S101 - importing the module registers them
    objects_base.use_indirection(rpcapi.Indirection(conf))


def make_record(
    conf: Any, name: str, worker: int, measure: Callable[[], record.Figures] = dict
) -> record.Record:
    """Return what tells of this process, and what it measures (RU-3)."""
    return record.Record(
        context.service_context(name),
        f"escalator-{name}",
        host_of(conf),
        instance_of(conf, worker),
        measure,
    )
