"""What is stored of hosts' faults and of what a campaign did to them when."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from escalator.db import models
from escalator.domain import attribution, impact

Row = Mapping[str, Any]


def read_beginning(connection: sa.Connection) -> float | None:
    """Return since when anything is recorded at all, epoch seconds, or None."""
    fault = sa.select(sa.func.min(models.fault.c.raised_at))
    campaign = sa.select(sa.func.min(models.campaign.c.created_at))
    found = [connection.execute(query).scalar() for query in (fault, campaign)]
    return min((at for at in found if at is not None), default=None)


def read_spells(
    connection: sa.Connection, hosts: Collection[str], since: float
) -> dict[str, list[attribution.Spell]]:
    """Return host -> when faults took it down that no step of ours explains."""
    fault = models.fault.c
    query = sa.select(fault.host, fault.raised_at, fault.cleared_at).where(
        fault.raised_at >= since,
        fault.fault_type.in_(sorted(impact.TAKES_HOST_DOWN)),
        fault.is_expected.is_(False),
    )
    found: dict[str, list[attribution.Spell]] = {}
    for host, raised_at, cleared_at in connection.execute(query):
        if host in hosts:
            spell = attribution.Spell(raised_at, cleared_at)
            found.setdefault(host, []).append(spell)
    return found


def read_marks(
    connection: sa.Connection, campaign_id: str, since: float
) -> dict[tuple[str, str], float]:
    """Return (host, slot state) -> when it was first reached since ``since``."""
    line = models.journal.c
    query = (
        sa.select(line.host, line.to_state, sa.func.min(line.at))
        .where(
            line.campaign_id == campaign_id,
            line.object_type == "slot",
            line.to_state.in_(("active", "done")),
            line.at >= since,
        )
        .group_by(line.host, line.to_state)
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}
