"""What a preflight asks of agents and has them mend: rows and orders together.

Every order is a row in the transaction that owes it to the bus; a report moves the
row by compare-and-set.  An agent that does not answer in time is answered for.
Source: architecture section 3, rules 2 to 5; V-3, V-7.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from escalator import errors
from escalator.conductor import batch as batches
from escalator.db import preflight_orders as stored
from escalator.db import session, tokens, work
from escalator.domain import commands, events, plan, remedies, states

Row = Mapping[str, Any]

GATE = "gate"
"""Verb of a wait that the opening of a gate or window began: no person waits for it."""

_PERSONS = ("start", "resume", "approve")


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """For what a preflight is made.

    :ivar verb: ``preflight``, ``start``, ``resume``, ``approve`` or :data:`GATE`.
    :ivar is_again: the agents have answered; the verb is carried out again.
    """

    verb: str
    arguments: Row = dataclasses.field(default_factory=dict)
    actor: str = ""
    is_again: bool = False


def take(
    connection: session.Connection, batch: batches.Batch, campaign: Row, asked: Asked
) -> list[Row] | None:
    """Return the questions and remedies of the preflight under way.

    A verb takes over what a plain preflight or a gate began; a gate takes nothing
    over: None, its turn comes later.

    :raises Conflict: another verb waits for it.
    """
    wait = stored.read_wait(connection, campaign["id"])
    if wait is None:
        return []
    if asked.verb == GATE and wait["verb"] != GATE:
        return None
    if not asked.is_again and asked.verb != GATE and asked.verb != wait["verb"]:
        if wait["verb"] in _PERSONS:
            raise errors.Conflict(
                f"A preflight for {wait['verb']} is under way; it goes on by itself."
            )
        if asked.verb in _PERSONS:
            begin(connection, batch, campaign, asked, wait["at_once"])
    return stored.read_orders(connection, campaign["id"])


def begin(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    asked: Asked,
    at_once: int,
) -> None:
    """Keep the verb: it is carried out once the agents have answered.

    :param at_once: hosts that are mended at once at most.
    """
    stored.put_wait(
        connection,
        {
            "campaign_id": campaign["id"],
            "verb": asked.verb,
            "arguments": dict(asked.arguments),
            "actor": asked.actor,
            "at_once": at_once,
            "begun_at": batch.now,
        },
    )


def ask(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    questions: Mapping[str, Mapping[str, Row]],
    number: int,
) -> None:
    """Write the questions.

    :param questions: ``node`` or ``vim``, who is asked -> host -> what.
    :param number: the round: 1 after the remedies.
    """
    blank = plan.Remedy("", "", {}, remedies.ASK_S, plan.Idempotence.NATURAL)
    rows = [
        _row(campaign, host, commands.ASK, number, batch.now, blank)
        | {"executor": executor}
        | {"params": {key: list(each) for key, each in asked[host].items()}}
        for executor, asked in questions.items()
        for host in sorted(asked)
    ]
    stored.insert_orders(connection, rows)


def mend(
    connection: session.Connection,
    batch: batches.Batch,
    campaign: Row,
    wanted: Sequence[tuple[str, plan.Remedy]],
) -> None:
    """Write the remedies, and keep other campaigns off their hosts meanwhile."""
    rows = [
        _row(campaign, host, commands.REMEDY, 0, batch.now, remedy)
        for host, remedy in wanted
    ]
    stored.insert_orders(connection, rows)
    hosts = sorted({host for host, _ in wanted})
    tokens.occupy_hosts(connection, campaign["id"], hosts)


def send(
    connection: session.Connection, batch: batches.Batch, campaign: Row
) -> list[Row]:
    """Order what may be ordered now; return everything as it is then.

    No remedy is begun in a campaign that is rolled back, nor for a gate if the
    campaign does not run any more.
    """
    wait = stored.read_wait(connection, campaign["id"]) or {"at_once": 1, "verb": ""}
    rows = stored.read_orders(connection, campaign["id"])
    if not _may_mend(campaign, wait):
        named = campaign["state"].replace("_", " ")
        for row in rows:
            if row["intent"] == commands.REMEDY and row["state"] == remedies.READY:
                detail = f"not begun: the campaign is {named}"
                _end(connection, batch, row, remedies.FAILED, detail)
    by_id = {row["id"]: row for row in rows}
    waiting = open_of(rows)
    for each in remedies.silent(waiting, batch.now, batch.lease_s):
        detail = f"no answer in {by_id[each.id]['timeout_s']:g} s"
        _end(connection, batch, by_id[each.id], remedies.FAILED, detail)
    waiting = open_of(stored.read_orders(connection, campaign["id"]))
    for each in remedies.may_go(waiting, wait["at_once"]):
        _order(connection, batch, by_id[each.id])
    return stored.read_orders(connection, campaign["id"])


def _may_mend(campaign: Row, wait: Row) -> bool:
    state = states.CampaignState(campaign["state"])
    if wait["verb"] == GATE:
        return state is states.CampaignState.RUNNING
    return state is not states.CampaignState.ROLLING_BACK


def open_of(rows: Sequence[Row]) -> list[remedies.Errand]:
    """Return those that are not over."""
    return [
        remedies.Errand(
            row["id"],
            row["host"],
            row["intent"],
            row["state"],
            row["hard_at"],
            row["executor"],
        )
        for row in rows
        if row["state"] in remedies.OPEN
    ]


def hear(
    connection: session.Connection, batch: batches.Batch, report: events.StepReported
) -> bool:
    """Apply an agent's report; False if it is of no question or remedy."""
    row = stored.find_order(connection, report.step_id)
    if row is None:
        return False
    is_current = row["state"] == remedies.DISPATCHED and row["fence"] == report.fence
    if not is_current:
        if report.outcome != events.Outcome.RUNNING:
            _journal(batch, row, row["state"], "late", f"outcome {report.outcome}")
        return True
    match report.outcome:
        case events.Outcome.DONE:
            facts = report.result.get("facts")
            if row["intent"] == commands.ASK and isinstance(facts, Mapping):
                stored.merge_facts(connection, row["host"], facts)
            _end(connection, batch, row, remedies.DONE, "", report.result)
        case events.Outcome.UNKNOWN if batch.now < (row["hard_at"] or 0.0):
            _order(connection, batch, row, is_resumed=True)
        case events.Outcome.RUNNING:
            pass
        case _:
            detail = report.detail or report.outcome
            _end(connection, batch, row, remedies.FAILED, detail, report.result)
    return True


def forget(connection: session.Connection, campaign: Row) -> None:
    """End the preflight: hosts that were only mended are free again; idempotent."""
    rows = stored.read_orders(connection, campaign["id"])
    mended = {row["host"] for row in rows if row["intent"] == commands.REMEDY}
    if mended:
        begun = {
            row["host"]
            for row in work.read_slots(connection, campaign["id"])
            if row["state"] != states.SlotState.REVERTED
        }
        free = sorted(mended - begun)
        tokens.release_hosts(connection, campaign["id"], free)
    stored.forget(connection, campaign["id"])


def check_idle(connection: session.Connection, campaign: Row) -> None:
    """Refuse to leave a host alone that is mended.

    :raises Conflict: a remedy is under way.
    """
    if hosts := stored.mending(connection, campaign["id"]):
        raise errors.Conflict(
            f"Remedies are under way on {', '.join(hosts)}; wait for their end."
        )


def _order(
    connection: session.Connection,
    batch: batches.Batch,
    row: Row,
    is_resumed: bool = False,
) -> None:
    """Raise the fence and owe the order; what goes on keeps its deadline."""
    values = {
        "state": remedies.DISPATCHED,
        "attempt": row["attempt"] + 1,
        "fence": row["fence"] + 1,
        "hard_at": row["hard_at"] if is_resumed else batch.now + row["timeout_s"],
        "started_at": row["started_at"] if is_resumed else batch.now,
    }
    if not stored.update_order(connection, row, **values):
        return
    known = {**row, **values}
    _journal(batch, known, row["state"], remedies.DISPATCHED)
    batch.cast(
        commands.RunStep(
            step_id=row["id"],
            campaign_id=row["campaign_id"],
            host=row["host"],
            executor=row["executor"],
            kind=commands.ASK if row["intent"] == commands.ASK else "action",
            intent=row["intent"],
            action=row["action"],
            params=row["params"],
            attempt=known["attempt"],
            fence=known["fence"],
            idempotence=row["idempotence"],
            is_resumed=is_resumed,
            timeout_s=row["timeout_s"],
            deadline_at=known["hard_at"],
            undo={},
        )
    )


def _end(
    connection: session.Connection,
    batch: batches.Batch,
    row: Row,
    state: str,
    detail: str,
    result: Row | None = None,
) -> None:
    values = {
        "state": state,
        "detail": detail[:4000],
        "result": dict(result or {}),
        "ended_at": batch.now,
    }
    if stored.update_order(connection, row, **values):
        _journal(batch, row, row["state"], state, detail)
        batch.is_answered = True


def _row(
    campaign: Row, host: str, intent: str, number: int, now: float, remedy: plan.Remedy
) -> dict[str, Any]:
    return {
        "id": work.new_id(),
        "campaign_id": campaign["id"],
        "host": host,
        "intent": intent,
        "executor": "node",
        "round": number,
        "about": remedy.check,
        "action": remedy.action,
        "params": dict(remedy.params),
        "idempotence": str(remedy.idempotence),
        "timeout_s": remedy.timeout_s,
        "state": remedies.READY,
        "attempt": 0,
        "fence": 0,
        "detail": "",
        "result": None,
        "hard_at": None,
        "created_at": now,
        "started_at": None,
        "ended_at": None,
    }


def _journal(
    batch: batches.Batch, row: Row, before: str, to: str, detail: str = ""
) -> None:
    batch.journal(
        row["campaign_id"],
        "preflight_order",
        row["id"],
        before,
        to,
        detail,
        host=row["host"],
        name=row["action"],
        intent=row["intent"],
        attempt=row["attempt"],
        fence=row["fence"],
    )
