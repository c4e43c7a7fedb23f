"""Reading what the other campaigns under way limit, and have out (CM-5, P-4b)."""

import dataclasses
from collections.abc import Collection, Iterable

from escalator.conductor import engine as engines
from escalator.db import guarding, session, tokens, work
from escalator.domain import budget, draining, invariants, sharing
from escalator.domain import plan as plans


def read(
    engine: engines.Engine,
    connection: session.Connection,
    campaign_id: str,
    mine: plans.Plan,
) -> sharing.Others:
    """Return the limits of the others, and the hosts that they have out."""
    rows = work.list_under_way(connection, campaign_id)
    if not rows:
        return sharing.Others()
    made = {row["id"]: engine.plan_of(connection, row) for row in rows}
    limits = tuple(
        limit for name, each in made.items() for limit in sharing.limits_of(name, each)
    )
    out = _read_out(connection, made, (*mine.budgets, *limits))
    theirs = (dataclasses.replace(each, procedure="") for each in out.values())
    return sharing.Others(limits, tuple(theirs))


def read_own(
    connection: session.Connection, campaign_id: str, limits: Iterable[plans.Budget]
) -> dict[str, invariants.Out]:
    """Return slot id -> what a campaign has out itself.

    :param limits: the budgets that are to be judged.
    """
    return _read_out(connection, [campaign_id], limits)


def _read_out(
    connection: session.Connection,
    campaign_ids: Collection[str],
    limits: Iterable[plans.Budget],
) -> dict[str, invariants.Out]:
    rows = guarding.read_slots_in(connection, campaign_ids, invariants.OUT)
    busy: set[str] = set()
    if draining.budgets(limits):
        busy = tokens.draining_slots(connection, campaign_ids, draining.ACTIONS)
    return {
        row["id"]: invariants.Out(
            row["host"],
            row["procedure"],
            tuple(row["server_groups"]),
            tuple((owner, most) for owner, most in row["declared"]),
            row["id"] in busy,
        )
        for row in rows
    }


def read_holds(
    connection: session.Connection,
    campaign_id: str,
    made: plans.Plan,
    others: sharing.Others,
    targets: Iterable[plans.Target],
) -> list[budget.Hold]:
    """Return the tokens that count for a campaign: its own, and what others have out.

    Those of migrations count only until the drain is over.
    """
    rows = tokens.read_holds(connection, campaign_id)
    if limited := draining.budgets(made.budgets):
        busy = tokens.draining_slots(connection, [campaign_id], draining.ACTIONS)
        rows = [r for r in rows if r["budget"] not in limited or r["slot_id"] in busy]
    found = [budget.Hold(row["target"], row["budget"], row["key"]) for row in rows]
    if others.budgets or others.out:
        known = {target.name: target for target in targets}
        own = read_own(connection, campaign_id, others.budgets)
        found += sharing.holds(others.budgets, own.values(), known)
        found += sharing.holds((*made.budgets, *others.budgets), others.out, known)
    return found
