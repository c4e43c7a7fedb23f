"""escalator-scheduler: finds change windows."""

import functools
from typing import Any, NoReturn

from escalator.bus import server
from escalator.cmd import daemon, parts
from escalator.drivers import loader
from escalator.scheduler import service as scheduler_service


def build(conf: Any, worker: int = 0) -> parts.Running:
    """Return the scheduler."""
    parts.remote_objects(conf)
    solver = loader.load_class("escalator.solver", "greedy")()
    return parts.Running(
        scheduler_service.SchedulerService(
            conf,
            solver,
            functools.partial(server.RpcServer, conf),
        ),
        parts.make_record(conf, "scheduler", worker),
    )


def check(conf: Any) -> None:
    """Find what would stop the service, before anything is forked.

    :raises ConfigError: names the option.
    """
    loader.load_class("escalator.solver", "greedy")


def main() -> NoReturn:
    """Run the service."""
    daemon.serve("scheduler", build, check)
