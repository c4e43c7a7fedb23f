"""Many rows changed in one go, as fast as the database at hand allows."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]


def update_rows(
    connection: sa.Connection, table: sa.Table, changes: Mapping[str, Row]
) -> None:
    """Change many rows by id; rows with the same columns go in one statement."""
    batches: dict[tuple[str, ...], dict[str, Row]] = {}
    for row_id, values in changes.items():
        batches.setdefault(tuple(sorted(values)), {})[row_id] = values
    for names, rows in batches.items():
        if connection.dialect.name == "sqlite":
            _update_one_by_one(connection, table, names, rows)
        else:
            _update_at_once(connection, table, names, rows)


def _update_one_by_one(
    connection: sa.Connection,
    table: sa.Table,
    names: tuple[str, ...],
    rows: Mapping[str, Row],
) -> None:
    """No server, no round trips: one prepared statement for many rows."""
    connection.execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in names}),
        [
            {"row_id": row_id, **{f"new_{name}": values[name] for name in names}}
            for row_id, values in rows.items()
        ],
    )


def _update_at_once(
    connection: sa.Connection,
    table: sa.Table,
    names: tuple[str, ...],
    rows: Mapping[str, Row],
) -> None:
    """One round trip: a value that differs is looked up by the row's id."""
    changed: dict[str, Any] = {}
    for name in names:
        column = table.c[name]
        values = [row[name] for row in rows.values()]
        if all(value == values[0] for value in values):
            changed[name] = values[0]
        else:
            changed[name] = sa.case(
                {
                    row_id: sa.literal(row[name], type_=column.type)
                    for row_id, row in rows.items()
                },
                value=table.c.id,
            )
    connection.execute(
        sa.update(table).where(table.c.id.in_(list(rows))).values(changed)
    )
