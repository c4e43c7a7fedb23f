"""Whose instances are on which host, as the VIM lists them."""

from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import relocation

Listed = Mapping[tuple[str, str, str], int]
"""(host, project, server group or "") -> instances."""


def sync(connection: sa.Connection, listed: Listed) -> bool:
    """Make the rows equal to what the VIM lists; True if something changed."""
    table = models.resident
    known = Counter(
        {
            (row.host, row.project_id, row.server_group): row.instances
            for row in connection.execute(sa.select(table))
        }
    )
    if known == Counter(listed):
        return False
    connection.execute(sa.delete(table))
    if listed:
        rows = [
            {"host": h, "project_id": p, "server_group": g, "instances": count}
            for (h, p, g), count in sorted(listed.items())
        ]
        connection.execute(sa.insert(table), rows)
    return True


def read(connection: sa.Connection) -> dict[str, list[relocation.Resident]]:
    """Return host -> its instances; hosts without any are not in it."""
    table = models.resident
    query = sa.select(table).order_by(*table.primary_key.columns)
    found: dict[str, list[relocation.Resident]] = {}
    for row in connection.execute(query):
        resident = relocation.Resident(row.project_id, row.server_group, row.instances)
        found.setdefault(row.host, []).append(resident)
    return found
