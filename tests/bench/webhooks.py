"""How fast the webhook sink is, alone: JSON on standard output.

    python -m tests.bench.webhooks --consumers 20 --notices 1000

``single``: one notice at a time, submit to settled, and the POST itself.
``fan_out``: all notices at once, to all consumers in turn.
``one_hung``: the same, one consumer never answers; figures of the others.
"""

import argparse
import contextlib
import json
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from escalator.domain import webhook as rules
from escalator.drivers.sink import lane, webhook
from tests.bench import figures
from tests.fixtures import consumer
from tests.unit.drivers import contract_sink

KEY = "0123456789abcdef0123456789abcdef"
PATIENCE = lane.Patience(
    timeout_s=2.0, attempts=1, backoff_s=0.0, backoff_max_s=0.0, connections=4
)
PAUSE_S = 0.005


@contextlib.contextmanager
def bed(count: int, **first: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Start a sink and consumers; ``first`` are options of the first one."""
    sink = webhook.Webhook(KEY, PATIENCE, rules.parse_networks(["127.0.0.0/8"]))
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        targets = []
        for number in range(count):
            options = first if number == 0 else {}
            record = pathlib.Path(directory, str(number))
            targets.append(consumer.ConsumerProcess(record, **options))
            stack.callback(targets[-1].stop)
        sink.start()
        stack.callback(sink.stop, 0.0)
        yield contract_sink.Sending(sink), targets


def single(runs: int) -> dict[str, Any]:
    """Measure one notice at a time; the first one connects."""
    whole, posts = [], []
    with bed(1) as (sending, (target,)):
        for _ in range(runs + 1):
            started = time.perf_counter()
            sending.submit(target.url)
            times = sending.next().times
            whole.append(time.perf_counter() - started)
            posts.append(times["T9"] - times["T8"])
            time.sleep(PAUSE_S)
    return {
        "cold": round(whole[0] * 1e3, 3),
        "submit_to_settled": figures.spread(whole[1:]),
        "post": figures.spread(posts[1:]),
    }


def crowd(notices: int, consumers: int, hung: int) -> dict[str, Any]:
    """Measure many notices at once; the hung consumer's are left out."""
    first = {"delay": 60} if hung else {}
    with bed(consumers, **first) as (sending, targets):
        for target in targets[hung:]:
            sending.submit(target.url)
        sending.collect(consumers - hung)
        for target in targets:
            target.news()
        started = time.time()
        for number in range(notices):
            sending.submit(targets[number % consumers].url)
        expected = sum(number % consumers >= hung for number in range(notices))
        settled = sending.collect(expected)
        heard = [line["at"] for target in targets[hung:] for line in target.news()]
    return {
        "submit_to_handler": figures.spread([at - started for at in heard]),
        "lost": expected - len(heard),
        "undelivered": sum(item.state != "delivered" for item in settled),
    }


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--notices", type=int, default=1000)
    parser.add_argument("--consumers", type=int, default=20)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    report = {
        "bench": "webhooks",
        "machine": figures.machine(),
        "options": {
            "runs": options.runs,
            "notices": options.notices,
            "consumers": options.consumers,
        },
        "single": single(options.runs),
        "fan_out": crowd(options.notices, options.consumers, hung=0),
        "one_hung": crowd(options.notices, options.consumers, hung=1),
    }
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
