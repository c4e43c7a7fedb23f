"""What a preflight looks at, read at one moment (V-3 to V-7).

Rules: ``domain.preflight``.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from escalator.conductor import admission as admissions
from escalator.conductor import batch as batches
from escalator.conductor import engine as engines
from escalator.db import fetching, preflights, session
from escalator.db import preflight_orders as stored
from escalator.domain import (
    ability,
    collection,
    commands,
    ordering,
    plan,
    remedies,
    states,
)
from escalator.domain import preflight as rules

Row = Mapping[str, Any]

SERVICE_SILENT_S = 60.0

_BEFORE = frozenset(
    {
        states.CampaignState.VALIDATED,
        states.CampaignState.APPROVED,
        states.CampaignState.SCHEDULED,
        states.CampaignState.PREFLIGHT,
        states.CampaignState.ROLLED_BACK,
    }
)
"""States in which a campaign has nothing under way."""

_SETTLED = frozenset({states.SlotState.DONE.value, states.SlotState.QUARANTINED.value})
_UNTOUCHED = _SETTLED | {
    states.SlotState.REVERTED.value,
    states.SlotState.SKIPPED.value,
}


def look(
    engine: engines.Engine,
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    situation: admissions.Situation,
    orders: Sequence[Row],
) -> rules.Sight:
    """Return everything that a preflight judges.

    :param orders: rows of its questions and remedies.
    """
    answers = _answers(orders, "node")
    todo = {
        procedure: [
            dataclasses.replace(each, facts={**each.facts, **answers[each.name].facts})
            if each.name in answers
            else each
            for each in targets
        ]
        for procedure, targets in _todo(situation).items()
    }
    silent_before = batch.now - engine.settings.agent_silent_s
    busy = preflights.busy_hosts(connection, campaign["id"])
    midway = _midway(situation)
    names = {target.name for row in todo.values() for target in row}
    following = ordering.next_procedures(situation.plan.procedures, situation.done())
    return rules.Sight(
        made=situation.plan,
        targets=situation.targets,
        todo=todo,
        begun=situation.begun(),
        busy=busy,
        faults=preflights.open_faults(connection, names),
        alarms=preflights.open_alarms(connection, campaign["id"]),
        vim_trouble=engine.vim_trouble,
        services=preflights.lost_services(connection, batch.now - SERVICE_SILENT_S),
        is_first=campaign["state"] in _BEFORE,
        next_ids=frozenset(each.id for each in following),
        questions=_questions(situation, todo, {*busy, *midway}),
        answers=answers,
        drains=_drains(situation, todo, {*busy, *midway}),
        vim_answers=_answers(orders, "vim"),
        midway=midway,
        is_mended=any(row["intent"] == commands.REMEDY for row in orders),
        remedied={
            (row["about"], row["host"]): _mended(row)
            for row in orders
            if row["intent"] == commands.REMEDY
        },
        vim_agents=stored.read_vim_agents(connection, silent_before),
        is_vim_silent=stored.are_vim_agents_silent(connection, silent_before),
    )


def _todo(situation: admissions.Situation) -> dict[str, list[plan.Target]]:
    return {
        procedure.id: [
            target
            for target in situation.matching(procedure)
            if not _is_settled(situation, procedure.id, target.name)
        ]
        for procedure in situation.plan.procedures
    }


def _midway(situation: admissions.Situation) -> frozenset[str]:
    return frozenset(
        host
        for slots in situation.slots.values()
        for host, row in slots.items()
        if row["state"] not in _UNTOUCHED
    )


def _questions(
    situation: admissions.Situation,
    todo: Mapping[str, Sequence[plan.Target]],
    apart: Collection[str],
) -> dict[str, rules.Question]:
    """Return what is asked of whom; those that are done only tell figures (V-6).

    :param apart: hosts on which something may be at work: they are not asked.
    """
    made = situation.plan
    deeds = ability.questions(made, todo)
    kinds = collection.wanted(made.preflight)
    selected = {
        each.id: situation.matching(each) if kinds else todo.get(each.id, ())
        for each in made.procedures
    }
    return {
        host: {"deeds": deeds.get(host, ()), "collect": kinds}
        for host in _able(selected, apart)
        if kinds or host in deeds
    }


def _drains(
    situation: admissions.Situation,
    todo: Mapping[str, Sequence[plan.Target]],
    apart: Collection[str],
) -> dict[str, rules.Question]:
    """Return what the VIM is asked about which host (V-3).

    :param apart: hosts on which something may be at work.
    """
    deeds = ability.drains(situation.plan, todo)
    return {
        host: {"deeds": deeds[host]} for host in _able(todo, apart) if host in deeds
    }


def _able(
    selected: Mapping[str, Sequence[plan.Target]], apart: Collection[str]
) -> list[str]:
    """Return the hosts about which it makes sense to ask."""
    return sorted(
        {
            target.name
            for targets in selected.values()
            for target in targets
            if target.is_up
            and target.has_agent
            and not target.is_quarantined
            and target.name not in apart
        }
    )


def _answers(orders: Sequence[Row], executor: str) -> dict[str, ability.Answer]:
    """Return the latest answer about each host, of its own agent or of the VIM's."""
    found = {}
    for row in orders:
        if row["intent"] != commands.ASK or row["state"] in remedies.OPEN:
            continue
        if row["executor"] != executor:
            continue
        result = row["result"] or {}
        found[row["host"]] = ability.Answer(
            tuple(result.get("obstacles", ())),
            row["detail"] if row["state"] == remedies.FAILED else "",
            result.get("facts", {}),
            {
                kind: ability.Told(told["figures"], told["trouble"])
                for kind, told in result.get("collected", {}).items()
            },
        )
    return found


def _mended(row: Row) -> str:
    """Say for people what was done on a host, and how it ended."""
    at = fetching.instant(row["ended_at"])
    when = f" at {at.isoformat(timespec='seconds')}" if at else ""
    end = f"failed: {row['detail']}" if row["state"] == remedies.FAILED else "done"
    return f"remedy {row['action']} {end}{when}"


def _is_settled(situation: admissions.Situation, procedure: str, host: str) -> bool:
    row = situation.slots.get(procedure, {}).get(host)
    return row is not None and row["state"] in _SETTLED
