"""Hosts."""

from escalator.api.schemas.fields import (
    FLAG,
    LIMIT,
    OBJECT,
    TEXT,
    TIME,
    WHOLE,
    closed,
    page_of,
    text,
    wrapped,
)

_TEXTS = {"type": "array", "items": TEXT}

HOST = closed(
    {
        "name": TEXT,
        "address": TEXT,
        "role": TEXT,
        "rack": TEXT,
        "availability_zone": TEXT,
        "tags": _TEXTS,
        "groups": _TEXTS,
        "state": TEXT,
        "is_quarantined": FLAG,
        "quarantine_reason": TEXT,
        "campaign_id": {"type": ["string", "null"]},
        "facts": OBJECT,
        "instances": WHOLE,
        "agent_seen_at": TIME,
        "nics": OBJECT,
        "expected_down_until": TIME,
    },
    ("name", "state"),
)
ONE = wrapped("host", HOST)
HOSTS = page_of("hosts", HOST)
ACTION = wrapped(
    "action",
    closed(
        {
            "name": {"enum": ["quarantine", "release"]},
            "arguments": closed(
                {"reason": {**text(1024), "description": "Kept with the host."}}
            ),
        },
        ("name",),
    ),
)
LIST_QUERY = closed(
    {"limit": LIMIT, "marker": text(255), "state": {"enum": ["up", "down"]}}
)
