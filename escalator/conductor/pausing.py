"""Closing parts of a campaign to new work, and opening them again.

Source: E-0; architecture section 3, rule 7.
"""

import json
from collections.abc import Mapping
from typing import Any

from escalator import errors
from escalator.conductor import engine as engines
from escalator.conductor.wishing import Wish
from escalator.db import work

Row = Mapping[str, Any]

_PARTS = {"target": "host", "rack": "rack", "procedure": "procedure"}
"""Argument of an order -> member of an entry of ``closed_to``."""


class Pausing:
    """Closes hosts, racks and procedures."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def close(self, wish: Wish) -> bool:
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


def _others(wish: Wish, entry: dict[str, str]) -> list[Any]:
    return [each for each in wish.campaign["closed_to"] if each != entry]


def _entry(arguments: Row) -> dict[str, str]:
    for argument, member in _PARTS.items():
        if arguments.get(argument):
            return {member: str(arguments[argument])}
    return {}
