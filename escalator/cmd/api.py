"""escalator-api: the REST service."""

from typing import Any, NoReturn

from escalator.api import app
from escalator.api import server as api_server
from escalator.bus import events as bus_events
from escalator.bus import rpcapi
from escalator.cmd import daemon, parts


def build(conf: Any, worker: int = 0, is_remote: bool = True) -> parts.Running:
    """Return the REST service."""
    if is_remote:
        parts.remote_objects(conf)
    publisher = bus_events.EventPublisher(conf)
    made = app.create_app(conf, rpcapi.ConductorAPI(conf), publisher)
    return parts.Running(
        parts.Closing(publisher.close),
        api_server.ApiService(conf, made),
        parts.make_record(conf, "api", worker),
    )


def check(conf: Any) -> None:
    """Find what would stop the service, before anything is forked.

    :raises ConfigError: names the option.
    """
    app.check_conf(conf)


def main() -> NoReturn:
    """Run the service."""
    daemon.serve("api", build, check)
