"""The least that a fault's way can cost: one queue and one POST.

A raw kombu publish, a raw kombu consumer in another process, and one POST over
a kept connection to the same kind of consumer process.  Two kinds of queue:
``durable``, the very kind the product uses (quorum, or classic durable), with
confirm and acknowledgement; ``transient``, a classic one with neither.

    python -m tests.bench.floor URL QUEUE 0|1 CONSUMER_HOST CONSUMER_PORT
"""

import contextlib
import http.client
import json
import pathlib
import subprocess
import sys
import time
from typing import Any

import kombu

from tests.fixtures import consumer

SETTLE_S = 0.03
TIMEOUT_S = 10.0


class Floor:
    """One kind of queue, its relay process and its consumer process."""

    def __init__(
        self, url: str, name: str, directory: pathlib.Path, is_durable: bool
    ) -> None:
        self._is_durable = is_durable
        self._name = name
        self._consumer = consumer.ConsumerProcess(directory / f"{name}.heard")
        self._connection = kombu.Connection(
            url, transport_options={"confirm_publish": is_durable}
        )
        self._channel = self._connection.channel()
        declare(self._channel, name, is_durable)
        self._relay = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.bench.floor", url, name]
            + [str(int(is_durable)), "127.0.0.1", str(self._consumer.port)],
            stdout=subprocess.PIPE,
        )
        assert self._relay.stdout is not None
        self._relay.stdout.readline()
        self._producer = kombu.Producer(self._channel)

    def measure(self) -> float:
        """Return seconds from publish to the consumer's handler, once."""
        sent_at = time.time()
        self._producer.publish(
            {"event": "floor"},
            routing_key=self._name,
            serializer="json",
            delivery_mode=2 if self._is_durable else 1,
        )
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            time.sleep(SETTLE_S)
            for line in self._consumer.news():
                return float(line["at"]) - sent_at
        raise TimeoutError("the floor's own message was lost")

    def stop(self) -> None:
        """End both processes."""
        self._relay.kill()
        self._relay.wait()
        self._consumer.stop()
        with contextlib.suppress(OSError):
            self._connection.release()


def declare(channel: Any, name: str, is_durable: bool) -> None:
    """Declare the queue: quorum and durable, or classic and gone with us."""
    channel.queue_declare(
        queue=name,
        durable=is_durable,
        auto_delete=not is_durable,
        arguments={"x-queue-type": "quorum"} if is_durable else None,
    )


def relay(url: str, name: str, is_durable: bool, host: str, port: int) -> None:
    """Post every message of the queue, until killed."""
    posting = http.client.HTTPConnection(host, port)
    connection = kombu.Connection(url)
    channel = connection.channel()
    declare(channel, name, is_durable)

    def take(message: kombu.Message) -> None:
        posting.request("POST", "/", json.dumps({"event": "floor"}).encode())
        posting.getresponse().read()
        if is_durable:
            message.ack()

    queue = kombu.Queue(name, no_declare=True)
    consuming = kombu.Consumer(
        channel, [queue], on_message=take, no_ack=not is_durable, auto_declare=False
    )
    consuming.consume()
    print("ready", flush=True)
    while True:
        connection.drain_events()


if __name__ == "__main__":
    place, queue_name, durable, to_host, to_port = sys.argv[1:]
    relay(place, queue_name, durable == "1", to_host, int(to_port))
