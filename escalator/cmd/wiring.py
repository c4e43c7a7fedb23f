"""The one place where real parts are plugged together.

Every function returns a :class:`Running` whose parts are started in order and
stopped in reverse.  They are called after the fork.
"""

import logging
import socket
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from escalator import context, errors
from escalator.agent import permits
from escalator.agent import service as agent_service
from escalator.api import app as api_app
from escalator.api import server as api_server
from escalator.bus import events as bus_events
from escalator.bus import heartbeat, rpcapi, server, transport
from escalator.cmd import courier, record, sinks
from escalator.cmd import vim as vims
from escalator.conductor import (
    alarms,
    clockwork,
    execution,
    explaining,
    faults,
    hosts,
    indirection,
    inventory,
    leases,
    outbox,
    planning,
    results,
    steering,
)
from escalator.conductor import engine as engines
from escalator.conductor import service as conductor_service
from escalator.db import session, store
from escalator.domain import reading
from escalator.drivers import base as drivers
from escalator.drivers import fleet, loader
from escalator.drivers.vim import supplement
from escalator.inspector import service as inspector_service
from escalator.monitor import company
from escalator.monitor import service as monitor_service
from escalator.notifier import service as notifier_service
from escalator.objects import base as objects_base
from escalator.objects import registry
from escalator.scheduler import service as scheduler_service

LOG = logging.getLogger(__name__)

STOP_S = 30.0


class Part(Protocol):
    def start(self) -> Any: ...

    def stop(self) -> Any: ...


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


def _remote_objects(conf: Any) -> None:
    """Let this process's objects ask the conductor (RU-2)."""
    assert registry.CLASSES  # noqa: S101 - importing the module registers them
    objects_base.use_indirection(rpcapi.Indirection(conf))


def _listener(
    conf: Any,
    pool: str,
    handlers: Any,
    max_batch: int = 1,
    is_manual: bool = False,
) -> bus_events.EventListener:
    return bus_events.EventListener(conf, pool, handlers, max_batch, is_manual)


def catalogue(conf: Any) -> dict[str, reading.ActionFacts]:
    """Return the installed actions and checkpoint drivers (for planning)."""
    found: dict[str, reading.ActionFacts] = {}
    for name, kind in loader.load_classes(conf.agent.action_namespace).items():
        found[name] = reading.ActionFacts(
            kind.executor,
            kind.is_mutating,
            kind.params_schema,
            idempotence=kind.idempotence,
            undo=kind.undo,
        )
    for name, kind in loader.load_classes(conf.agent.checkpoint_namespace).items():
        found[name] = reading.ActionFacts(
            kind.executor, False, {"type": "object"}, is_checkpoint=True
        )
    return found


def conductor(
    conf: Any, worker: int = 0, database: session.Database | None = None
) -> Running:
    """Return the conductor: engine, RPC server, listeners, clockwork."""
    place = f"{socket.gethostname()}/{instance_of(conf, worker)}"
    owner = f"{place}/{uuid.uuid4().hex[:8]}"
    opened = database or session.Database(conf.database)
    objects_base.use_store(store.Store(opened))
    publisher = bus_events.EventPublisher(conf)
    box = outbox.Outbox(
        opened, courier.Courier(conf, publisher).deliver, conf.conductor.outbox_retry_s
    )
    late: list[clockwork.Clockwork] = []
    engine = engines.Engine(
        opened,
        conductor_service.settings(conf.conductor),
        owner,
        box.send,
        lambda: late[0].wake(),
    )
    looked = execution.Execution(engine)
    facts = supplement.Supplement(conf.vim.host_facts)
    stock = inventory.Inventory(engine, vims.make(conf), facts.apply, facts.declared)
    clock = clockwork.Clockwork(
        looked,
        leases.Leases(engine),
        stock,
        box,
        conf.conductor.tick_s,
        conf.conductor.inventory_interval_s,
    )
    late.append(clock)
    steers = steering.Steering(engine, looked)
    hears = alarms.Alarms(engine, steers)
    intake = conductor_service.Intake(
        results.Results(engine), faults.Faults(engine), hears
    )
    plans = planning.Planning(engine, catalogue(conf))
    endpoint = conductor_service.Endpoint(
        plans,
        steers,
        explaining.Explaining(engine, looked.admission),
        hosts.Hosts(engine),
        hears,
    )
    return Running(
        Closing(publisher.close),
        clock,
        heartbeat.BeatListener(conf, stock.hear),
        _listener(conf, "conductor", intake.handlers(), conf.conductor.batch),
        server.RpcServer(
            conf,
            rpcapi.CONDUCTOR,
            # The same after every restart: a name of its own each time would
            # leave a durable queue behind, and a quorum queue made within the
            # last seconds before the broker crashes never comes back to life.
            place.replace("/", "-"),
            [endpoint, indirection.Indirection()],
        ),
        _record(conf, "conductor", worker),
    )


def api(conf: Any, worker: int = 0, is_remote: bool = True) -> Running:
    """Return the REST service."""
    if is_remote:
        _remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    made = api_app.create_app(conf, rpcapi.ConductorAPI(conf), publisher)
    return Running(
        Closing(publisher.close),
        api_server.ApiService(conf, made),
        _record(conf, "api", worker),
    )


def monitor(
    conf: Any, worker: int = 0, is_remote: bool = True, in_process: bool = False
) -> Running:
    """Return the detector."""
    if is_remote:
        _remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    beats = heartbeat.BeatSender(conf)
    name, look = instance_of(conf, worker), rpcapi.MonitorAPI(conf).look
    made = monitor_service.MonitorService(
        conf,
        publisher,
        lambda handle: heartbeat.BeatListener(conf, handle),
        context.service_context("monitor"),
        in_process,
        None if in_process else company.make(conf.monitor, name, beats.send, look),
    )
    return Running(
        Closing(publisher.close),
        Closing(beats.close),
        made,
        server.RpcServer(conf, rpcapi.MONITOR, name, [made.endpoint()]),
        _record(conf, "monitor", worker),
    )


def inspector(conf: Any, worker: int = 0, is_remote: bool = True) -> Running:
    """Return the inspector."""
    if is_remote:
        _remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)

    def listen(
        pool: str, handlers: Any, max_batch: int = 1, is_manual: bool = False
    ) -> bus_events.EventListener:
        return _listener(conf, pool, handlers, max_batch, is_manual)

    return Running(
        Closing(publisher.close),
        inspector_service.InspectorService(
            conf,
            vims.make(conf),
            publisher,
            listen,
            context.service_context("inspector"),
        ),
        _record(conf, "inspector", worker),
    )


def notifier(conf: Any, worker: int = 0, is_remote: bool = True) -> Running:
    """Return the notifier."""
    if is_remote:
        _remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    return Running(
        Closing(publisher.close),
        notifier_service.NotifierService(
            conf,
            publisher,
            _listener,
            sinks.make(conf),
            context.service_context("notifier"),
        ),
        _record(conf, "notifier", worker),
    )


def agent(
    conf: Any,
    worker: int = 0,
    is_remote: bool = True,
    host: str = "",
    vim: drivers.Vim | None = None,
) -> Running:
    """Return the agent of one host."""
    if is_remote:
        _remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    beats = heartbeat.BeatSender(conf)
    resources: dict[str, Any] = {"grants": permits.of(conf.agent)}
    if conf.agent.action_namespace.endswith(".simulated"):
        resources["fleet"] = fleet.fleet()
    if vim is not None or "vim" in conf.agent.capabilities:
        resources["vim"] = vim or vims.make(conf)
    name = host or host_of(conf)
    return Running(
        Closing(publisher.close),
        Closing(beats.close),
        agent_service.AgentService(
            conf,
            name,
            publisher,
            beats,
            lambda topic, where, endpoints: server.RpcServer(
                conf, topic, where, endpoints
            ),
            resources,
            context.service_context("agent"),
        ),
        *([_record(conf, "agent", worker)] if is_remote else []),
    )


def scheduler(conf: Any, worker: int = 0) -> Running:
    """Return the scheduler."""
    _remote_objects(conf)
    solver = loader.load_class("escalator.solver", "greedy")()
    return Running(
        scheduler_service.SchedulerService(
            conf,
            solver,
            lambda topic, where, endpoints: server.RpcServer(
                conf, topic, where, endpoints
            ),
        ),
        _record(conf, "scheduler", worker),
    )


def _record(conf: Any, name: str, worker: int) -> record.Record:
    return record.Record(
        context.service_context(name),
        f"escalator-{name}",
        host_of(conf),
        instance_of(conf, worker),
    )


def check(conf: Any, name: str) -> None:
    """Find what would stop a service, before anything is forked.

    :raises ConfigError: names the option.
    """
    if name in ("conductor",) and not conf.database.connection:
        raise errors.ConfigError(
            group="database", option="connection", reason="is not set"
        )
    if name == "api":
        api_app.check_conf(conf)
    if name == "notifier":
        sinks.check(conf)
    if name in ("conductor", "inspector"):
        vims.check(conf)
    if name == "conductor":
        supplement.Supplement(conf.vim.host_facts)
    if name == "monitor":
        for probe in conf.monitor.probes:
            loader.load_class("escalator.probe", probe)
    if name == "agent":
        loader.load_classes(conf.agent.action_namespace)
        permits.check(conf.agent)
    transport.kombu_urls(conf)
