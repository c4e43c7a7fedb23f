"""Alarms of Aodh that act upon hosts and campaigns."""

from typing import Any

from escalator.api.schemas.fields import (
    LIMIT,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    closed,
    page_of,
    text,
    wrapped,
)
from escalator.domain import alarm, events

_SEVERITY = {"enum": [severity.value for severity in events.Severity]}
_REACTION = {"enum": [reaction.value for reaction in alarm.Reaction]}
_STATE = {"enum": [state.value for state in alarm.State]}

REQUEST = wrapped(
    "alarm",
    closed(
        {
            "name": text(255),
            "host": {**text(255), "description": "Administrators only."},
            "campaign_id": UUID,
            "reaction": {
                **_REACTION,
                "description": "What happens to the campaign; hold unless given.",
            },
            "fault_type": {
                "enum": [kind.value for kind in alarm.FAULT_TYPES],
                "description": "What the host's fault is told as; alarm unless given.",
            },
            "severity": {
                **_SEVERITY,
                "description": "Of the host's fault; as in Aodh unless given.",
            },
            "aodh_alarm_id": {
                **text(255),
                "description": "Its id in Aodh; that of the first report unless given.",
            },
            "project_id": {**text(64), "description": "Administrators only."},
        },
        ("name",),
    ),
)
_PROPERTIES: dict[str, Any] = {
    "id": UUID,
    "name": TEXT,
    "project_id": TEXT,
    "user_id": TEXT,
    "host": TEXT,
    "campaign_id": TEXT,
    "reaction": TEXT,
    "fault_type": TEXT,
    "severity": TEXT,
    "aodh_alarm_id": TEXT,
    "state": {**TEXT, "description": "As last reported; empty before that."},
    "fault_id": {**TEXT, "description": "Of the fault that it raised and that lasts."},
    "reports": WHOLE,
    "repeats": WHOLE,
    "created_at": TIME,
    "reported_at": TIME,
    "revoked_at": TIME,
}
VIEW = closed(_PROPERTIES, ("id", "name"))
ALARM = wrapped("alarm", VIEW)
CREATED = wrapped(
    "alarm",
    closed(
        {
            **_PROPERTIES,
            "token": {"type": "string", "description": "Shown this once."},
            "callback_path": TEXT,
            "callback_url": TEXT,
        },
        ("id", "name", "token", "callback_path", "callback_url"),
    ),
)
ALARMS = page_of("alarms", VIEW)
LIST_QUERY = closed({"limit": LIMIT, "marker": UUID})

OBSERVATIONS = page_of(
    "observations",
    closed(
        {
            "seq": WHOLE,
            "at": TIME,
            "previous": TEXT,
            "state": TEXT,
            "reason": TEXT,
            "verdict": TEXT,
            "outcome": TEXT,
        },
        ("seq", "at", "state", "verdict", "outcome"),
    ),
)
OBSERVATIONS_QUERY = closed(
    {
        "limit": LIMIT,
        "before": {
            "type": "integer",
            "minimum": 1,
            "description": "Only those with a smaller number.",
        },
    }
)

REPORT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "alarm_id": text(255),
        "alarm_name": text(255, 0),
        "severity": text(32, 0),
        "previous": _STATE,
        "current": _STATE,
        "reason": TEXT,
        "reason_data": {"type": ["object", "null"]},
    },
    "required": ["alarm_id", "alarm_name", "severity", "previous", "current", "reason"],
    "description": "What Aodh posts.  Other members are taken, and not looked at.",
}
