"""Nova's versioned notifications, through a queue of our own.

The queue is bound to Nova's exchange beside whatever Ceilometer uses, takes
nothing from it, and goes when we go: what is missed meanwhile the next snapshot
shows.
"""

import contextlib
import datetime
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import amqp
import kombu
from kombu import exceptions as kombu_errors

from escalator.drivers.vim.openstack import model

LOG = logging.getLogger(__name__)

HEARTBEAT_S = 30
PAUSE_S = 2.0
POLL_S = 1.0

PRESENT = frozenset(
    {
        "instance.create.end",
        "instance.update",
        "instance.live_migration_post_dest.end",
        "instance.resize_finish.end",
        "instance.resize_confirm.end",
        "instance.resize_revert.end",
        "instance.rebuild.end",
        "instance.unshelve.end",
        # Nova sends an update for these only if [notifications]
        # notify_on_state_change is set.
        "instance.pause.end",
        "instance.power_off.end",
        "instance.power_on.end",
        "instance.reboot.end",
        "instance.rescue.end",
        "instance.restore.end",
        "instance.resume.end",
        "instance.shelve.end",
        "instance.suspend.end",
        "instance.unpause.end",
        "instance.unrescue.end",
    }
)
GONE = frozenset(
    {"instance.delete.end", "instance.soft_delete.end", "instance.shelve_offload.end"}
)
SERVICE = "service.update"


class Feed:
    """A thread that listens; connects again for as long as it takes.

    :param urls: kombu's URLs of Nova's brokers, in the order of preference.
    :param ssl: kombu's ``ssl``.
    :param on_server: called with each instance's news.
    :param on_host: called with each host's news.
    :param on_connected: called after each connect: something was missed before.
    """

    def __init__(
        self,
        urls: Sequence[str],
        ssl: dict[str, Any] | bool,
        exchange: str,
        topic: str,
        on_server: Callable[[model.News], None],
        on_host: Callable[[model.HostNews], None],
        on_connected: Callable[[], None],
    ) -> None:
        self._urls = list(urls)
        self._ssl = ssl
        self._exchange = kombu.Exchange(exchange, type="topic", passive=True)
        self._topic = topic
        self._on_server = on_server
        self._on_host = on_host
        self._on_connected = on_connected
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nova-feed")
        self._thread.daemon = True

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns at once."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (
                OSError,
                amqp.AMQPError,
                kombu_errors.KombuError,
                kombu_errors.OperationalError,
            ) as error:
                LOG.warning(
                    "Nova's notifications are not heard, snapshots go on: %r", error
                )
            except Exception:
                LOG.exception("Listening to Nova failed; trying again")
            self._stopping.wait(PAUSE_S)

    def _listen(self) -> None:
        with kombu.Connection(
            self._urls, ssl=self._ssl, heartbeat=HEARTBEAT_S, connect_timeout=5
        ) as connection:
            connection.ensure_connection(max_retries=len(self._urls))
            channel = connection.channel()
            queue = kombu.Queue(
                "",
                self._exchange,
                routing_key=f"{self._topic}.info",
                exclusive=True,
                auto_delete=True,
                durable=False,
            )
            with kombu.Consumer(
                channel,
                [queue],
                callbacks=[self._take],
                on_decode_error=_drop,
                no_ack=True,
            ):
                LOG.info("Listening to Nova's notifications")
                self._on_connected()
                while not self._stopping.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=POLL_S)
                    # After news as well: a broker that we never write to hangs up.
                    connection.heartbeat_check()

    def _take(self, body: Any, message: Any) -> None:
        try:
            found = read(body)
        except (KeyError, TypeError, ValueError) as error:
            _drop(message, error)
            return
        if isinstance(found, model.News):
            self._on_server(found)
        elif found is not None:
            self._on_host(found)


def _drop(message: Any, error: Exception) -> None:
    """Log it without its body, which may be long."""
    LOG.warning(
        "A notification of Nova's was not understood: %s: %s",
        type(error).__name__,
        error,
    )


def read(body: Any) -> model.News | model.HostNews | None:
    """Return what a notification says, None if it concerns nobody here.

    :raises KeyError, TypeError, ValueError: it is not one of Nova's.
    """
    message = json.loads(body) if isinstance(body, str | bytes) else body
    if "oslo.message" in message:
        message = json.loads(message["oslo.message"])
    kind = message["event_type"]
    if kind not in PRESENT and kind not in GONE and kind != SERVICE:
        return None
    data = message["payload"]["nova_object.data"]
    sent_at = _epoch(message["timestamp"])
    if kind == SERVICE:
        return _service(data, sent_at)
    instance_id = str(data["uuid"])
    if kind in GONE or not data["host"] or data.get("state") == "deleted":
        return model.News(instance_id, None, sent_at)
    server = model.Server(
        id=instance_id,
        name=str(data.get("display_name") or ""),
        project_id=str(data["tenant_id"]),
        host=str(data["host"]),
        state=str(data.get("state") or ""),
    )
    return model.News(instance_id, server, sent_at)


def _service(data: Mapping[str, Any], sent_at: float) -> model.HostNews | None:
    if data["binary"] != "nova-compute":
        return None
    values = {
        "is_enabled": not data["disabled"],
        "is_forced_down": bool(data["forced_down"]),
    }
    return model.HostNews(str(data["host"]), values, sent_at)


def _epoch(timestamp: str) -> float:
    """Return epoch seconds of oslo's ``2026-11-21 10:00:00.123456``, UTC."""
    moment = datetime.datetime.fromisoformat(timestamp)
    return moment.replace(tzinfo=datetime.UTC).timestamp()
