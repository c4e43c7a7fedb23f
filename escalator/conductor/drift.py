"""Hosts that join or leave while a campaign waits or runs (P-4a, rule 8).

Every difference is a plan revision.  Beyond what the file's ``on_drift`` lets pass
the revision awaits an approval, and nothing is begun until it has it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import revisions, session, work
from escalator.domain import plan, revision, selector, states

Row = Mapping[str, Any]


def note(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
) -> Row:
    """Write a revision if hosts joined or left; return the campaign's row."""
    before = revisions.read_targets(connection, campaign["id"], campaign["plan_rev"])
    if members(situation) == set(before):
        return campaign
    return write(connection, batch, campaign, situation, [])


def judge(
    connection: session.Connection, campaign: Row
) -> tuple[states.CampaignState, str] | None:
    """Return where the campaign has to go if its revision is not approved, and why."""
    reason = awaited(connection, campaign)
    return (states.CampaignState.HOLDING, reason) if reason else None


def awaited(connection: session.Connection, campaign: Row) -> str:
    """Return what the campaign waits for if its revision is not approved, or ""."""
    rev = campaign["plan_rev"]
    why = revisions.read_waiting(connection, campaign["id"], rev)
    if not why:
        return ""
    return (
        f"waits: revision {rev} is not approved: {why}; look at it with campaign"
        f" revisions, then campaign approve --revision {rev}"
    )


def write(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
    changed: Sequence[str],
    author: str = "",
) -> Row:
    """Write a revision with the situation's plan and hosts; return the campaign.

    :param changed: what an operator changed, in words.
    :param author: that operator; empty: the inventory changed.
    """
    own = campaign["id"]
    known = revisions.read_all(connection, own)
    before, present = set(known[-1]["targets"]), members(situation)
    diff = {"joined": sorted(present - before), "left": sorted(before - present)}
    if changed:
        diff["changed"] = list(changed)
    approved = next((row for row in reversed(known) if row["approved_by"]), known[0])
    drifted = [
        row["diff"]
        for row in known
        if row["rev"] > approved["rev"] and not row["author"]
    ]
    rev = campaign["plan_rev"] + 1
    revisions.add(
        connection,
        own,
        rev,
        engines.PLAN_CODEC.encode(situation.plan),
        sorted(present),
        diff,
        batch.now,
        author=author,
        awaits=revision.awaits(
            situation.plan.on_drift,
            drifted if author else [*drifted, diff],
            approved["targets"],
            present,
        ),
    )
    work.update_campaign(connection, own, batch.now, plan_rev=rev)
    told = "; ".join(f"{word}: {', '.join(diff[word])}" for word in diff if diff[word])
    batch.journal(own, "plan", str(rev), str(rev - 1), str(rev), told)
    return {**campaign, "plan_rev": rev}


def members(situation: admissions.Situation) -> set[str]:
    """Return the hosts that the campaign is about: chosen now, or begun.

    How a host is at the moment does not matter: one that is down or quarantined
    would be chosen if it were sound.
    """
    found: set[str] = set()
    sound = [
        dataclasses.replace(each, is_up=True, is_quarantined=False)
        for each in situation.targets
        if not each.is_up or each.is_quarantined
    ]
    for procedure in situation.plan.procedures:
        slots = situation.slots.get(procedure.id, {})
        chosen = situation.selected(procedure) + _select(situation, procedure, sound)
        names = {target.name for target in chosen} | set(slots)
        found |= {name for name in names if not _is_skipped(slots.get(name))}
    return found & {target.name for target in situation.targets}


def _select(
    situation: admissions.Situation,
    procedure: plan.Procedure,
    targets: list[plan.Target],
) -> list[plan.Target]:
    return selector.select(situation.plan.selector(procedure.selector), targets)


def _is_skipped(slot: Row | None) -> bool:
    return slot is not None and slot["state"] == states.SlotState.SKIPPED
