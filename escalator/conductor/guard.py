"""The guard: what is about to be committed, held against the invariants (V-2).

It asks neither tokens nor admission, but counts the rows as they will be.  An order
that no host may get is withdrawn; a look that would break a limit is undone as a
whole.  Either way nothing is sent, and the campaign holds with the reason.
"""

from collections.abc import Mapping
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.conductor import sharing
from escalator.db import guarding, session, work
from escalator.domain import campaign as rules
from escalator.domain import events, invariants, states

Row = Mapping[str, Any]
State = states.CampaignState


class Breach(Exception):
    """Committing would break an invariant; the transaction has to be undone."""


def withdraw(connection: session.Connection, batch: batches.Batch) -> None:
    """Take back orders to hosts that may get none; to be called before a write."""
    if not batch.orders:
        return
    names = {row["host"] for row, _ in batch.orders}
    hosts = guarding.read_hosts(connection, names)
    for row, message in batch.orders:
        found = invariants.check_host(
            row["host"], hosts.get(row["host"]), row["campaign_id"]
        )
        if not found:
            continue
        batch.messages.remove(message)
        batch.move_step(row, rules.Move(row["id"], states.StepState.READY))
        reason = f"waits: {found}"
        held = rules.Move(row["id"], states.StepState.HELD, reason)
        batch.move_step(row, held)
        asked = rules.Escalation(
            "hold", "campaign", row["procedure"], _told(found), events.Severity.CRITICAL
        )
        batch.signals.append((row["campaign_id"], asked))


def check(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
) -> None:
    """Judge a look whose rows are written and not yet committed.

    :param situation: the inventory that the look has read.
    :raises Breach: the whole transaction has to be undone.
    """
    lines = {line["slot_id"]: line for line in batch.lines if _goes_out(line)}
    if not lines:
        return
    made = situation.others.join(situation.plan)
    own = sharing.read_own(connection, campaign["id"], made.budgets)
    fresh = {slot_id: each for slot_id, each in own.items() if slot_id in lines}
    hosts = {each.host for each in fresh.values()}
    out = [*own.values(), *situation.others.out]
    found = invariants.check_out(hosts, out, made, situation.counted)
    others = guarding.read_others(connection, campaign["id"], hosts, invariants.OUT)
    found += [
        f"guard.campaigns: campaign {other} works on {host} too"
        for host, other in sorted(others.items())
    ]
    active = states.SlotState.ACTIVE
    begun = {e.host for slot, e in fresh.items() if lines[slot]["to_state"] == active}
    found += invariants.check_windows(begun, situation.plan.windows, batch.now)
    if _undoes_everything(campaign):
        counts = work.count_slots(connection, campaign["id"])
        undone = {
            each.procedure
            for slot_id, each in fresh.items()
            if lines[slot_id]["to_state"] == states.SlotState.REVERTING
        }
        found += invariants.check_levels(undone, counts, situation.plan)
    if found:
        raise Breach("; ".join(found))


def _undoes_everything(campaign: Row) -> bool:
    return (
        campaign["state"] == State.ROLLING_BACK
        and campaign["rollback_scope"] != "procedure"
    )


def _goes_out(line: Row) -> bool:
    return (
        line["object_type"] == "slot"
        and line["to_state"] in invariants.OUT
        and line["from_state"] not in invariants.OUT
    )


@session.retry_on_conflict
def hold(engine: engines.Engine, campaign_id: str, breach: Breach) -> None:
    """Stop a campaign after its look was undone, and tell its owner at once."""
    with engine.database.begin() as connection:
        campaign = work.read_campaign(connection, campaign_id, "write")
        batch = engine.batch(connection)
        if campaign is None:
            return
        state = State(campaign["state"])
        if State.HOLDING in states.CAMPAIGN_MOVES[state]:
            engine.move_campaign(
                connection,
                batch,
                campaign,
                State.HOLDING,
                _told(str(breach)),
                severity=events.Severity.CRITICAL,
            )
        batch.write(connection)
    engine.send(batch.messages)


def _told(found: str) -> str:
    return f"the guard stopped it, nothing was sent: {found}"
