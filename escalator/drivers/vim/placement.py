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


def find(db: sqlite3.Connection, server_group: str, leaving: str) -> str | None:
    """Return the least loaded host with room, or None.

    :param server_group: no host with a member of this group is taken.
    :param leaving: this host is not taken either.
    """
    row = db.execute(
        _FREE, {"server_group": server_group, "leaving": leaving}
    ).fetchone()
    return str(row[0]) if row else None
