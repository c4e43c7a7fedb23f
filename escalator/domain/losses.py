"""How many hosts a campaign may give up (``failure_budget``).  Pure.

Source: E-2, R-2.
"""

import math
from collections.abc import Collection, Iterable

from escalator.domain import selector
from escalator.domain.plan import Plan, Target


def allowed(
    made: Plan, targets: Iterable[Target], begun: Collection[str]
) -> int | None:
    """Return how many; None: any number.

    A share is that of the hosts which the campaign has begun or selects at this
    moment, rounded down: one that is upgraded may be selected no more.

    :param targets: the inventory.
    """
    if made.max_quarantined_percent is None:
        return made.max_quarantined
    chosen = {
        target.name
        for each in made.procedures
        for target in selector.select(made.selector(each.selector), targets)
    }
    return math.floor(len(chosen.union(begun)) * made.max_quarantined_percent / 100)


def text(made: Plan) -> str:
    """Say it as the file does."""
    if made.max_quarantined_percent is not None:
        return f"{made.max_quarantined_percent:g}%"
    return "no limit" if made.max_quarantined is None else str(made.max_quarantined)
