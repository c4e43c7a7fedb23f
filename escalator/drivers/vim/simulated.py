"""A simulated VIM in one SQLite file, shared by the processes of a machine.

Every call is one transaction and safe to repeat; the process may be killed at
any line.  Ships with the product: for a first look and for tests.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim import inventory, placement

_SCHEMA = """
CREATE TABLE IF NOT EXISTS host (
    name TEXT PRIMARY KEY, address TEXT, role TEXT, rack TEXT, zone TEXT,
    tags TEXT, groups TEXT, capacity INTEGER, is_enabled INTEGER,
    reason TEXT, is_forced_down INTEGER);
CREATE TABLE IF NOT EXISTS instance (
    id TEXT PRIMARY KEY, name TEXT, project TEXT, host TEXT, state TEXT,
    state_before TEXT, server_group TEXT);
CREATE INDEX IF NOT EXISTS instance_host ON instance (host);
CREATE TABLE IF NOT EXISTS change (number INTEGER);
"""

_DOWN = """
UPDATE instance SET state_before = state, state = 'error'
WHERE host = ? AND state != 'error'
"""
_UP = """
UPDATE instance SET state = state_before, state_before = ''
WHERE host = ? AND state_before != ''
"""

_BUSY_S = 5.0


class Simulated(base.Vim):
    """Hosts, instances and anti-affinity groups.

    :param path: the file; made and filled if it does not exist.
    :param source: see :mod:`escalator.drivers.vim.inventory`.
    """

    def __init__(
        self, path: str, source: str | Mapping[str, Any] | None = None
    ) -> None:
        self.path = path
        self._local = threading.local()
        content = inventory.read(source)
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        self._open().executescript(_SCHEMA)
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM change").fetchone() is None:
                db.execute("INSERT INTO change VALUES (1)")
                _fill(db, content)

    def _open(self) -> sqlite3.Connection:
        if getattr(self._local, "pid", None) != os.getpid():
            made = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            made.row_factory = sqlite3.Row
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = made
            self._local.pid = os.getpid()
        found: sqlite3.Connection = self._local.connection
        return found

    @contextmanager
    def _transaction(self, is_change: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            db = self._open()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                if is_change:
                    db.execute("UPDATE change SET number = number + 1")
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise errors.VimUnavailable(
                call="simulated VIM", timeout_s=_BUSY_S, reason=str(error)
            ) from error

    def _read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        try:
            return self._open().execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            raise errors.VimUnavailable(
                call="simulated VIM", timeout_s=_BUSY_S, reason=str(error)
            ) from error

    def list_hosts(self) -> list[base.VimHost]:
        """Return every host by name."""
        return [
            base.VimHost(
                name=row["name"],
                address=row["address"],
                role=row["role"],
                rack=row["rack"],
                availability_zone=row["zone"],
                is_enabled=bool(row["is_enabled"]),
                is_forced_down=bool(row["is_forced_down"]),
                tags=tuple(json.loads(row["tags"])),
                groups=tuple(json.loads(row["groups"])),
            )
            for row in self._read("SELECT * FROM host ORDER BY name")
        ]

    def list_instances(self) -> list[base.VimInstance]:
        """Return every instance by id."""
        return [
            base.VimInstance(
                id=row["id"],
                name=row["name"],
                project_id=row["project"],
                host=row["host"],
                state=row["state"],
                server_group=row["server_group"],
            )
            for row in self._read("SELECT * FROM instance ORDER BY id")
        ]

    def read_changes(self) -> int:
        """Return the number of the latest change."""
        return int(self._read("SELECT number FROM change")[0][0])

    def set_scheduling(self, host: str, is_enabled: bool, reason: str) -> None:
        """Allow or refuse new instances on ``host``."""
        with self._transaction(is_change=True) as db:
            done = db.execute(
                "UPDATE host SET is_enabled = ?, reason = ? WHERE name = ?",
                (int(is_enabled), reason, host),
            )
            if not done.rowcount:
                raise errors.NotFound(kind="host", id=host)

    def drain(self, host: str) -> dict[str, str]:
        """Move every instance off ``host``, one transaction each.

        :raises ActionFailed: one fits nowhere; those moved stay moved.
        """
        moved: dict[str, str] = {}
        while True:
            with self._transaction(is_change=True) as db:
                instance = db.execute(
                    "SELECT * FROM instance WHERE host = ? ORDER BY id", (host,)
                ).fetchone()
                if instance is None:
                    return moved
                found = placement.find(db, instance["server_group"], host)
                if found is None:
                    raise errors.ActionFailed(
                        action="drain",
                        reason=f"instance {instance['id']} fits on no other host",
                        result={"moved": moved},
                    )
                db.execute(
                    "UPDATE instance SET host = ? WHERE id = ?",
                    (found, instance["id"]),
                )
                moved[instance["id"]] = found

    def mark_down(self, hosts: Sequence[str], is_down: bool) -> None:
        """Force hosts down with their instances, or undo it (DR-5, DR-10)."""
        query = _DOWN if is_down else _UP
        with self._transaction(is_change=True) as db:
            for host in hosts:
                db.execute(
                    "UPDATE host SET is_forced_down = ? WHERE name = ?",
                    (int(is_down), host),
                )
                db.execute(query, (host,))

    def evacuate(self, instance_ids: Sequence[str]) -> dict[str, str]:
        """Recreate instances of dead hosts elsewhere, as their owners do.

        :returns: instance id -> new host, of those that fit somewhere.
        """
        moved: dict[str, str] = {}
        with self._transaction(is_change=True) as db:
            for instance_id in instance_ids:
                row = db.execute(
                    "SELECT * FROM instance WHERE id = ?", (instance_id,)
                ).fetchone()
                found = row and placement.find(db, row["server_group"], row["host"])
                if found:
                    db.execute(
                        "UPDATE instance SET host = ?, state = 'active',"
                        " state_before = '' WHERE id = ?",
                        (found, instance_id),
                    )
                    moved[instance_id] = found
        return moved

    def boot(self, instance_id: str, project: str, server_group: str = "") -> str:
        """Place a new instance and return its host.

        :raises ActionFailed: it fits nowhere.
        """
        with self._transaction(is_change=True) as db:
            host = placement.find(db, server_group, "")
            if host is None:
                raise errors.ActionFailed(action="boot", reason="no host has room")
            db.execute(
                "INSERT INTO instance VALUES (?, ?, ?, ?, 'active', '', ?)",
                (instance_id, instance_id[:8], project, host, server_group),
            )
            return host

    def invariants(self) -> list[str]:
        """Return what must never be true: broken anti-affinity, lost hosts."""
        broken = [
            f"group {row[0]} has {row[2]} members on {row[1]}"
            for row in self._read(
                "SELECT server_group, host, COUNT(*) FROM instance"
                " WHERE server_group != '' GROUP BY 1, 2 HAVING COUNT(*) > 1"
            )
        ]
        return broken + [
            f"instance {row[0]} is on unknown host {row[1]}"
            for row in self._read(
                "SELECT id, host FROM instance"
                " WHERE host NOT IN (SELECT name FROM host)"
            )
        ]


def _fill(
    db: sqlite3.Connection, content: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    for host in content["hosts"]:
        db.execute(
            "INSERT INTO host VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, '', 0)",
            (
                host["name"],
                host.get("address", ""),
                host.get("role", "compute"),
                host.get("rack", ""),
                host.get("availability_zone", ""),
                json.dumps(host.get("tags", [])),
                json.dumps(host.get("groups", [])),
                host.get("capacity", 1000),
            ),
        )
    for each in content["instances"]:
        db.execute(
            "INSERT INTO instance VALUES (?, ?, ?, ?, 'active', '', ?)",
            (
                each["id"],
                each.get("name", each["id"][:8]),
                each["project"],
                each["host"],
                each.get("group", ""),
            ),
        )
