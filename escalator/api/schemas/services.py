"""Escalator's own processes."""

from escalator.api.schemas.fields import LINKS, TEXT, TIME, UUID, WHOLE, closed

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
    },
    ("binary", "host", "state"),
)
SERVICES = closed(
    {"services": {"type": "array", "items": SERVICE}, "links": LINKS},
    ("services", "links"),
)
