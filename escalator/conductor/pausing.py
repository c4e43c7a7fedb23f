"""Closing parts of a campaign to new work, and opening them again.

Source: E-0; architecture section 3, rule 7.
"""

import json
from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import engine as engines
from escalator.conductor import orders
from escalator.conductor.wishing import Wish
from escalator.db import tokens, work
from escalator.domain import plan, states

Row = Mapping[str, Any]

State = states.CampaignState

_PARTS = {"target": "host", "rack": "rack", "procedure": "procedure"}
"""Argument of an order -> member of an entry of ``closed_to``."""


class Pausing:
    """Closes hosts, racks and procedures."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def pause(self, wish: Wish) -> None:
        """Close the part that the wish names, or let the whole campaign pause."""
        if not self._close(wish):
            wish.move(self.engine, State.PAUSING, "paused by an operator")
        self._stop_steps(wish)

    def hold(self, wish: Wish) -> None:
        """Pause a campaign, or hold one on which everything is done."""
        is_done = wish.campaign["state"] in states.NOT_COMMITTED
        to = State.HOLDING if is_done else State.PAUSING
        wish.move(self.engine, to, "held")
        self._stop_steps(wish)

    def _stop_steps(self, wish: Wish) -> None:
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
                _stop(wish, row)

    def _close(self, wish: Wish) -> bool:
        """Close the part that the wish names; False if it names none.

        :raises InvalidInput: no such procedure.
        """
        entry = _entry(wish.arguments)
        if not entry:
            return False
        self._check(wish, entry)
        self._keep(wish, [*_others(wish, entry), entry], "closed")
        return True

    def reopen(self, wish: Wish) -> bool:
        """Open the part that the wish names again; False if it names none."""
        entry = _entry(wish.arguments)
        if not entry:
            return False
        self._keep(wish, _others(wish, entry), "reopened")
        return True

    def _keep(self, wish: Wish, closed: list[Any], verb: str) -> None:
        own = wish.campaign["id"]
        work.update_campaign(wish.connection, own, wish.batch.now, closed_to=closed)
        wish.batch.journal(own, "admission", own, "", verb, json.dumps(closed))

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


def _stop(wish: Wish, row: Row) -> None:
    """Owe the stop to the agent; the journal says who asked for it."""
    reason = f"paused by {wish.actor or 'an operator'}"
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


def _others(wish: Wish, entry: dict[str, str]) -> list[Any]:
    return [each for each in wish.campaign["closed_to"] if each != entry]


def _entry(arguments: Row) -> dict[str, str]:
    for argument, member in _PARTS.items():
        if arguments.get(argument):
            return {member: str(arguments[argument])}
    return {}
