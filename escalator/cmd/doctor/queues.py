"""Aodh's queue on the bus: is it there, and does anybody read it?"""

from collections.abc import Iterator, Mapping
from typing import Any

import amqp
import kombu
from kombu import exceptions as kombu_errors
from oslo_config import cfg

from escalator.bus import transport
from escalator.domain import doctor

TIMEOUT_S = 5.0


def judge(conf: cfg.ConfigOpts, options: Mapping[str, str]) -> Iterator[doctor.Finding]:
    """Look at the queue that the sink ``aodh`` sends to.

    :param conf: any, for oslo.messaging to read the URL with.
    :param options: ours, as ``section.option``.
    """
    url = options.get("notifier.aodh_transport_url") or options.get(
        "default.transport_url", ""
    )
    topic = options.get("notifier.aodh_topic", "alarm.all")
    if not url:
        yield doctor.Finding(
            "bus",
            doctor.Grade.WARNING,
            "Not looked at, whether Aodh's queue is read: no transport_url is given",
            "Give --config-file with Escalator's own configuration",
        )
        return
    queue = f"{topic}.sample"
    try:
        known = _look(transport.kombu_urls(conf, url), queue)
    except amqp.NotFound:
        known = None
    except (OSError, amqp.AMQPError, kombu_errors.KombuError) as error:
        yield doctor.Finding(
            "bus",
            doctor.Grade.FAILURE,
            f"Aodh's bus does not answer: {error!r}",
            "Is [notifier] aodh_transport_url right, and its user allowed in?",
        )
        return
    yield from doctor.queue(queue, known)


def _look(urls: list[str], queue: str) -> tuple[int, int]:
    """Return how many messages wait and how many consumers there are."""
    with kombu.Connection(urls, connect_timeout=TIMEOUT_S) as connection:
        connection.ensure_connection(max_retries=len(urls))
        found: Any = connection.default_channel.queue_declare(queue, passive=True)
        return found.message_count, found.consumer_count
