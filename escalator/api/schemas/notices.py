"""What became of notices, and dead letters that are sent again (DR-9)."""

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
from escalator.domain import notice

_TIMES: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": "^T[6-9]$"},
    "additionalProperties": {"type": "number"},
    "description": "Checkpoints of the last sending, seconds since the epoch.",
}

VIEW = closed(
    {
        "id": TEXT,
        "cause_id": {**TEXT, "description": "Of the event that it tells of."},
        "subscription_id": {**TEXT, "description": "Or aodh: an alarm of Aodh."},
        "project_id": TEXT,
        "fault_ids": {
            "type": "array",
            "items": UUID,
            "description": "Empty for news of a campaign.",
        },
        "state": TEXT,
        "attempts": WHOLE,
        "times": _TIMES,
        "error": {**TEXT, "description": "Why the last attempt failed."},
        "settled_at": TIME,
    },
    ("id", "subscription_id", "state"),
)
NOTICE = wrapped("notice", VIEW)
NOTICES = page_of("notices", VIEW)
ACTION = wrapped("action", closed({"name": {"enum": ["resend"]}}, ("name",)))
LIST_QUERY = closed(
    {
        "limit": LIMIT,
        "marker": UUID,
        "state": {"enum": [state.value for state in notice.State]},
        "subscription_id": text(64),
        "fault_id": UUID,
    }
)
