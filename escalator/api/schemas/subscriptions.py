"""Webhooks of projects (DR-4)."""

from typing import Any

from escalator.api.schemas.fields import (
    FLAG,
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
from escalator.domain import events, notice

_FAULT_TYPES = {
    "type": "array",
    "items": {"enum": [kind.value for kind in events.FaultType]},
    "uniqueItems": True,
    "description": "Empty: every type.",
}
_PROBES = {
    "type": "integer",
    "minimum": 1,
    "maximum": notice.MOST_PROBES,
    "description": "So many kinds of probes must find a host or a link down; 1 if "
    "left out.",
}
_SEVERITY = {"enum": [severity.value for severity in events.Severity]}

REQUEST = wrapped(
    "subscription",
    closed(
        {
            "name": text(255),
            "url": text(2048),
            "fault_types": _FAULT_TYPES,
            "min_severity": _SEVERITY,
            "min_probes": _PROBES,
            "project_id": {**text(64), "description": "Administrators only."},
            "all_projects": {
                "type": "boolean",
                "description": "Hear of every project; administrators only.",
            },
        },
        ("url",),
    ),
)
_PROPERTIES: dict[str, Any] = {
    "id": UUID,
    "project_id": TEXT,
    "user_id": TEXT,
    "name": TEXT,
    "url": TEXT,
    "fault_types": {"type": "array", "items": TEXT},
    "min_severity": TEXT,
    "min_probes": WHOLE,
    "all_projects": FLAG,
    "created_at": TIME,
}
VIEW = closed(_PROPERTIES, ("id", "url"))
SUBSCRIPTION = wrapped("subscription", VIEW)
CREATED = wrapped(
    "subscription",
    closed(
        {
            **_PROPERTIES,
            "secret": {
                "type": "string",
                "description": "Signs every notice; shown this once.",
            },
        },
        ("id", "url", "secret"),
    ),
)
SUBSCRIPTIONS = page_of("subscriptions", VIEW)
LIST_QUERY = closed({"limit": LIMIT, "marker": UUID})
