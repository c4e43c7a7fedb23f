"""Asks every node's demo service ten times a second; a process of its own.

Each answer is one JSON line: ``at`` (epoch seconds when it was asked),
``node`` and ``version``, empty if there was no good answer.  Nobody waits for the
answer before: a lost packet costs one answer, not the time until it is sent again.

    python -m tests.scenario.http_probe RECORD NODE=ADDRESS...
"""

import http.client
import json
import pathlib
import sys
import threading
import time
from concurrent import futures

from tests.fixtures import hub, packages

INTERVAL_S = 0.1
TIMEOUT_S = 0.9
"""Less than TCP takes to send the first packet again: what was asked during a gap
is a miss, however short the gap."""
AT_ONCE = 16


class HttpProbe:
    """Runs the probe in the hub, and reads what it found."""

    def __init__(
        self, place: hub.Hub, directory: pathlib.Path, targets: dict[str, str]
    ) -> None:
        self._record = directory / "http-probe.jsonl"
        self._record.touch()
        argv = [sys.executable, "-W", "ignore", "-m", "tests.scenario.http_probe"]
        argv += [str(self._record), *(f"{n}={a}" for n, a in targets.items())]
        self._spawned = place.spawn(argv, directory / "http-probe.log")

    def stop(self) -> None:
        """End the probe; idempotent."""
        self._spawned.stop()

    def answers(self) -> dict[str, list[tuple[float, str]]]:
        """Return node -> (when asked, version or ""), in order."""
        found: dict[str, list[tuple[float, str]]] = {}
        with self._record.open() as lines:
            for line in lines:
                if line.endswith("\n"):
                    each = json.loads(line)
                    item = (each["at"], each["version"])
                    found.setdefault(each["node"], []).append(item)
        return {node: sorted(items) for node, items in found.items()}


def gaps(answers: list[tuple[float, str]]) -> list[tuple[float, float]]:
    """Return the stretches without an answer: first miss to next answer."""
    found: list[tuple[float, float]] = []
    since: float | None = None
    for at, version in answers:
        if not version and since is None:
            since = at
        elif version and since is not None:
            found.append((since, at))
            since = None
    if since is not None:
        found.append((since, answers[-1][0]))
    return found


def undeclared(
    missed: list[tuple[float, float]],
    declared: list[tuple[float, float]],
    slack_s: float,
) -> list[tuple[float, float]]:
    """Return the gaps that do not lie within one declared stretch."""
    return [
        gap
        for gap in missed
        if not any(
            start - slack_s <= gap[0] and gap[1] <= end + slack_s
            for start, end in declared
        )
    ]


def _ask(address: str) -> str:
    connection = http.client.HTTPConnection(address, packages.PORT, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        text = response.read().decode().strip()
        return text if response.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def _watch(node: str, address: str, record: pathlib.Path) -> None:
    with record.open("a") as lines, futures.ThreadPoolExecutor(AT_ONCE) as pool:
        lock = threading.Lock()

        def note() -> None:
            at = time.time()
            line = {"at": at, "node": node, "version": _ask(address)}
            with lock:
                lines.write(json.dumps(line) + "\n")
                lines.flush()

        due = time.time()
        while True:
            pool.submit(note)
            due = max(due + INTERVAL_S, time.time())
            time.sleep(max(0.0, due - time.time()))


def main() -> None:
    """Read the command line and probe until killed."""
    record = pathlib.Path(sys.argv[1])
    watchers = []
    for pair in sys.argv[2:]:
        node, _, address = pair.partition("=")
        watcher = threading.Thread(target=_watch, args=(node, address, record))
        watcher.start()
        watchers.append(watcher)
    for watcher in watchers:  # No pool takes work once the main thread is over.
        watcher.join()


if __name__ == "__main__":
    main()
