"""Pieces that several schemas share (JSON Schema 2020-12)."""

from typing import Any

UUID: dict[str, Any] = {"type": "string", "format": "uuid"}
TEXT: dict[str, Any] = {"type": "string"}
TIME: dict[str, Any] = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "UTC.",
}
NUMBER: dict[str, Any] = {"type": "number"}
WHOLE: dict[str, Any] = {"type": "integer"}
FLAG: dict[str, Any] = {"type": "boolean"}
OBJECT: dict[str, Any] = {"type": "object"}
ANY: dict[str, Any] = {}

LINKS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"rel": TEXT, "href": TEXT},
        "required": ["rel", "href"],
        "additionalProperties": False,
    },
}

LIMIT: dict[str, Any] = {
    "type": "integer",
    "minimum": 1,
    "description": "Most items of one page; [api]max_limit caps it.",
}


def text(longest: int, shortest: int = 1) -> dict[str, Any]:
    """Return the schema of a text a client sends."""
    return {"type": "string", "minLength": shortest, "maxLength": longest}


def closed(
    properties: dict[str, Any], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the schema of an object without any other members."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def wrapped(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body wrapped in its singular noun."""
    return closed({key: schema}, (key,))


def page_of(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one page; ``links`` may hold ``next``."""
    return closed(
        {key: {"type": "array", "items": schema}, "links": LINKS}, (key, "links")
    )
