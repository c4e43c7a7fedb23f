"""The whole product on one machine, for the bench of the fault path.

A private broker and database, the services as separate processes from one
``escalator.conf``, and one consumer process per owner.  Started inside a
network namespace by the caller, all of it lives there.
"""

import contextlib
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from escalator import conf as options
from escalator import context
from escalator.bus import events as bus
from escalator.bus import rpcapi, transport
from escalator.domain import events
from escalator.drivers.vim import simulated
from escalator.objects import base as objects_base
from escalator.objects import fault, subscription
from tests.fixtures import consumer, daemon, mariadb, netspace, rabbit

OWNERS = 20
NICENESS = -10
"""Of the broker, which a fault passes twice: that of the services on its way, as
the operator is advised to give it (doc/source/admin/deployment.rst)."""

SERVICES = ("conductor", "monitor", "inspector", "notifier")

_CONF = """\
[DEFAULT]
transport_url = {transport_url}
log_file =
graceful_shutdown_timeout = 5

[vim]
driver = simulated
simulated_path = {directory}/vim.sqlite

[notifier]
signing_key = {signing_key}
allowed_networks = 127.0.0.0/8
"""


class Bed:
    """Starts everything, answers what was heard and stored.

    :param hosts: name -> project ids of its instances, one entry each; the
        projects are ``owner-00`` and so on.
    :param has_monitor: False if the caller publishes the faults itself.
    """

    def __init__(
        self, hosts: dict[str, list[str]], has_monitor: bool, has_mariadb: bool
    ) -> None:
        self._undo = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            directory = undo.enter_context(tempfile.TemporaryDirectory())
            self.directory = pathlib.Path(directory)
            self.addresses = dict(
                zip(hosts, netspace.addresses(len(hosts)).values(), strict=True)
            )
            self.rabbit = rabbit.Rabbit(niceness=NICENESS).start()
            undo.callback(self.rabbit.stop)
            self._write(hosts, self._database_url(undo, has_mariadb))
            self._start_services(undo, has_monitor)
            self._connect(undo)
            self.consumers: dict[str, consumer.ConsumerProcess] = {}
            for number in range(OWNERS):
                self._subscribe(undo, f"owner-{number:02d}")
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """End everything and remove the files."""
        self._undo.close()

    def publish(self, *facts: events.Event) -> None:
        """Publish as a service does: returns when the broker has them."""
        self._publisher.publish_all(facts)

    def news(self, owners: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        """Return (owner, line) of everything heard since the last call."""
        return [(own, line) for own in owners for line in self.consumers[own].news()]

    def stored_faults(self) -> list[Any]:
        """Return every fault the conductor has, with its notices."""
        found: list[Any] = []
        marker = None
        while True:
            page = fault.FaultRecordList.get_page(
                self._context, limit=200, marker=marker
            )
            if not page.objects:
                return found
            found += page.objects
            marker = page.objects[-1].id

    def hang(self, owner: str) -> None:
        """Subscribe a consumer that never answers in this owner's name."""
        with contextlib.ExitStack() as undo:
            self._subscribe(undo, owner, delay=600)
            self._undo.push(undo.pop_all())
        time.sleep(1.0)

    def logs(self) -> str:
        """Return every warning and error of the services."""
        lines = []
        for path in sorted(self.directory.glob("*.log")):
            for line in path.read_text(errors="replace").splitlines():
                if " WARNING " in line or " ERROR " in line or "Traceback" in line:
                    lines.append(f"{path.stem}: {line}")
        return "\n".join(lines)

    def _database_url(self, undo: contextlib.ExitStack, has_mariadb: bool) -> str:
        if not has_mariadb:
            return f"sqlite:///{self.directory}/escalator.sqlite"
        server = mariadb.MariaDB().start()
        undo.callback(server.stop)
        return server.url

    def _write(self, hosts: dict[str, list[str]], database_url: str) -> None:
        self._files = [self.directory / "escalator.conf"]
        self._files[0].write_text(
            _CONF.format(
                transport_url=self.rabbit.url,
                directory=self.directory,
                signing_key=secrets.token_hex(32),
            )
        )
        database = self.directory / "database.conf"
        database.write_text(f"[database]\nconnection = {database_url}\n")
        self._with_database = [*self._files, database]
        content = {
            "hosts": [
                {"name": name, "address": self.addresses[name], "role": "compute"}
                for name in hosts
            ],
            "instances": [
                {
                    "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name}/{number}")),
                    "name": f"{name}-{number}",
                    "project": owner,
                    "host": name,
                }
                for name, owners in hosts.items()
                for number, owner in enumerate(owners)
            ],
        }
        simulated.Simulated(str(self.directory / "vim.sqlite"), content)

    def _start_services(self, undo: contextlib.ExitStack, has_monitor: bool) -> None:
        subprocess.run(
            [str(pathlib.Path(sys.prefix, "bin", "escalator-db-manage"))]
            + [f"--config-file={path}" for path in self._with_database]
            + ["upgrade"],
            check=True,
            capture_output=True,
        )
        daemons = []
        for name in SERVICES:
            if name == "monitor" and not has_monitor:
                continue
            files = self._with_database if name == "conductor" else self._files
            daemons.append(daemon.Daemon(name, files, self.directory / f"{name}.log"))
            undo.callback(daemons[-1].stop)
        for each in daemons:
            each.wait_ready()

    def _connect(self, undo: contextlib.ExitStack) -> None:
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf(["--config-file", str(self._files[0])], project="escalator")
        transport.prepare(conf, "bench", uuid.uuid4().hex[:8])
        undo.callback(transport.release, conf)
        objects_base.use_indirection(rpcapi.Indirection(conf))
        self._context = context.service_context("bench")
        self._publisher = bus.EventPublisher(conf)
        undo.callback(self._publisher.close)

    def _subscribe(
        self, undo: contextlib.ExitStack, owner: str, **behaviour: Any
    ) -> None:
        name = f"{owner}-{len(self.consumers)}.heard"
        process = consumer.ConsumerProcess(self.directory / name, **behaviour)
        undo.callback(process.stop)
        self.consumers.setdefault(owner, process)
        made = subscription.Subscription(
            self._context,
            id=str(uuid.uuid4()),
            project_id=owner,
            user_id="bench",
            name=owner,
            url=process.url,
            fault_types=[],
            min_severity="warning",
            is_admin=False,
        )
        made.create()
        self.publish(events.SubscriptionsChanged(str(uuid.uuid4()), (made.id,)))
