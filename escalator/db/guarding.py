"""Rows that the guard counts by itself (V-2)."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from escalator.db import fetching, models

Row = Mapping[str, Any]


def read_hosts(connection: sa.Connection, names: Collection[str]) -> dict[str, Row]:
    """Return host -> is_listed, is_quarantined and campaign_id."""
    host = models.host.c
    query = sa.select(
        host.name, host.is_listed, host.is_quarantined, host.campaign_id
    ).where(host.name.in_(names))
    return {row["name"]: row for row in fetching.fetch(connection, query)}


def read_slots_in(
    connection: sa.Connection, campaign_ids: Collection[str], states: Collection[str]
) -> list[Row]:
    """Return id, procedure, host, server groups and owners' limits of slots."""
    slot = models.slot.c
    columns = (slot.id, slot.procedure, slot.host, slot.server_groups, slot.declared)
    query = sa.select(*columns).where(
        slot.campaign_id.in_(campaign_ids), slot.state.in_(states)
    )
    return fetching.fetch(connection, query)


def read_others(
    connection: sa.Connection,
    campaign_id: str,
    hosts: Collection[str],
    states: Collection[str],
) -> dict[str, str]:
    """Return host -> another campaign under way with a slot there in these states."""
    slot, campaign = models.slot.c, models.campaign.c
    query = (
        sa.select(slot.host, slot.campaign_id)
        .join(models.campaign, campaign.id == slot.campaign_id)
        .where(
            slot.host.in_(hosts),
            slot.campaign_id != campaign_id,
            slot.state.in_(states),
            campaign.state.in_([state.value for state in fetching.ACTIVE]),
        )
    )
    return {row[0]: row[1] for row in connection.execute(query)}
