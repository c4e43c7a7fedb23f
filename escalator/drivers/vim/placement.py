"""Where the simulated VIM puts an instance."""

import sqlite3

_FREE = """
SELECT host.name FROM host LEFT JOIN instance ON instance.host = host.name
WHERE host.role = 'compute' AND host.is_enabled AND NOT host.is_forced_down
  AND host.name != :leaving
  AND host.name NOT IN (
      SELECT host FROM instance
      WHERE :server_group != '' AND server_group = :server_group)
GROUP BY host.name HAVING COUNT(instance.id) < host.capacity
ORDER BY COUNT(instance.id), host.name LIMIT 1
"""
_RESIDENTS = """
SELECT id, server_group FROM instance WHERE host = ? ORDER BY id LIMIT ?
"""
_ALL = -1
_MOVE = "UPDATE instance SET host = ? WHERE id = ?"


def find(db: sqlite3.Connection, server_group: str, leaving: str) -> str | None:
    """Return the least loaded host with room, or None.

    :param server_group: no host with a member of this group is taken.
    :param leaving: this host is not taken either.
    """
    row = db.execute(
        _FREE, {"server_group": server_group, "leaving": leaving}
    ).fetchone()
    return str(row[0]) if row else None


def residents(db: sqlite3.Connection, host: str, most: int = _ALL) -> list[sqlite3.Row]:
    """Return id and group of the instances on a host, in the order they leave."""
    return db.execute(_RESIDENTS, (host, most)).fetchall()


def move(db: sqlite3.Connection, instance_id: str, host: str) -> None:
    """Put an instance on a host."""
    db.execute(_MOVE, (host, instance_id))


def empty(db: sqlite3.Connection, host: str) -> list[str]:
    """Move every instance off a host that fits elsewhere; return who does not."""
    left = []
    for each in residents(db, host):
        found = find(db, each["server_group"], host)
        if found is None:
            left.append(str(each["id"]))
        else:
            move(db, each["id"], found)
    return left
