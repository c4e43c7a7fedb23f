"""What a report of an alarm means, given what was reported before.  Pure.

Aodh posts a report at every transition of an alarm, and again as often as the
alarm says (``repeat_actions``).  It ignores what it is answered, and a report
may come twice or late.  Two kinds of alarms behave differently:

* An event alarm tells of an event.  Each event is an occurrence of its own,
  known by its ``message_id``, whatever the alarm's state was before.
* Any other alarm tells of a state.  The same state again is no news.
"""

import dataclasses
import enum
import hashlib

from escalator.domain import events


class State(enum.StrEnum):
    """The states of an alarm, in Aodh's words."""

    OK = "ok"
    ALARM = "alarm"
    UNKNOWN = "insufficient data"


class Reaction(enum.StrEnum):
    """What an alarm does to the campaign it is bound to."""

    OBSERVE = "observe"
    HOLD = "hold"
    ROLLBACK = "rollback"


class Verdict(enum.StrEnum):
    """What a report is taken for; an event occurred, it does not last."""

    RAISED = "raised"
    OCCURRED = "occurred"
    CLEARED = "cleared"
    UNKNOWN = "unknown"
    REPEATED = "repeated"
    LATE = "late"


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What is known of an alarm before a report.

    :ivar state: as last reported, or empty.
    :ivar reported_at: of the latest report, epoch seconds; 0.0 if none.
    :ivar is_told: this very report, or its event, was judged already.
    """

    state: str = ""
    reported_at: float = 0.0
    is_told: bool = False


_OF_STATE = {
    State.OK: Verdict.CLEARED,
    State.ALARM: Verdict.RAISED,
    State.UNKNOWN: Verdict.UNKNOWN,
}

ACTING = frozenset({Verdict.RAISED, Verdict.OCCURRED})
"""What an alarm reacts to."""

_SEVERITIES = {
    "low": events.Severity.MINOR,
    "moderate": events.Severity.MAJOR,
    "critical": events.Severity.CRITICAL,
}

FAULT_TYPES = (events.FaultType.ALARM, events.FaultType.HOST_DOWN)
"""What an alarm may be told as; the second takes its host down."""

MAX_TEXT = 1000
"""Characters that are kept of a reason."""


def key(report: events.AlarmReported) -> str:
    """Return by what a report is known: its event, else itself."""
    name = f"report {report.event_id}"
    if report.message_id:
        name = f"event {report.current} {report.message_id}"
    return hashlib.sha256(name.encode()).hexdigest()


def judge(report: events.AlarmReported, known: Known) -> Verdict:
    """Return what a report is taken for."""
    if known.is_told:
        return Verdict.REPEATED
    if report.message_id and report.current == State.ALARM:
        return Verdict.OCCURRED
    if report.reported_at < known.reported_at:
        return Verdict.LATE
    if report.current == known.state:
        return Verdict.REPEATED
    return _OF_STATE[State(report.current)]


def severity(chosen: str, reported: str) -> str:
    """Return the severity of a fault.

    :param chosen: with the alarm, one of ``events.Severity``, or empty.
    :param reported: low, moderate or critical.
    """
    return chosen or _SEVERITIES.get(reported, events.Severity.MAJOR).value


def reason(report: events.AlarmReported) -> str:
    """Return why a campaign is stopped: which alarm, and what it says."""
    name = f"alarm {report.alarm_name or report.alarm_id} ({report.severity})"
    return f"{name}: {report.reason}"[:MAX_TEXT]
