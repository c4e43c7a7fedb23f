"""What the broker returns is told once it is confirmed, never before.

A message that no queue takes comes back as a return, and its confirm follows.
oslo.messaging raises at the return, in the midst of py-amqp's wait for the
confirm, which so stays unread on a channel that is used again: the next
message takes it for its own, and is believed delivered before anything is
known of it (ADR 28).
"""

from typing import Any

import oslo_messaging
from oslo_messaging._drivers import impl_rabbit


class Connection(impl_rabbit.Connection):
    """The library's connection, which reads to the confirm before it raises."""

    _returned: Exception | None = None

    def on_return(
        self, exception: Exception, exchange: str, routing_key: str, message: Any
    ) -> None:
        """Keep what came back until its confirm is read."""
        self._returned = oslo_messaging.MessageUndeliverable(
            exception, exchange, routing_key, message
        )

    def _publish(self, *args: Any, **kwargs: Any) -> None:
        self._returned = None
        super()._publish(*args, **kwargs)
        if self._returned is not None:
            raise self._returned


def keep(transport: oslo_messaging.transport.RPCTransport) -> None:
    """Let ``transport`` make connections of ours; call it before any is made."""
    transport._driver._connection_pool.connection_cls = Connection
