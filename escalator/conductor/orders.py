"""From a claimed step's row to the command its agent gets."""

from collections.abc import Mapping
from typing import Any

from escalator.domain import campaign, commands, plan

Row = Mapping[str, Any]


def command_for(
    row: Row,
    procedure: plan.Procedure,
    undone: Row | None,
    checkpoints: Mapping[str, Any],
    is_resumed: bool,
    rerun: int,
) -> commands.RunStep:
    """Return the order for one attempt.

    :param row: the step as claimed, fence already raised.
    :param undone: for a revert, the row of the step that it undoes.
    :param checkpoints: checkpoint id -> content, of the same slot; for a restore,
        only that which is put back.
    :param rerun: how often the slot was undone and begun anew.
    """
    undo: dict[str, Any] = {}
    params: Mapping[str, Any] = {}
    progress_s = 0.0
    if row["intent"] != campaign.EVACUATE:
        step = next(each for each in procedure.steps if each.id == row["name"])
        params = step.params if undone is None else step.undo[0].params
        progress_s = step.progress_s if undone is None else 0.0
    if undone is not None:
        undo = {
            "record": commands.record_of(undone["id"], rerun),
            "result": undone["result"] or {},
            "checkpoint": dict(checkpoints),
        }
    elif row["intent"] == campaign.RESTORE:
        undo = {"checkpoint": dict(checkpoints)}
    return commands.RunStep(
        step_id=row["id"],
        campaign_id=row["campaign_id"],
        host=row["host"],
        executor=row["executor"],
        kind=row["kind"],
        intent=row["intent"],
        action=row["action"],
        params=dict(params),
        attempt=row["attempt"],
        fence=row["fence"],
        idempotence=row["idempotence"],
        is_resumed=is_resumed,
        timeout_s=row["timeout_s"],
        deadline_at=row["hard_at"],
        undo=undo,
        rerun=rerun,
        progress_s=progress_s,
    )


def stop_for(row: Row, reason: str) -> commands.StopStep:
    """Return the order to end the programs of a step's current attempt."""
    return commands.StopStep(
        step_id=row["id"],
        campaign_id=row["campaign_id"],
        host=row["host"],
        executor=row["executor"],
        attempt=row["attempt"],
        fence=row["fence"],
        reason=reason,
    )


def probe_for(row: Row) -> commands.ProbeStep:
    """Return the question what became of a step's current attempt."""
    return commands.ProbeStep(
        step_id=row["id"],
        campaign_id=row["campaign_id"],
        host=row["host"],
        executor=row["executor"],
        attempt=row["attempt"],
        fence=row["fence"],
    )
