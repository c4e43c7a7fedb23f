"""How long a step may take, reckoned from its host when it begins (P-4a, P-4e).

Rows hold numbers: a step that is repeated, undone or restored keeps what it got with
its first order.  An undone slot that runs again gets them anew.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from escalator.domain import campaign, plan, timing

Row = Mapping[str, Any]


def scaled_step(row: Row, procedure: plan.Procedure) -> plan.Step | None:
    """Return the step of a row that begins, if its times depend on its host.

    :param row: as it is before the order.
    """
    if row["intent"] != "run" or row["hard_at"] is not None:
        return None
    step = next(each for each in procedure.steps if each.id == row["name"])
    return step if step.expected or step.timeout else None


def times(step: plan.Step, instances: int) -> dict[str, float]:
    """Return the times of a step, as its row holds them."""
    found = timing.with_instances(step, instances)
    return {"expected_s": found.expected_s, "timeout_s": found.timeout_s}


def given(
    procedure: plan.Procedure, slot: campaign.SlotView, rows: Mapping[str, Row]
) -> plan.Procedure:
    """Return the procedure with the times that its steps got on the slot's host.

    :param rows: step id -> row, of the slot at least.
    """
    if timing.is_constant(procedure):
        return procedure
    got = {each.name: rows[each.id] for each in slot.steps if each.intent == "run"}
    steps = [
        dataclasses.replace(
            each,
            expected_s=got[each.id]["expected_s"],
            timeout_s=got[each.id]["timeout_s"],
        )
        for each in procedure.steps
    ]
    return dataclasses.replace(procedure, steps=tuple(steps))
