"""Faults with the time of every hop (DR-9)."""

from typing import Any

from escalator.api.schemas.fields import (
    ANY,
    FLAG,
    LIMIT,
    OBJECT,
    TEXT,
    TIME,
    UUID,
    WHOLE,
    closed,
    page_of,
    text,
    wrapped,
)

_MS = {"type": ["number", "null"], "description": "Milliseconds."}
_TIMES = {
    "type": "object",
    "propertyNames": {"pattern": "^T[0-9]$"},
    "additionalProperties": {"type": "number"},
    "description": "Checkpoints, seconds since the epoch.",
}
_HOPS = {
    "type": "array",
    "items": closed(
        {"from": TEXT, "to": TEXT, "ms": {"type": "number"}, "meaning": TEXT},
        ("from", "to", "ms", "meaning"),
    ),
}

_BRIEF: dict[str, Any] = {
    "id": UUID,
    "host": {"type": "string", "description": "For owners: the hostId Nova shows."},
    "fault_type": TEXT,
    "severity": {**TEXT, "description": "Perceived severity of X.733."},
    "event_type": {**TEXT, "description": "Of X.733."},
    "probable_cause": {**TEXT, "description": "Of X.733."},
    "state": TEXT,
    "is_marked_down": FLAG,
    "is_root_cause": FLAG,
    "raised_at": TIME,
    "observed_at": TIME,
    "changed_at": TIME,
    "cleared_at": TIME,
}
NOTICE = closed(
    {
        "id": TEXT,
        "subscription_id": TEXT,
        "project_id": TEXT,
        "state": TEXT,
        "attempts": WHOLE,
        "times": _TIMES,
        "error": TEXT,
        "hops": _HOPS,
        "detected_to_taken_ms": _MS,
    },
    ("subscription_id", "state", "times", "hops", "detected_to_taken_ms"),
)
BRIEF = closed(
    {**_BRIEF, "instance_count": WHOLE, "notice_count": WHOLE, "slowest_ms": _MS},
    ("id", "state"),
)
DETAIL = closed(
    {
        **_BRIEF,
        "times": _TIMES,
        "hops": _HOPS,
        "evidence": OBJECT,
        "instances": {"type": "array", "items": ANY},
        "campaign_ids": {"type": "array", "items": TEXT},
        "correlated_fault_ids": {"type": "array", "items": UUID},
        "notices": {"type": "array", "items": NOTICE},
    },
    ("id", "state", "times", "hops", "notices"),
)
FAULT = wrapped("fault", DETAIL)
FAULTS = page_of("faults", BRIEF)
LIST_QUERY = closed(
    {
        "limit": LIMIT,
        "marker": UUID,
        "state": {"enum": ["raised", "cleared"]},
        "host": {**text(255), "description": "Operators only."},
    }
)
