"""What the preflights of a campaign say of the change window that is open (V-5)."""

from collections.abc import Mapping
from typing import Any

from escalator.db import preflights, session
from escalator.domain import change_window, remedies

Row = Mapping[str, Any]


def unchecked(
    connection: session.Connection,
    campaign: Row,
    hours: change_window.Hours,
    now: float,
) -> str:
    """Return why nothing may be begun though a window is open, or ""."""
    if not campaign["preflight_id"] or hours.closed(now):
        return ""
    passed_at = preflights.passed_at(connection, campaign["id"])
    why = hours.unchecked(now, passed_at)
    if why and (told := refusal(connection, campaign, hours, now)):
        return f"waits: what is midway ends, then the campaign holds: {told}"
    return why


def refusal(
    connection: session.Connection,
    campaign: Row,
    hours: change_window.Hours,
    now: float,
) -> str:
    """Return what the present report refuses, if it was made in this window, or ""."""
    report = preflights.read_report(connection, campaign["preflight_id"])
    if report is None or remedies.is_told(report["refusal"]):
        return ""
    return "" if hours.unchecked(now, report["made_at"]) else str(report["refusal"])
