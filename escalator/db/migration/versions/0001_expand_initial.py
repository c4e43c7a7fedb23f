"""Every table of release 0.1, and the latch that admissions take.

Guarded by inspection: DDL is not transactional everywhere, so a revision that
was interrupted is simply run again.
"""

import sqlalchemy as sa
from alembic import op

from escalator.db.migration import tables_0_1

revision = "0001e"
down_revision = None
branch_labels = ("expand",)
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    present = sa.inspect(connection)
    known = set(present.get_table_names())
    for table in tables_0_1.metadata.sorted_tables:
        if table.name not in known:
            table.create(connection)
            continue
        there = {index["name"] for index in present.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in there:
                index.create(connection)
    latch = tables_0_1.metadata.tables["latch"]
    if connection.execute(sa.select(latch.c.name)).first() is None:
        connection.execute(sa.insert(latch).values(name="admission"))
