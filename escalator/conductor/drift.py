"""Hosts that join or leave while a campaign runs (P-4a, architecture rule 8)."""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.db import session, work

Row = Mapping[str, Any]


def note(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
) -> None:
    """Write a plan revision when hosts joined or left (P-4a, rule 8)."""
    before = set(
        work.read_plan_targets(connection, campaign["id"], campaign["plan_rev"])
    )
    now_there = {target.name for target in situation.targets} & (
        selected_names(situation) | before
    )
    if now_there == before:
        return
    stored = work.read_plan(connection, campaign["id"], campaign["plan_rev"])
    if stored is None:
        return
    rev = campaign["plan_rev"] + 1
    diff = {
        "joined": sorted(now_there - before),
        "left": sorted(before - now_there),
    }
    work.add_plan(
        connection,
        campaign["id"],
        rev,
        stored["plan"],
        sorted(now_there),
        diff,
        batch.now,
    )
    work.update_campaign(connection, campaign["id"], batch.now, plan_rev=rev)
    batch.journal(
        campaign["id"],
        "plan",
        str(rev),
        str(rev - 1),
        str(rev),
        f"joined: {diff['joined']}; left: {diff['left']}",
    )


def selected_names(situation: admissions.Situation) -> set[str]:
    """Return the hosts that any procedure selects now."""
    return {
        target.name
        for procedure in situation.plan.procedures
        for target in situation.selected(procedure)
    }
