"""Letting go of what a campaign kept: hosts, and what an undo would have needed.

Source: R-2, S-7: a campaign can be rolled back until it is committed.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import releases, session, tokens, work
from escalator.domain import commands, scaling, states

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


def with_held(
    engine: engines.Engine, connection: session.Connection, campaign: Row, reason: str
) -> str:
    """Return why a campaign ends; also, if so, that it leaves scaling held."""
    wanted = (scaling.HOLD, scaling.RELEASE)
    rows = releases.begun_steps(connection, campaign["id"], wanted)
    begun = [
        (row["procedure"], row["name"], row["action"], states.StepState(row["state"]))
        for row in rows
    ]
    if not begun or not scaling.is_held(engine.plan_of(connection, campaign), begun):
        return reason
    return (
        f"{reason}; scaling stays held: release it by a campaign with"
        f" {scaling.RELEASE}, holder: {campaign['id']}"
    )


def _tell_agents(
    connection: session.Connection, batch: batches.Batch, campaign_id: str
) -> None:
    for host, fences in releases.read_fences(connection, campaign_id).items():
        batch.cast(commands.ReleaseSteps(campaign_id, host, "node", fences))
