"""Moving the instances off a host that is about to be given up (P-4c).

The host lives, or a fault would have given it up already: its instances are
migrated, and nothing new lands there.
"""

from typing import Any

from escalator.conductor import batch as batches
from escalator.domain import campaign, plan

STEP = plan.Step(
    id="evacuate",
    kind="action",
    action="vim.vacate",
    executor="vim",
    params={},
    expected_s=120.0,
    timeout_s=1800.0,
    idempotence=plan.Idempotence.NATURAL,
    is_mutating=False,
)

_SEQ = 999
"""After every step of a file, before every undo."""


def add_step(
    batch: batches.Batch, campaign_id: str, slot: campaign.SlotView
) -> dict[str, Any]:
    """Add the step that empties the slot's host, ready; return its row."""
    (row,) = batches.rows_of_steps(
        [STEP], campaign_id, slot.id, slot.procedure, slot.host, batch.now
    )
    row.update(seq=_SEQ, intent=campaign.EVACUATE)
    batch.new_steps.append(row)
    return row
