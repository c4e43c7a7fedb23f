"""Whose instances are on which host, as the VIM lists them."""

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import relocation


def read(connection: sa.Connection) -> dict[str, list[relocation.Resident]]:
    """Return host -> its instances; hosts without any are not in it."""
    host = models.host.c
    query = sa.select(host.name, host.residents).where(host.is_listed)
    return {
        name: [relocation.Resident(*each) for each in residents]
        for name, residents in connection.execute(query)
        if residents
    }
