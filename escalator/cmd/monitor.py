"""escalator-monitor: the detector of faults."""

from typing import Any, NoReturn

from escalator import context
from escalator.bus import events as bus_events
from escalator.bus import heartbeat, rpcapi, server
from escalator.cmd import daemon, parts
from escalator.drivers import loader
from escalator.monitor import company
from escalator.monitor import service as monitor_service


def build(
    conf: Any, worker: int = 0, is_remote: bool = True, in_process: bool = False
) -> parts.Running:
    """Return the detector."""
    if is_remote:
        parts.remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    beats = heartbeat.BeatSender(conf)
    name, look = parts.instance_of(conf, worker), rpcapi.MonitorAPI(conf).look
    made = monitor_service.MonitorService(
        conf,
        publisher,
        lambda handle: heartbeat.BeatListener(conf, handle),
        context.service_context("monitor"),
        in_process,
        None if in_process else company.make(conf.monitor, name, beats.send, look),
    )
    return parts.Running(
        parts.Closing(publisher.close),
        parts.Closing(beats.close),
        made,
        server.RpcServer(conf, rpcapi.MONITOR, name, [made.endpoint()]),
        parts.make_record(conf, "monitor", worker, made.figures),
    )


def check(conf: Any) -> None:
    """Find what would stop the service, before anything is forked.

    :raises ConfigError: names the option.
    """
    for probe in conf.monitor.probes:
        loader.load_class("escalator.probe", probe)


def main() -> NoReturn:
    """Run the service."""
    daemon.serve("monitor", build, check, is_prompt=True)
