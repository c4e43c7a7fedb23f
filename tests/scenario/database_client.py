"""A client of the demo service's database that never stops writing.

``old`` knows flavors by name as release 1.0 does, ``new`` by number as 2.0 does.
Every write that the server has committed is one JSON line: ``name`` and ``flavor``;
every failure one with ``error``.  Asked to end, it ends between two writes.

    python -m tests.scenario.database_client URL RECORD old|new PREFIX
"""

import itertools
import json
import pathlib
import secrets
import signal
import sys
import time
from typing import Any

import pymysql

from tests.fixtures import hub
from tests.scenario import demo_schema

INTERVAL_S = 0.05


class Client:
    """Runs the client in the hub, and reads what it wrote."""

    def __init__(self, place: hub.Hub, directory: pathlib.Path, url: str, kind: str):
        prefix = f"{kind}-{secrets.token_hex(2)}"
        self._record = directory / f"client-{prefix}.jsonl"
        self._record.touch()
        argv = [sys.executable, "-W", "ignore", "-m", "tests.scenario.database_client"]
        argv += [url, str(self._record), kind, prefix]
        self._spawned = place.spawn(argv, directory / f"client-{prefix}.log")

    def stop(self) -> None:
        """End the client; idempotent."""
        self._spawned.stop()

    def written(self) -> dict[str, str]:
        """Return server -> flavor, as committed last."""
        return {e["name"]: e["flavor"] for e in self._lines() if "name" in e}

    def errors(self) -> list[str]:
        return [each["error"] for each in self._lines() if "error" in each]

    def _lines(self) -> list[dict[str, Any]]:
        with self._record.open() as lines:
            return [json.loads(line) for line in lines if line.endswith("\n")]


def _write(connection: Any, kind: str, name: str, flavor: str, is_new: bool) -> None:
    column = "flavor" if kind == "old" else "flavor_id"
    value = flavor if kind == "old" else demo_schema.FLAVORS[flavor]
    if is_new:
        statement = f"INSERT INTO server ({column}, name) VALUES (%s, %s)"
    else:
        statement = f"UPDATE server SET {column} = %s WHERE name = %s"
    demo_schema.ask(connection, statement, value, name)
    query = f"SELECT {column} FROM server WHERE name = %s"
    _, rows = demo_schema.ask(connection, query, name)
    if rows != ((value,),):
        raise AssertionError(f"{name}: {rows} instead of {value}")


def main() -> None:
    """Read the command line and write until killed."""
    url, record, kind, prefix = sys.argv[1:]
    connection = demo_schema.connect(url)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    with open(record, "a", encoding="utf-8") as lines:
        for number in itertools.takewhile(lambda _: not asked, itertools.count()):
            name = f"{prefix}-{number // 2:05d}"
            flavor = "large" if number % 3 else "small"
            line = {"name": name, "flavor": flavor}
            try:
                _write(connection, kind, name, flavor, number % 2 == 0)
            except (pymysql.MySQLError, OSError, AssertionError) as error:
                line = {"error": f"{name}: {error}"}
            lines.write(json.dumps(line) + "\n")
            lines.flush()
            time.sleep(INTERVAL_S)


if __name__ == "__main__":
    main()
