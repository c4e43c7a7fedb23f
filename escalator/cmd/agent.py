"""escalator-agent: carries out the steps of one host."""

import functools
from typing import Any, NoReturn

from escalator import context
from escalator.agent import permits
from escalator.agent import service as agent_service
from escalator.bus import events as bus_events
from escalator.bus import heartbeat, server
from escalator.cmd import daemon, parts
from escalator.cmd import vim as vims
from escalator.drivers import base as drivers
from escalator.drivers import fleet, loader


def build(
    conf: Any,
    worker: int = 0,
    is_remote: bool = True,
    host: str = "",
    vim: drivers.Vim | None = None,
) -> parts.Running:
    """Return the agent of one host."""
    if is_remote:
        parts.remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    beats = heartbeat.BeatSender(conf)
    resources: dict[str, Any] = {"grants": permits.of(conf.agent)}
    if conf.agent.action_namespace.endswith(".simulated"):
        resources["fleet"] = fleet.fleet()
    if vim is not None or "vim" in conf.agent.capabilities:
        resources["vim"] = vim or vims.make(conf)
    name = host or parts.host_of(conf)
    measure = resources["vim"].figures if "vim" in resources else dict
    return parts.Running(
        parts.Closing(publisher.close),
        parts.Closing(beats.close),
        agent_service.AgentService(
            conf,
            name,
            publisher,
            beats,
            functools.partial(server.RpcServer, conf),
            resources,
            context.service_context("agent"),
        ),
        *([parts.make_record(conf, "agent", worker, measure)] if is_remote else []),
    )


def check(conf: Any) -> None:
    """Find what would stop the service, before anything is forked.

    :raises ConfigError: names the option.
    """
    for namespace in (conf.agent.action_namespace, conf.agent.collector_namespace):
        loader.load_classes(namespace)
    permits.check(conf.agent)


def main() -> NoReturn:
    """Run the service."""
    daemon.serve("agent", build, check)
