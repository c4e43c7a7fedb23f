"""RPC servers: start, stop all, then wait."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

import oslo_messaging
from oslo_config import cfg

from escalator.bus import refusal, rpc, serializer, transport

LOG = logging.getLogger(__name__)


def endpoint_target(version: str, namespace: str | None = None) -> Any:
    """Return what an endpoint class sets as its ``target``."""
    return oslo_messaging.Target(version=version, namespace=namespace)


class RpcServer:
    """Serves endpoints on a topic, under a server name of its own.

    :param topic: conductor, agent, agent.vim or scheduler.
    :param server: unique among the servers of the topic.
    :param endpoints: objects with a ``target``; public methods are served and
        may raise any error of ``escalator.errors``.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, topic: str, server: str, endpoints: Sequence[Any]
    ) -> None:
        self._name = f"{topic}/{server}"
        self._start_limit_s: float = conf.bus.call_timeout_s
        self._server = oslo_messaging.get_rpc_server(
            transport.rpc_transport(conf),
            rpc.target(conf, topic, server),
            [refusal.Guard(endpoint) for endpoint in endpoints],
            serializer=serializer.Serializer(),
            access_policy=oslo_messaging.DefaultRPCAccessPolicy,
        )
        self._starter = self._thread(self._server.start, "start")
        self._ender = self._thread(self._end, "end")

    def start(self) -> bool:
        """Begin to serve; False if the broker is away: it begins once back."""
        self._starter.start()
        self._starter.join(self._start_limit_s)
        return not self._starter.is_alive()

    def stop(self) -> None:
        """Take no new calls; returns at once, idempotent.

        Stop all servers first, then wait for each: every stop takes a second.
        A server that never began, for want of a broker, has nothing to stop.
        """
        has_begun = self._starter.ident is not None and not self._starter.is_alive()
        if has_begun and self._ender.ident is None:
            self._ender.start()

    def wait(self, timeout_s: float = 60.0) -> bool:
        """Let calls under way finish; False if they do not within the limit."""
        if self._ender.ident is None:
            return True
        self._ender.join(timeout_s)
        if self._ender.is_alive():
            LOG.warning("%s: gave up waiting after %s s", self._name, timeout_s)
        return not self._ender.is_alive()

    def _end(self) -> None:
        self._server.stop()
        self._server.wait()

    def _thread(self, work: Any, verb: str) -> threading.Thread:
        name = f"rpc-{verb}-{self._name}"
        return threading.Thread(target=work, name=name, daemon=True)
