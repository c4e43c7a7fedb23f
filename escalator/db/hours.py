"""What is shown of a campaign's change windows (CM-1)."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from escalator.domain import change_window

Clock = Callable[[sa.Connection], float]
"""Returns the database's time, epoch seconds."""


def told(
    connection: sa.Connection,
    clock: Clock,
    revision: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return ``windows``, a line for each, and ``window``: the open or the next one.

    :param revision: its plan's row; one without windows does not ask the clock.
    """
    plan = revision["plan"] if revision else {}
    known = [
        change_window.ChangeWindow(**{**each, "days": tuple(each["days"])})
        for each in plan.get("windows", ())
    ]
    if not known:
        return {"windows": [], "window": None}
    now = clock(connection)
    found = change_window.Hours(known).following(now)
    window = found and {
        "start": found.start.isoformat(),
        "end": found.end.isoformat(),
        "is_open": found.start.timestamp() <= now,
    }
    return {"windows": [each.text() for each in known], "window": window}
