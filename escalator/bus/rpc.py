"""One RPC client: deadlines, version caps, errors by code."""

import logging
from collections.abc import Callable
from typing import Any

import oslo_messaging
from kombu.transport import memory
from oslo_config import cfg

from escalator import errors
from escalator.bus import deadline, refusal, serializer, transport

LOG = logging.getLogger(__name__)

GRACE_S = 0.25
"""What our deadline leaves oslo.messaging to notice its own."""

CAST_RETRIES = 2


def target(
    conf: cfg.ConfigOpts, topic: str, server: str | None = None
) -> oslo_messaging.Target:
    """Return where ``topic`` is on the broker; one spelling for both sides.

    Dots of the topic are replaced: the server ``vim`` of topic ``agent`` is
    not the topic ``agent.vim``.
    """
    return oslo_messaging.Target(
        exchange=f"{conf.bus.prefix}.rpc",
        topic=f"{conf.bus.prefix}.rpc.{topic.replace('.', '-')}",
        server=server,
    )


class Client:
    """Calls and casts to one topic.

    :param version: newest version this side speaks.
    :param version_cap: newest version the other side surely knows.
    :param timeout_s: deadline of a call, if not that of ``[bus]``.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        topic: str,
        version: str,
        namespace: str | None = None,
        version_cap: str | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.timeout_s: float = timeout_s or conf.bus.call_timeout_s
        self._topic = topic
        self._is_memory = transport.is_memory(conf)
        self._client = oslo_messaging.get_rpc_client(
            transport.rpc_transport(conf),
            target(conf, topic)(version=version, namespace=namespace),
            serializer=serializer.Serializer(),
            version_cap=version_cap or version,
            timeout=self.timeout_s,
            transport_options=oslo_messaging.TransportOptions(at_least_once=True),
        )

    def can_send_version(self, version: str) -> bool:
        """Tell whether the other side knows ``version``."""
        return bool(self._client.can_send_version(version))

    def call(
        self,
        ctxt: Any,
        version: str,
        method: str,
        to_server: str | None = None,
        **args: Any,
    ) -> Any:
        """Ask any server of the topic, or one, and return the answer.

        :raises NobodyListens: no server has ever bound the topic.
        :raises CallTimeout: it was taken but not answered in time.
        :raises BusUnavailable: the broker is out of reach.
        :raises VersionMismatch: the other side is too old or too new.
        :raises EscalatorError: whatever the server raised, by its code.
        """
        self._check(version, method)
        where = {"server": to_server} if to_server else {}
        prepared = self._client.prepare(version=version, **where)
        self._check_memory(prepared)
        return self._guarded(lambda: prepared.call(ctxt, method, **args), method)

    def cast(
        self, ctxt: Any, server: str | None, version: str, method: str, **args: Any
    ) -> None:
        """Order without an answer; returns once the broker has it, at least once.

        :raises NobodyListens: the server never bound its queue.
        :raises BusUnavailable: not confirmed in time; it may go out later.
        :raises VersionMismatch: the other side is too old.
        """
        self._check(version, method)
        where = {"server": server} if server else {}
        prepared = self._client.prepare(version=version, retry=CAST_RETRIES, **where)
        self._check_memory(prepared)
        self._guarded(lambda: prepared.cast(ctxt, method, **args), method)

    def _check(self, version: str, method: str) -> None:
        if not self.can_send_version(version):
            raise self._mismatch(method, version)

    def _check_memory(self, prepared: Any) -> None:
        """The in-memory broker drops what has no queue; tell it instead."""
        where = prepared.target
        queue = f"{where.topic}.{where.server}" if where.server else where.topic
        if self._is_memory and queue not in memory.Channel.queues:
            raise errors.NobodyListens(target=queue)

    def _guarded(self, call: Callable[[], Any], method: str) -> Any:
        try:
            return deadline.run(call, self.timeout_s + GRACE_S)
        except errors.EscalatorError:
            raise
        except Exception as error:
            raise self._translate(error, method) from error

    def _translate(self, error: Exception, method: str) -> errors.EscalatorError:
        if isinstance(error, oslo_messaging.RemoteError):
            return self._rebuild(error, method)
        if isinstance(error, oslo_messaging.MessagingTimeout):
            return errors.CallTimeout(
                method=method, target=self._topic, timeout_s=self.timeout_s
            )
        if isinstance(error, oslo_messaging.MessageUndeliverable):
            return errors.NobodyListens(target=self._topic)
        if isinstance(error, oslo_messaging.MessagingException | OSError):
            return errors.BusUnavailable(timeout_s=self.timeout_s, reason=str(error))
        LOG.debug("%s on %s", method, self._topic, exc_info=error)
        return self._failed(method, f"{type(error).__name__}: {error}")

    def _rebuild(
        self, error: oslo_messaging.RemoteError, method: str
    ) -> errors.EscalatorError:
        if error.exc_type in ("UnsupportedVersion", "NoSuchMethod"):
            return self._mismatch(method, "of this release")
        if error.exc_type == refusal.Refusal.__name__:
            try:
                return refusal.decode(str(error.value))
            except ValueError:
                LOG.warning("%s on %s: unreadable refusal", method, self._topic)
        return self._failed(method, f"{error.exc_type}: {error.value}")

    def _failed(self, method: str, reason: str) -> errors.RemoteFailure:
        return errors.RemoteFailure(method=method, target=self._topic, reason=reason)

    def _mismatch(self, method: str, version: str) -> errors.VersionMismatch:
        return errors.VersionMismatch(
            target=self._topic, method=method, version=version
        )
