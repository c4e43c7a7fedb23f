"""Letting go of what a campaign kept: hosts, and what an undo would have needed.

Source: R-2, S-7: a campaign can be rolled back until it is committed.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.db import releases, session, tokens, work
from escalator.domain import commands, states

Row = Mapping[str, Any]
State = states.CampaignState

_NO_WAY_BACK = frozenset({State.COMMITTED, State.CANCELLED})
_UNDONE = frozenset({State.ROLLED_BACK})


def let_go(connection: session.Connection, batch: batches.Batch, campaign: Row) -> None:
    """Free the hosts that the campaign will not touch any more.

    Once there is no way back, its checkpoints go as well, and the agents are told
    to forget what they found before their steps.
    """
    state = State(campaign["state"])
    left = (
        "reverted",
        "quarantined",
        "skipped",
        *(("done",) if state in states.ENDED else ()),
    )
    slots = work.read_slots(connection, campaign["id"])
    kept = {row["host"] for row in slots if row["state"] not in left}
    over = {row["host"] for row in slots} - kept
    if over:
        tokens.release_hosts(connection, campaign["id"], sorted(over))
    if state in _NO_WAY_BACK | _UNDONE:
        _tell_agents(connection, batch, campaign["id"])
    if state in _NO_WAY_BACK:
        releases.forget_checkpoints(connection, campaign["id"])


def _tell_agents(
    connection: session.Connection, batch: batches.Batch, campaign_id: str
) -> None:
    for host, fences in releases.read_fences(connection, campaign_id).items():
        batch.cast(commands.ReleaseSteps(campaign_id, host, "node", fences))
