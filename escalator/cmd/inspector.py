"""escalator-inspector: who is affected by a fault; marks hosts down."""

import functools
from typing import Any, NoReturn

from escalator import context
from escalator.bus import events as bus_events
from escalator.cmd import daemon, parts
from escalator.cmd import vim as vims
from escalator.inspector import service as inspector_service


def build(conf: Any, worker: int = 0, is_remote: bool = True) -> parts.Running:
    """Return the inspector."""
    if is_remote:
        parts.remote_objects(conf)
    vim = vims.make(conf)
    publisher = bus_events.EventPublisher(conf)
    return parts.Running(
        parts.Closing(publisher.close),
        inspector_service.InspectorService(
            conf,
            vim,
            publisher,
            functools.partial(bus_events.EventListener, conf),
            context.service_context("inspector"),
        ),
        parts.make_record(conf, "inspector", worker, vim.figures),
    )


def check(conf: Any) -> None:
    """Find what would stop the service, before anything is forked.

    :raises ConfigError: names the option.
    """
    vims.check(conf)


def main() -> NoReturn:
    """Run the service."""
    daemon.serve("inspector", build, check, is_prompt=True)
