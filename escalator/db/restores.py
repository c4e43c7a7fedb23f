"""What a step recorded of its target, to be put back (R-1)."""

from typing import Any

import sqlalchemy as sa

from escalator.db import models


def read_content(connection: sa.Connection, step_id: str) -> Any:
    """Return the checkpoint that a step took, None if it is not kept any more."""
    table = models.checkpoint
    query = sa.select(table.c.content).where(table.c.step_id == step_id)
    return connection.execute(query).scalar()
