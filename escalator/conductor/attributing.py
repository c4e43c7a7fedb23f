"""Faults of upgraded hosts, compared with those of the others.

Source: P-4d, R-0; see ``domain.attribution``.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from escalator.db import attributing, session, tokens, work
from escalator.domain import attribution, plan, selector, states

Row = Mapping[str, Any]

_UPGRADED = (states.SlotState.DONE, states.SlotState.QUARANTINED)
_UNTOUCHED = "unrelated: the campaign has not changed this host"


def judge(
    connection: session.Connection,
    campaign: Row,
    made: plan.Plan,
    slots: Sequence[Row],
    failing: Collection[str],
    now: float,
) -> attribution.Verdict | None:
    """Say whether the fault of a host has to do with the campaign.

    :param slots: of the campaign on this host.
    :param failing: the hosts of which faults are told at this moment.
    :returns: None if the file does not ask for it, or a step is under way there:
        then its policy alone decides.
    """
    if not made.attribution:
        return None
    found = {row["state"] for row in slots} - {states.SlotState.REVERTED.value}
    if not found:
        return attribution.Verdict(False, 1.0, _UNTOUCHED)
    if found != {states.SlotState.DONE.value}:
        return None
    wanted = made.attribution[0]
    known_since = attributing.read_beginning(connection)
    since = max(now - wanted.history_s, now if known_since is None else known_since)
    lives = _lives(connection, campaign, made, failing, since, now)
    upgraded, base = attribution.count(lives, since, now)
    return attribution.judge(upgraded, base, wanted.significance)


def _lives(
    connection: session.Connection,
    campaign: Row,
    made: plan.Plan,
    failing: Collection[str],
    since: float,
    now: float,
) -> list[attribution.Life]:
    """Return the hosts that the campaign selects or has worked on."""
    rows = work.read_slots(connection, campaign["id"])
    upgraded = {row["host"] for row in rows if row["state"] in _UPGRADED}
    targets = tokens.read_targets(connection, campaign["id"], 0.0)
    hosts = {row["host"] for row in rows} | {
        target.name
        for each in made.procedures
        for target in selector.select(made.selector(each.selector), targets)
    }
    begun_at = campaign["started_at"] or 0.0
    marks = attributing.read_marks(connection, campaign["id"], begun_at)
    spells = attributing.read_spells(connection, hosts, since)
    for host in hosts & set(failing):
        spells.setdefault(host, []).append(attribution.Spell(now, None))
    return [
        attribution.Life(
            host,
            marks.get((host, "active")),
            marks.get((host, "done")) if host in upgraded else None,
            attribution.outages(spells.get(host, ())),
        )
        for host in sorted(hosts)
    ]
