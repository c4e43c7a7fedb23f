"""A whole agent under an engine in another process: lines in, lines out.

Everything but the bus is real.  In: ``{"run": ...}``, ``{"probe": ...}``,
``{"stop": ...}``; out: ``{"report": ...}`` and ``{"beat": ...}``.
``python -m ... CONFIGURATION_FILE``.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from escalator.agent import permits, service
from escalator.conf import agent as agent_options
from escalator.domain import commands, events
from escalator.objects import order as order_objects

KINDS: dict[str, Any] = {
    "run": commands.RunStep,
    "probe": commands.ProbeStep,
    "stop": commands.StopStep,
}


def say(kind: str, event: Any) -> None:
    sys.stdout.write(json.dumps({kind: dataclasses.asdict(event)}) + "\n")
    sys.stdout.flush()


class Stdout:
    """A bus of one line for each fact."""

    def publish(self, event: events.Event) -> None:
        say("report", event)

    def send(self, beat: events.AgentBeat) -> bool:
        say("beat", beat)
        return True


class Stdin:
    """An RPC server whose calls are lines."""

    def __init__(self, topic: str, server: str, endpoints: Sequence[Any]) -> None:
        self._endpoint = endpoints[0]

    def start(self) -> None:
        """Nothing is heard before :meth:`serve`."""

    def serve(self) -> None:
        for line in sys.stdin:
            ((kind, values),) = json.loads(line).items()
            made = order_objects.wrap(KINDS[kind](**values))
            method = getattr(self._endpoint, f"{kind}_step")
            method(None, **{"order" if kind == "run" else kind: made})

    def stop(self) -> None:
        """End with the input."""

    def wait(self) -> None:
        """End with the input."""


def main(path: str) -> None:
    """Serve until stdin ends."""
    conf = cfg.ConfigOpts()
    agent_options.register_opts(conf)
    conf([], default_config_files=[path])
    servers: list[Stdin] = []

    def serve(*args: Any) -> Stdin:
        servers.append(Stdin(*args))
        return servers[-1]

    agent = service.AgentService(
        conf,
        conf.agent.host,
        Stdout(),
        Stdout(),
        serve,
        {"grants": permits.of(conf.agent)},
        context=None,
        progress_interval_s=0.1,
    )
    agent.start()
    servers[0].serve()
    agent.stop()
    agent.wait(10)


if __name__ == "__main__":
    main(sys.argv[1])
