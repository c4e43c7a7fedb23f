"""How many hosts a campaign may lose before it stops (``failure_budget``).

Source: E-2, R-2.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.db import session, signals
from escalator.domain import losses, states

Row = Mapping[str, Any]

_PARTS = {"target", "rack", "procedure"}


def judge(
    connection: session.Connection, campaign: Row, situation: admissions.Situation
) -> tuple[states.CampaignState, str] | None:
    """Return where the campaign has to go if it lost too many hosts, and why.

    A resumed campaign goes on until one more is quarantined.
    """
    lost = [
        row
        for slots in situation.slots.values()
        for row in slots.values()
        if row["state"] == states.SlotState.QUARANTINED
    ]
    hosts = sorted({row["host"] for row in lost})
    if not hosts:
        return None
    begun = {host for slots in situation.slots.values() for host in slots}
    limit = losses.allowed(situation.plan, situation.targets, begun)
    if limit is None or len(hosts) <= limit:
        return None
    if max(row["ended_at"] for row in lost) <= _accepted_at(connection, campaign):
        return None
    to = (
        states.CampaignState.ROLLING_BACK
        if situation.plan.on_fault.do == "rollback"
        else states.CampaignState.HOLDING
    )
    is_share = situation.plan.max_quarantined_percent is not None
    share = f" ({losses.text(situation.plan)})" if is_share else ""
    return to, (
        f"{len(hosts)} hosts are quarantined, failure_budget allows {limit}{share}:"
        f" {', '.join(hosts)}"
    )


def _accepted_at(connection: session.Connection, campaign: Row) -> float:
    """Return when an operator last resumed or started the whole campaign."""
    resumed = [
        note
        for kind in ("resume", "start")
        for note in signals.read_handled(connection, campaign["id"], kind)
    ]
    return max(
        (n["at"] for n in resumed if not _PARTS & n["arguments"].keys()),
        default=0.0,
    )
