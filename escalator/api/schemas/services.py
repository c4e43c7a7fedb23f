"""Escalator's own processes."""

from escalator.api.schemas.fields import LINKS, NUMBER, TEXT, TIME, UUID, WHOLE, closed

SERVICE = closed(
    {
        "id": UUID,
        "binary": TEXT,
        "host": TEXT,
        "instance": TEXT,
        "service_version": WHOLE,
        "release": TEXT,
        "state": TEXT,
        "started_at": TIME,
        "last_seen_at": TIME,
        "figures": {
            "type": "object",
            "description": "What it measures, since its start.",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": NUMBER,
            },
        },
    },
    ("binary", "host", "state"),
)
SERVICES = closed(
    {"services": {"type": "array", "items": SERVICE}, "links": LINKS},
    ("services", "links"),
)
