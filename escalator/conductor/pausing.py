"""Closing parts of a campaign to new work, and opening them again.

Source: E-0; architecture section 3, rule 7.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from escalator import errors
from escalator.conductor import continuing, orders
from escalator.conductor import engine as engines
from escalator.conductor.wishing import Wish
from escalator.db import tokens, work
from escalator.domain import holding, plan, states

Row = Mapping[str, Any]

State = states.CampaignState

_PARTS = {"target": "host", "rack": "rack", "procedure": "procedure"}
"""Argument of an order -> member of an entry of ``closed_to``."""

_GOING = (State.RUNNING, State.PAUSING, State.PAUSED)
"""What failed is tried again in these; after a hold the whole is resumed."""


class Pausing:
    """Closes hosts, racks and procedures."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine
        self.continuing = continuing.Continuing(engine)

    def pause(self, wish: Wish) -> None:
        """Close the part that the wish names, or let the whole campaign pause."""
        if not self._close(wish):
            wish.move(self.engine, State.PAUSING, "paused by an operator")
        self._stop_steps(wish, f"paused by {wish.actor or 'an operator'}")

    def hold(self, wish: Wish) -> None:
        """Pause a campaign, or hold one on which everything is done."""
        is_done = wish.campaign["state"] in states.NOT_COMMITTED
        to = State.HOLDING if is_done else State.PAUSING
        wish.move(self.engine, to, "held")
        self._stop_steps(wish, f"paused by {wish.actor or 'an operator'}")

    def hold_procedure(self, wish: Wish, why: str) -> None:
        """Close the procedure that the wish names until it is resumed."""
        entry = {**_entry(wish.arguments), holding.WHY: why}
        _keep(wish, [*wish.campaign["closed_to"], entry], "held")
        self._stop_steps(wish, "its procedure holds")

    def _stop_steps(self, wish: Wish, reason: str) -> None:
        """Have the steps under way stopped that declare ``on_pause: stop``.

        Those of the part that the wish names, or all.  An undo is never stopped.
        """
        entry = _entry(wish.arguments)
        made = self.engine.plan_of(wish.connection, wish.campaign)
        stoppable = {
            (procedure.id, step.id)
            for procedure in made.procedures
            for step in procedure.steps
            if step.on_pause == plan.OnPause.STOP
        }
        if not stoppable:
            return
        rows = [
            row
            for row in work.open_steps(wish.connection, wish.campaign["id"])
            if row["state"] in states.IN_FLIGHT
            and row["intent"] == "run"
            and row["executor"] == "node"
            and (row["procedure"], row["name"]) in stoppable
        ]
        places = tokens.read_standings(wish.connection, {row["host"] for row in rows})
        for row in rows:
            place = {**row, "rack": places[row["host"]].rack}
            if all(place[member] == value for member, value in entry.items()):
                _stop(wish, row, reason)

    def _close(self, wish: Wish) -> bool:
        """Close the part that the wish names; False if it names none.

        :raises InvalidInput: no such procedure.
        """
        entry = _entry(wish.arguments)
        if not entry:
            return False
        self._check(wish, entry)
        others = [each for each in wish.campaign["closed_to"] if each != entry]
        _keep(wish, [*others, entry], "closed")
        return True

    def reopen(self, wish: Wish) -> bool:
        """Open the part that the wish names again, and try what failed there anew.

        :returns: False if the campaign as a whole has to go on: the wish names no
            part, or one of the procedures because of which the campaign holds.
        """
        entry = _entry(wish.arguments)
        if not entry or self._is_all_that_is_left(wish, entry):
            return False
        held = holding.reasons(wish.campaign["closed_to"])
        open_again(wish, meant_by(wish.arguments))
        name = entry.get("procedure", "")
        if name in held and wish.campaign["state"] in _GOING:
            self.continuing.revive(
                wish.connection, wish.batch, wish.campaign, procedure=name
            )
        return True

    def _is_all_that_is_left(self, wish: Wish, entry: dict[str, str]) -> bool:
        if wish.campaign["state"] != State.HOLDING:
            return False
        held = holding.reasons(wish.campaign["closed_to"])
        own = wish.campaign["id"]
        why = work.last_move_reason(wish.connection, own, State.HOLDING)
        return entry.get("procedure") in held and why.startswith(holding.LEFT)

    def _check(self, wish: Wish, entry: dict[str, str]) -> None:
        if "procedure" not in entry:
            return
        made = self.engine.plan_of(wish.connection, wish.campaign)
        known = [each.id for each in made.procedures]
        if entry["procedure"] not in known:
            raise errors.InvalidInput(
                kind="argument",
                summary=f"procedure: there is no {entry['procedure']}; known:"
                f" {', '.join(known)}",
            )


def _stop(wish: Wish, row: Row, reason: str) -> None:
    """Owe the stop to the agent; the journal says who asked for it."""
    wish.batch.cast(orders.stop_for(row, reason))
    change = wish.batch.steps.setdefault(row["id"], {})
    change["reason"] = "waits: its agent was told to stop it"
    wish.batch.journal(
        row["campaign_id"],
        "stop",
        row["id"],
        row["state"],
        "stopping",
        reason,
        slot_id=row["slot_id"],
        host=row["host"],
        name=row["name"],
        intent=row["intent"],
        attempt=row["attempt"],
        fence=row["fence"],
    )


def meant_by(arguments: Row) -> Callable[[Row], bool]:
    """Return which entries of ``closed_to`` a resume opens.

    Those of the part that it names; without one, all that the engine holds, not
    what an operator has closed.
    """
    entry = _entry(arguments)
    if not entry:
        return lambda each: holding.WHY in each
    return lambda each: entry.items() <= each.items()


def open_again(wish: Wish, is_meant: Callable[[Row], bool]) -> None:
    """Take entries out of ``closed_to``; idempotent."""
    closed = wish.campaign["closed_to"]
    left = [each for each in closed if not is_meant(each)]
    if left != closed:
        _keep(wish, left, "reopened")


def _keep(wish: Wish, closed: list[Any], verb: str) -> None:
    own = wish.campaign["id"]
    work.update_campaign(wish.connection, own, wish.batch.now, closed_to=closed)
    wish.batch.journal(own, "admission", own, "", verb, json.dumps(closed))
    wish.campaign = {**wish.campaign, "closed_to": closed}


def _entry(arguments: Row) -> dict[str, str]:
    for argument, member in _PARTS.items():
        if arguments.get(argument):
            return {member: str(arguments[argument])}
    return {}
