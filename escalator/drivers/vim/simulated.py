"""A simulated VIM in one SQLite file, shared by the processes of a machine.

Every call is one transaction (a drain: one per instance) and safe to repeat;
the process may be killed at any line.  Ships with the product: for a first
look and for tests.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.drivers import base
from escalator.drivers.vim import inventory, placement, simulated_scaling, storage

_FORCE = """
UPDATE host SET is_forced_down = :is_down
WHERE name = :host AND is_forced_down != :is_down
"""
_DOWN = """
UPDATE instance SET state_before = state, state = 'error'
WHERE host = :host AND state != 'error'
"""
_UP = """
UPDATE instance SET state = state_before, state_before = ''
WHERE host = :host AND state_before != ''
"""
_SCHEDULING = """
UPDATE host SET is_enabled = :is_enabled, reason = :reason
WHERE name = :host AND (is_enabled != :is_enabled OR reason != :reason)
"""
_PLACE = "SELECT host FROM instance WHERE id = ?"
_NOWHERE = "instance {} fits on no other host"
_DEAD = "{} is down; nothing can be migrated"
_RECREATE = """
UPDATE instance SET host = ?, state = 'active', state_before = '' WHERE id = ?
"""
_ON_DEAD_HOST = """
SELECT instance.* FROM instance JOIN host ON host.name = instance.host
WHERE instance.id = ? AND host.is_forced_down
"""
_LOST = """
SELECT instance.id FROM instance JOIN host ON host.name = instance.host
WHERE instance.project = ? AND host.is_forced_down ORDER BY instance.id
"""


class Simulated(base.Vim):
    """Hosts, instances, anti-affinity groups and what scales by itself.

    May be made before a fork, but not used before it.

    :param path: the file; made and filled if it does not exist.
    :param source: see :mod:`escalator.drivers.vim.inventory`; read only to
        fill a new file.
    :raises ConfigError: the inventory is refused.
    """

    def __init__(
        self, path: str, source: str | Mapping[str, Any] | None = None
    ) -> None:
        self.path = path
        self._storage = storage.Storage(path)
        self._storage.create(lambda db: _fill(db, inventory.read(source)))
        self.scaling = simulated_scaling.SimulatedScaling(self._storage, self.boot)

    @classmethod
    def from_conf(cls, conf: Any, broker: base.Broker) -> "Simulated":
        """Return the driver of ``[vim]``."""
        return cls(conf.vim.simulated_path, conf.vim.simulated_inventory)

    def list_hosts(self) -> list[base.VimHost]:
        """Return every host by name."""
        rows = self._storage.read("SELECT * FROM host ORDER BY name")
        return [_listed(row) for row in rows]

    def list_instances(self) -> list[base.VimInstance]:
        """Return every instance by id."""
        query = (
            "SELECT id, name, project, host, state, server_group"
            " FROM instance ORDER BY id"
        )
        return [base.VimInstance(*row) for row in self._storage.read(query)]

    def read_changes(self) -> int:
        """Return the number of the latest change."""
        return int(self._storage.read("SELECT number FROM change")[0][0])

    def set_scheduling(self, host: str, is_enabled: bool, reason: str) -> None:
        """Allow or refuse new instances on ``host`` (O-0d).

        Boots are placed in transactions of their own: once this has returned,
        none lands on a host that refuses.

        :raises NotFound: there is no such host.
        """
        with self._storage.change() as db:
            _host(db, host)
            db.execute(
                _SCHEDULING,
                {"host": host, "is_enabled": int(is_enabled), "reason": reason},
            )

    def drain(self, host: str, tell: base.Moved = base.tell_nobody) -> dict[str, str]:
        """Move every instance off ``host``, one transaction each (O-0c).

        :returns: instance id -> new host, of those moved by this call.
        :raises ActionFailed: one fits nowhere, or the host is forced down:
            what is dead is not migrated.  Those moved stay moved.
        :raises NotFound: there is no such host.
        """
        moved: dict[str, str] = {}
        total = sum(each.host == host for each in self.list_instances())
        while self._drain_one(host, moved):
            tell(len(moved), max(total, len(moved)))
        return moved

    def try_drain(self, host: str) -> list[str]:
        """Return what stands in the way of a drain now; changes nothing (V-3).

        The drain is carried out and rolled back; who fits nowhere is passed over.

        :raises NotFound: there is no such host.
        """
        with self._storage.trial() as db:
            is_dead = _host(db, host)["is_forced_down"]
            if is_dead and placement.residents(db, host):
                return [_DEAD.format(host)]
            return [_NOWHERE.format(each) for each in placement.empty(db, host)]

    def _drain_one(self, host: str, moved: dict[str, str]) -> bool:
        """Move one instance; False if the host is empty."""
        with self._storage.change() as db:
            is_dead = _host(db, host)["is_forced_down"]
            if not (there := placement.residents(db, host, 1)):
                return False
            (instance,) = there
            if is_dead:
                raise _stuck(_DEAD.format(host), moved)
            found = placement.find(db, instance["server_group"], host)
            if found is None:
                raise _stuck(_NOWHERE.format(instance["id"]), moved)
            placement.move(db, instance["id"], found)
        moved[instance["id"]] = found
        return True

    def mark_down(self, hosts: Sequence[str], is_down: bool) -> None:
        """Force hosts down with their instances, or undo it (DR-5, DR-10).

        :raises NotFound: a host is unknown; the others are marked.
        """
        with self._storage.change() as db:
            known = {row[0] for row in db.execute("SELECT name FROM host")}
            for host in hosts:
                values = {"host": host, "is_down": int(is_down)}
                db.execute(_FORCE, values)
                db.execute(_DOWN if is_down else _UP, values)
        for host in hosts:
            if host not in known:
                raise errors.NotFound(kind="host", id=host)

    def evacuate(self, instance_ids: Sequence[str]) -> dict[str, str]:
        """Recreate instances of dead hosts elsewhere, as their owners do.

        :returns: instance id -> new host, of those moved by this call; those
            on a host that is not marked down, or that fit nowhere, stay.
        """
        moved: dict[str, str] = {}
        with self._storage.change() as db:
            for instance_id in instance_ids:
                row = db.execute(_ON_DEAD_HOST, (instance_id,)).fetchone()
                found = row and placement.find(db, row["server_group"], row["host"])
                if found:
                    db.execute(_RECREATE, (found, instance_id))
                    moved[instance_id] = found
        return moved

    def evacuate_project(self, project: str) -> dict[str, str]:
        """Do so with everything that a project has on dead hosts."""
        lost = [row[0] for row in self._storage.read(_LOST, project)]
        return self.evacuate(lost) if lost else {}

    def boot(self, instance_id: str, project: str, server_group: str = "") -> str:
        """Place a new instance and return its host; a repeat only returns it.

        :raises ActionFailed: it fits nowhere.
        """
        with self._storage.change() as db:
            known = db.execute(_PLACE, (instance_id,)).fetchone()
            if known is not None:
                return str(known[0])
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
            for row in self._storage.read(
                "SELECT server_group, host, COUNT(*) FROM instance"
                " WHERE server_group != '' GROUP BY 1, 2 HAVING COUNT(*) > 1"
            )
        ]
        return broken + [
            f"instance {row[0]} is on unknown host {row[1]}"
            for row in self._storage.read(
                "SELECT id, host FROM instance"
                " WHERE host NOT IN (SELECT name FROM host)"
            )
        ]


def _host(db: sqlite3.Connection, name: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM host WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        raise errors.NotFound(kind="host", id=name)
    return row


def _listed(row: sqlite3.Row) -> base.VimHost:
    return base.VimHost(
        name=row["name"],
        address=row["address"],
        role=row["role"],
        rack=row["rack"],
        availability_zone=row["zone"],
        is_enabled=bool(row["is_enabled"]),
        is_forced_down=bool(row["is_forced_down"]),
        tags=tuple(json.loads(row["tags"])),
        groups=tuple(json.loads(row["groups"])),
        nics=json.loads(row["nics"]),
        facts={"capacity": row["capacity"], **json.loads(row["facts"])},
    )


def _stuck(reason: str, moved: Mapping[str, str]) -> errors.ActionFailed:
    return errors.ActionFailed(
        action="drain", reason=reason, result={"moved": dict(moved)}
    )


def _fill(
    db: sqlite3.Connection, content: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    db.executemany(
        "INSERT INTO host VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, '', 0, ?, ?)",
        [
            (
                host["name"],
                host.get("address", ""),
                host.get("role", "compute"),
                host.get("rack", ""),
                host.get("availability_zone", ""),
                json.dumps(host.get("tags", [])),
                json.dumps(host.get("groups", [])),
                host.get("capacity", inventory.CAPACITY),
                json.dumps(host.get("nics", {})),
                json.dumps(host.get("facts", {})),
            )
            for host in content["hosts"]
        ],
    )
    db.executemany(
        "INSERT INTO instance VALUES (?, ?, ?, ?, 'active', '', ?)",
        [
            (
                each["id"],
                each.get("name", each["id"][:8]),
                each["project"],
                each["host"],
                each.get("group", ""),
            )
            for each in content["instances"]
        ],
    )
    db.executemany(
        "INSERT INTO scaling VALUES (?, ?, ?, '{}')",
        [
            (each["name"], each["project"], int(each.get("enabled", True)))
            for each in content["scaling"]
        ],
    )
