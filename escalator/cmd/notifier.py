"""escalator-notifier: tells the owners."""

from typing import Any, NoReturn

from escalator import context
from escalator.bus import events as bus_events
from escalator.cmd import daemon, parts, sinks
from escalator.notifier import service as notifier_service


def build(conf: Any, worker: int = 0, is_remote: bool = True) -> parts.Running:
    """Return the notifier."""
    if is_remote:
        parts.remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    return parts.Running(
        parts.Closing(publisher.close),
        notifier_service.NotifierService(
            conf,
            publisher,
            bus_events.EventListener,
            sinks.make(conf),
            context.service_context("notifier"),
        ),
        parts.make_record(conf, "notifier", worker),
    )


def check(conf: Any) -> None:
    """Find what would stop the service, before anything is forked.

    :raises ConfigError: names the option.
    """
    sinks.check(conf)


def main() -> NoReturn:
    """Run the service."""
    daemon.serve("notifier", build, check, is_prompt=True)
