"""A question to a plan, and its answer."""

from escalator.api.schemas.fields import NUMBER, TEXT, WHOLE, closed

ASKED = {
    "type": "object",
    "propertyNames": {"maxLength": 255},
    "additionalProperties": {
        "type": ["string", "number", "boolean"],
        "maxLength": 255,
    },
    "maxProperties": 100,
    "description": "What is to be otherwise: parallel.PROCEDURE, budget.ID, ...",
}
STUCK = {"type": "array", "items": closed({"host": TEXT, "reason": TEXT})}

_COUNTS = {"type": "object", "additionalProperties": WHOLE}
_TEXTS = {"type": "object", "additionalProperties": TEXT}
_OWNER = closed(
    {
        "project_id": TEXT,
        "moved": NUMBER,
        "moving_s": NUMBER,
        "down": NUMBER,
        "down_s": NUMBER,
    }
)
_PREDICTION = closed(
    {
        "runs": WHOLE,
        "is_feasible": {"type": "boolean"},
        "reason": TEXT,
        "end_s": closed({"p10": NUMBER, "p50": NUMBER, "p90": NUMBER, "p99": NUMBER}),
        "ends_s": {"type": "array", "items": NUMBER},
        "outcomes": {"type": "object", "additionalProperties": NUMBER},
        "most_down": _COUNTS,
        "quarantined": NUMBER,
        "owners": {"type": "array", "items": _OWNER},
        "stuck": STUCK,
        "no_room": _COUNTS,
    }
)
WHAT_IF = closed(
    {
        "changes": _TEXTS,
        "before": _PREDICTION,
        "after": _PREDICTION,
        "relaxations": {"type": "array", "items": _TEXTS},
    },
    ("changes", "before", "after", "relaxations"),
)
