"""Hosts that an operator leaves out of a campaign, takes back, or tries again.

Source: E-0, V-7.
"""

from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import admission as admissions
from escalator.conductor import quarantining
from escalator.conductor.wishing import Wish
from escalator.db import work
from escalator.domain import states
from escalator.domain.states import SlotState

Row = Mapping[str, Any]

_MIDWAY = frozenset(
    {SlotState.ACTIVE, SlotState.UNDOING, SlotState.UNDONE, SlotState.REVERTING}
)
_BROKEN = frozenset({SlotState.FAILED, SlotState.UNDO_FAILED})


def leave_out(wish: Wish, situation: admissions.Situation) -> list[str]:
    """Leave hosts out that are not begun, give failed ones up; say so in words.

    A host that failed carries what nobody knows: it is quarantined.

    :param situation: its slots are brought up to date.
    :raises InvalidInput: no such host.
    :raises Conflict: it is midway, or done.
    """
    hosts = sorted(set(wish.arguments.get("skip", ())))
    for host in hosts:
        _check_known(situation, host, "skip")
        rows = _slots_on(situation, host)
        if any(row["state"] in _MIDWAY for row in rows):
            raise errors.Conflict(
                f"{host} is midway: let it end or fail first; meanwhile pause it."
            )
        is_broken = any(row["state"] in _BROKEN for row in rows)
        if is_broken:
            own, reason = wish.campaign["id"], _reason(wish, "given up by an operator")
            quarantining.give_up(wish.connection, wish.batch, own, host, reason)
        if not _skip(wish, situation, host) and not is_broken:
            raise errors.Conflict(f"{host} is over: no procedure is left to skip.")
    return [f"skip {host}" for host in hosts]


def _skip(wish: Wish, situation: admissions.Situation, host: str) -> bool:
    """Close every procedure that has yet to begin the host; False if none has."""
    own, reason = wish.campaign["id"], _reason(wish, "left out by an operator")
    fresh: list[dict[str, Any]] = []
    is_any = False
    for procedure in situation.plan.procedures:
        slots = situation.slots.setdefault(procedure.id, {})
        row = slots.get(host)
        if row is not None and row["state"] == SlotState.REVERTED:
            wish.batch.move_slot(row, SlotState.SKIPPED, own, reason)
            slots[host] = {**row, "state": SlotState.SKIPPED.value}
            is_any = True
        elif row is None and host in {t.name for t in situation.selected(procedure)}:
            ordinal = sum(len(each) for each in situation.slots.values())
            made = admissions.slot_row(own, procedure.id, host, ordinal)
            made.update(state=SlotState.SKIPPED.value, reason=reason)
            made.update(opened_at=wish.batch.now, ended_at=wish.batch.now)
            _tell(wish, made, "", SlotState.SKIPPED.value, reason)
            slots[host] = made
            fresh.append(made)
            is_any = True
    work.insert_slots(wish.connection, fresh)
    return is_any


def take_back(wish: Wish, situation: admissions.Situation) -> list[str]:
    """Let hosts be begun again that were left out; say so in words.

    :param situation: its slots are brought up to date.
    """
    found: list[str] = []
    for host in sorted(set(wish.arguments.get("retry", ()))):
        skipped = [r for r in _slots_on(situation, host) if _is_skipped(r)]
        views, _ = work.read_views(wish.connection, [row["id"] for row in skipped])
        for row in skipped:
            slots, own = situation.slots[row["procedure"]], wish.campaign["id"]
            if views[row["id"]].steps:
                to = SlotState.REVERTED
                wish.batch.move_slot(row, to, own, "taken back by an operator")
                slots[host] = {**row, "state": to.value}
            else:
                _tell(wish, row, row["state"], "", "taken back by an operator")
                work.delete_slot(wish.connection, row["id"])
                del slots[host]
        if skipped:
            found.append(f"take {host} back")
    return found


def failed(wish: Wish, situation: admissions.Situation) -> list[str]:
    """Return the hosts to be tried again that failed.

    :raises InvalidInput: no such host, or it neither failed nor was left out.
    :raises Conflict: the campaign rolls back.
    """
    told = [line["host"] for line in wish.batch.lines if line["object_type"] == "slot"]
    found: list[str] = []
    for host in sorted(set(wish.arguments.get("retry", ()))):
        _check_known(situation, host, "retry")
        rows = _slots_on(situation, host)
        if any(row["state"] == SlotState.FAILED for row in rows):
            found.append(host)
        elif host not in told:
            raise errors.InvalidInput(
                kind="order",
                summary=f"retry: {host} neither failed nor was left out; a"
                " quarantined host is released with: upgrade host release",
            )
    if found and wish.campaign["state"] == states.CampaignState.ROLLING_BACK:
        raise errors.Conflict(
            "The campaign rolls back; give rollback again to try failed undos."
        )
    return found


def _check_known(situation: admissions.Situation, host: str, key: str) -> None:
    if host not in {target.name for target in situation.targets}:
        raise errors.InvalidInput(
            kind="order", summary=f"{key}: {host} is not in the inventory"
        )


def _slots_on(situation: admissions.Situation, host: str) -> list[Row]:
    return [slots[host] for slots in situation.slots.values() if host in slots]


def _is_skipped(row: Row) -> bool:
    return bool(row["state"] == SlotState.SKIPPED)


def _reason(wish: Wish, usual: str) -> str:
    return str(wish.arguments.get("reason") or usual)


def _tell(wish: Wish, row: Row, from_state: str, to_state: str, reason: str) -> None:
    own, slot_id = row["campaign_id"], row["id"]
    wish.batch.journal(
        own,
        "slot",
        slot_id,
        from_state,
        to_state,
        reason,
        slot_id=slot_id,
        host=row["host"],
    )
