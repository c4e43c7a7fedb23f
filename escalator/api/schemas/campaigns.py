"""Campaigns, their steps and their journal."""

from typing import Any

from escalator.api.policies.campaigns import ACTIONS
from escalator.api.schemas.fields import (
    ANY,
    LIMIT,
    LINKS,
    NUMBER,
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
from escalator.api.schemas.what_if import ASKED, STUCK, WHAT_IF
from escalator.domain import change_window, collection, preflight_finding, states

_STATE = {"enum": [state.value for state in states.CampaignState]}
_STEP_STATE = {"enum": [state.value for state in states.StepState]}

_NAMES: dict[str, Any] = {"type": "array", "items": text(255), "maxItems": 100}


def _amount(least: int) -> dict[str, Any]:
    percentage = {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]+)?%$(?!\n)"}
    number = {"type": "integer", "minimum": least, "maximum": 1_000_000}
    return {"anyOf": [number, percentage]}


_LIMITS: dict[str, Any] = {
    "type": "object",
    "maxProperties": 100,
    "propertyNames": {"maxLength": 255},
    "additionalProperties": _amount(-1),
}

_WINDOW: dict[str, Any] = {
    **closed(
        {
            "id": text(64),
            "start": text(64),
            "end": text(64),
            "days": {
                "type": "array",
                "items": {"enum": list(change_window.DAYS)},
                "minItems": 1,
                "maxItems": 7,
            },
            "from": text(5),
            "to": text(5),
            "tz": text(64),
        }
    ),
    "dependentRequired": {
        "start": ["end"],
        "end": ["start"],
        **{key: ["days", "from", "to", "tz"] for key in ("days", "from", "to", "tz")},
    },
}

_SUBMISSION: dict[str, Any] = {
    "document": {
        "type": ["string", "object"],
        "minLength": 1,
        "description": "A campaign file: YAML text, or the same as an object.",
    },
    "params": {"type": "object", "propertyNames": {"maxLength": 255}},
}
SUBMISSION = wrapped("campaign", closed(_SUBMISSION, ("document",)))
ACTION = wrapped(
    "action",
    closed(
        {
            "name": {"enum": list(ACTIONS)},
            "arguments": closed(
                {
                    "target": {**text(255), "description": "Pause: one host only."},
                    "rack": {**text(255), "description": "Pause: one rack only."},
                    "procedure": {
                        **text(255),
                        "description": "Pause: one procedure only.",
                    },
                    "reason": {**text(1024), "description": "For the journal."},
                    "gate": {
                        **text(129),
                        "description": "Approve: this one, as procedure/stage.",
                    },
                    "without": {
                        "type": "array",
                        "items": text(255),
                        "maxItems": 100,
                        "description": "Rollback: lost hosts not to be counted.",
                    },
                    "parallel": {
                        **_LIMITS,
                        "description": "Change: procedure -> hosts at once.",
                    },
                    "budgets": {
                        **_LIMITS,
                        "description": "Change: budget -> hosts out at once.",
                    },
                    "max_quarantined": {
                        **_amount(0),
                        "description": "Change: hosts that may be given up.",
                    },
                    "windows": {
                        "type": "array",
                        "items": _WINDOW,
                        "maxItems": 50,
                        "description": "Change: all change windows, as in the file;"
                        " none: hosts may be begun at any time.",
                    },
                    "exclude": {
                        **_NAMES,
                        "description": "Change: tags whose hosts are begun no more.",
                    },
                    "skip": {
                        **_NAMES,
                        "description": "Change: hosts to leave out or to give up.",
                    },
                    "retry": {
                        **_NAMES,
                        "description": "Change: hosts to try again or to take back.",
                    },
                    "kind": {
                        "enum": ["revision"],
                        "description": "Approve: what is approved.",
                    },
                    "revision": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": 2**31 - 1,
                        "description": "Approve: number of the plan revision.",
                    },
                }
            ),
        },
        ("name",),
    ),
)

_GATE = closed(
    {
        "procedure": TEXT,
        "stage": TEXT,
        "state": {"enum": [state.value for state in states.GateState]},
        "take": WHOLE,
        "opens_at": {"type": ["string", "null"]},
        "reason": TEXT,
    }
)
_OPEN_OR_NEXT = {
    "oneOf": [
        closed({"start": TEXT, "end": TEXT, "is_open": {"type": "boolean"}}),
        {"type": "null"},
    ]
}
_BRIEF: dict[str, Any] = {
    "id": UUID,
    "name": TEXT,
    "project_id": TEXT,
    "user_id": TEXT,
    "state": _STATE,
    "state_reason": TEXT,
    "file_digest": TEXT,
    "params": OBJECT,
    "plan_rev": WHOLE,
    "progress": ANY,
    "gates": {"type": "array", "items": _GATE},
    "windows": {"type": "array", "items": TEXT},
    "window": _OPEN_OR_NEXT,
    "created_at": TIME,
    "updated_at": TIME,
    "started_at": TIME,
    "ended_at": TIME,
    "links": LINKS,
}
BRIEF = closed(_BRIEF, ("id", "name", "state"))
WHOLE_CAMPAIGN = closed(
    {**_BRIEF, "document": TEXT, "plan": ANY}, ("id", "name", "state")
)
CAMPAIGN = wrapped("campaign", WHOLE_CAMPAIGN)
CAMPAIGNS = page_of("campaigns", BRIEF)

_STEP = closed(
    {
        "id": UUID,
        "campaign_id": UUID,
        "slot_id": UUID,
        "procedure": TEXT,
        "host": TEXT,
        "seq": WHOLE,
        "name": TEXT,
        "kind": TEXT,
        "action": TEXT,
        "intent": TEXT,
        "undo_of": {"type": ["string", "null"]},
        "state": _STEP_STATE,
        "reason": TEXT,
        "attempt": WHOLE,
        "fence": WHOLE,
        "agent": TEXT,
        "failure_class": TEXT,
        "result": ANY,
        "expected_s": NUMBER,
        "timeout_s": NUMBER,
        "started_at": TIME,
        "ended_at": TIME,
    },
    ("id", "host", "state"),
)
STEPS = page_of("steps", _STEP)

_ENTRY = closed(
    {
        "seq": WHOLE,
        "at": TIME,
        "campaign_id": UUID,
        "object_type": TEXT,
        "object_id": TEXT,
        "host": TEXT,
        "name": TEXT,
        "intent": TEXT,
        "from_state": TEXT,
        "to_state": TEXT,
        "actor": TEXT,
        "attempt": WHOLE,
        "fence": WHOLE,
        "detail": TEXT,
    },
    ("seq",),
)
JOURNAL = page_of("journal", _ENTRY)

_REVISION = closed(
    {
        "rev": WHOLE,
        "campaign_id": UUID,
        "targets": WHOLE,
        "diff": OBJECT,
        "author": TEXT,
        "awaits": TEXT,
        "approved_by": TEXT,
        "approved_at": TIME,
        "created_at": TIME,
    },
    ("rev", "diff"),
)
REVISIONS = page_of("revisions", _REVISION)
REVISIONS_QUERY = closed(
    {"limit": LIMIT, "after": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}}
)

_WAIT = closed(
    dict.fromkeys(
        ("host", "procedure", "step", "state", "code", "reason", "remedy"), TEXT
    ),
    ("host", "step", "code", "reason", "remedy"),
)
WAITS = closed({"waits": {"type": "array", "items": _WAIT}}, ("waits",))

_FOUND = closed(
    {
        "code": TEXT,
        "host": TEXT,
        "text": TEXT,
        "remedy": TEXT,
        "effect": {"enum": list(preflight_finding.EFFECTS)},
    },
    ("code", "host", "text", "remedy", "effect"),
)
_MENDED = closed(
    {
        key: TEXT
        for key in (
            "host",
            "check",
            "action",
            "state",
            "detail",
            "started_at",
            "ended_at",
        )
    },
    ("host", "check", "action", "state", "detail", "started_at", "ended_at"),
)
_READING = closed(
    {
        "kind": {"enum": list(collection.KINDS)},
        "host": TEXT,
        "name": TEXT,
        "value": {"type": "number"},
        "baseline": {"type": ["number", "null"]},
    },
    ("kind", "host", "name", "value", "baseline"),
)
PREFLIGHT = wrapped(
    "preflight",
    closed(
        {
            "id": UUID,
            "campaign_id": UUID,
            "plan_rev": WHOLE,
            "verdict": {"enum": ["passed", "refused", "waits"]},
            "refusal": TEXT,
            "findings": {"type": "array", "items": _FOUND},
            "remedies": {"type": "array", "items": _MENDED},
            "collected": {"type": "array", "items": TEXT},
            "readings": {"type": "array", "items": _READING},
            "baseline_id": {"type": ["string", "null"]},
            "made_at": TIME,
        },
        ("id", "campaign_id", "plan_rev", "verdict", "findings", "made_at"),
    ),
)

FINDING = closed(
    {
        "rule": TEXT,
        "pointer": TEXT,
        "line": {"type": ["integer", "null"]},
        "detail": TEXT,
        "remedy": TEXT,
        "severity": TEXT,
    }
)
VALIDATION = wrapped(
    "validation",
    closed(
        {"findings": {"type": "array", "items": FINDING}, "summary": OBJECT},
        ("findings", "summary"),
    ),
)

LIST_QUERY = closed(
    {"limit": LIMIT, "marker": UUID, "state": _STATE, "project_id": text(64)}
)
STEPS_QUERY = closed(
    {"limit": LIMIT, "marker": UUID, "state": _STEP_STATE, "host": text(255)}
)
JOURNAL_QUERY = closed(
    {
        "limit": LIMIT,
        "after": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    }
)

PLAN_SUBMISSION = wrapped(
    "campaign", closed({**_SUBMISSION, "what_if": ASKED}, ("document",))
)
_VISIT = closed(
    {"host": TEXT, "procedure": TEXT, "start_s": NUMBER, "end_s": NUMBER},
    ("host", "procedure", "start_s", "end_s"),
)
PLAN = wrapped(
    "plan",
    closed(
        {
            "digest": TEXT,
            "seed": WHOLE,
            "findings": {"type": "array", "items": OBJECT},
            "summary": OBJECT,
            "visits": {"type": "array", "items": _VISIT},
            "end_s": closed({"expected": NUMBER, "p50": NUMBER, "p90": NUMBER}),
            "gates": {
                "type": "array",
                "items": closed({"gate": TEXT, "at_s": NUMBER}),
            },
            "most_out": WHOLE,
            "closed": {
                "type": "array",
                "items": closed({"start_s": NUMBER, "end_s": NUMBER}),
            },
            "left": WHOLE,
            "stuck": STUCK,
            "what_if": WHAT_IF,
        },
        ("digest", "visits", "end_s", "most_out", "stuck"),
    ),
)
PLAN_QUERY = closed(
    {
        "seed": {
            "type": "integer",
            "minimum": 0,
            "maximum": 2**31 - 1,
            "description": "Of sampled durations; the same seed, the same answer.",
        }
    }
)
