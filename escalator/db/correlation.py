"""Which stored faults have to do with each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import x733


def correlate(
    connection: sa.Connection,
    rows: Sequence[Mapping[str, Any]],
    project_id: str | None,
) -> dict[str, x733.Correlation]:
    """Return the correlation of these rows of the table of faults, by id.

    :param project_id: only faults that affect it are looked at, None: all.
    """
    if not rows:
        return {}
    table = models.fault
    since = min(row["raised_at"] for row in rows)
    query = sa.select(
        table.c.id,
        table.c.host,
        table.c.fault_type,
        table.c.raised_at,
        table.c.cleared_at,
    ).where(
        table.c.host.in_({row["host"] for row in rows}),
        sa.or_(table.c.cleared_at.is_(None), table.c.cleared_at > since),
    )
    if project_id is not None:
        mine = models.fault_project
        query = query.join(mine, mine.c.fault_id == table.c.id).where(
            mine.c.project_id == project_id
        )
    near = {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    near |= {row["id"]: dict(row) for row in rows}
    return x733.correlate(_occurrence(row) for row in near.values())


def _occurrence(row: Mapping[str, Any]) -> x733.Occurrence:
    return x733.Occurrence(
        row["id"], row["host"], row["fault_type"], row["raised_at"], row["cleared_at"]
    )
