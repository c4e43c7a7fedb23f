"""A change window opens to a system that passes a preflight (V-5, CM-1).

Hours or days may lie between two windows, and at night nobody watches: what the
report of the start, or of the last window, says is out of date.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import inquiring, preflight, window_report
from escalator.db import session
from escalator.domain import states

Row = Mapping[str, Any]


def look(
    preflights: preflight.Preflights,
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
) -> tuple[Row, admissions.Situation]:
    """Make the preflight that is due; returns both as it leaves them.

    While agents are asked, or mend something, nothing is begun.  A refusal holds the
    campaign once what is begun has ended, and asks an operator.  Not made while
    nothing is left to be begun.
    """
    if not situation.unchecked or not situation.waiting():
        return campaign, situation
    at = situation.hours, situation.now
    refusal = window_report.refusal(connection, campaign, *at)
    if not refusal:
        asked = inquiring.Asked(inquiring.GATE)
        refusal = preflights.make(connection, batch, campaign, asked)
        campaign, situation = admissions.heed_report(connection, campaign, situation)
    if refusal and not preflight.is_wait(refusal) and not _is_midway(situation):
        to = states.CampaignState.HOLDING
        campaign = preflights.engine.move_campaign(
            connection, batch, campaign, to, refusal
        )
    return campaign, situation


def _is_midway(situation: admissions.Situation) -> bool:
    return any(
        row["state"] in admissions.OPEN
        for slots in situation.slots.values()
        for row in slots.values()
    )
