"""escalator-conductor: engine, objects and inventory; the only one with a database."""

import socket
import uuid
from typing import Any, NoReturn

from escalator import errors
from escalator.bus import events as bus_events
from escalator.bus import heartbeat, rpcapi, server
from escalator.cmd import courier, daemon, parts
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
    notices,
    outbox,
    planning,
    results,
    steering,
)
from escalator.conductor import engine as engines
from escalator.conductor import service as conductor_service
from escalator.db import session, store
from escalator.domain import reading
from escalator.drivers import loader
from escalator.drivers.vim import supplement
from escalator.objects import base as objects_base


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
            progress=kind.progress,
        )
    for name, kind in loader.load_classes(conf.agent.checkpoint_namespace).items():
        found[name] = reading.ActionFacts(
            kind.executor,
            False,
            {"type": "object"},
            is_checkpoint=True,
            covers=kind.covers,
        )
    return found


def build(
    conf: Any, worker: int = 0, database: session.Database | None = None
) -> parts.Running:
    """Return the conductor: engine, RPC server, listeners, clockwork."""
    place = f"{socket.gethostname()}/{parts.instance_of(conf, worker)}"
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
    plans = planning.Planning(engine, catalogue(conf), conf.conductor.tick_s)
    endpoint = conductor_service.Endpoint(
        plans,
        steers,
        explaining.Explaining(engine, looked.admission),
        hosts.Hosts(engine),
        hears,
        notices.Notices(engine),
    )
    return parts.Running(
        parts.Closing(publisher.close),
        clock,
        heartbeat.BeatListener(conf, stock.hear),
        bus_events.EventListener(
            conf, "conductor", intake.handlers(), conf.conductor.batch
        ),
        bus_events.EventListener(
            conf,
            "conductor",
            intake.record_handlers(),
            conf.conductor.batch,
            patience_s=conductor_service.RECORDS_PATIENCE_S,
        ),
        server.RpcServer(
            conf,
            rpcapi.CONDUCTOR,
            # The same after every restart: a name of its own each time would
            # leave a durable queue behind, and a quorum queue made within the
            # last seconds before the broker crashes never comes back to life.
            place.replace("/", "-"),
            [endpoint, indirection.Indirection()],
        ),
        parts.make_record(conf, "conductor", worker),
    )


def check(conf: Any) -> None:
    """Find what would stop the service, before anything is forked.

    :raises ConfigError: names the option.
    """
    if not conf.database.connection:
        raise errors.ConfigError(
            group="database", option="connection", reason="is not set"
        )
    vims.check(conf)
    supplement.Supplement(conf.vim.host_facts)


def main() -> NoReturn:
    """Run the service."""
    daemon.serve("conductor", build, check, has_database=True)
