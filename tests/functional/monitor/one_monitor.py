"""One monitor as a process: ``python -m tests.functional.monitor.one_monitor JSON``.

The real service on a real broker; the conductor is a file of hosts and raised
faults that the test writes.
"""

import json
import logging
import pathlib
import sys
import threading
from typing import Any

from escalator import context
from escalator.bus import events as bus_events
from escalator.bus import heartbeat, rpcapi, server
from escalator.monitor import company, service
from escalator.objects import base
from tests.fixtures import bus


class Store:
    """What the monitor reads of the conductor."""

    def __init__(self, path: str) -> None:
        self._path = pathlib.Path(path)

    def read(self, kind: str, marker: str | None = None, **query: Any) -> Any:
        if kind == "host_digest":
            return [{"digest": self._path.read_text()}]
        if kind == "subscription_probes":
            return [{"most": json.loads(self._path.read_text()).get("probes", 1)}]
        rows = json.loads(self._path.read_text())[kind] if marker is None else []
        if kind == "host":
            return [{**row, "agent_seen_at": None, "campaign_id": None} for row in rows]
        return rows

    def write(self, kind: str, verb: str, **values: Any) -> dict[str, Any]:
        raise AssertionError("the monitor writes nothing")


def main(settings: dict[str, Any]) -> None:
    """Run until killed."""
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("amqp").setLevel(logging.WARNING)
    conf = bus.make_conf(settings["url"])
    conf.set_override("prefix", settings["prefix"], "bus")
    for name, value in settings["monitor"].items():
        conf.set_override(name, value, "monitor")
    base.use_store(Store(settings["store"]))
    beats, api = heartbeat.BeatSender(conf), rpcapi.MonitorAPI(conf)
    me = settings["name"]
    made = service.MonitorService(
        conf,
        bus_events.EventPublisher(conf),
        lambda handle: heartbeat.BeatListener(conf, handle),
        context.service_context("monitor"),
        False,
        company.make(conf.monitor, me, beats.send, api.look),
    )
    made.start()
    server.RpcServer(conf, rpcapi.MONITOR, me, [made.endpoint()]).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
