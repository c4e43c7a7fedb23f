"""Discovery documents, and the shape of every error."""

from escalator.api.schemas.fields import LINKS, OBJECT, TEXT, WHOLE, closed

VERSION = closed(
    {
        "id": TEXT,
        "status": {"enum": ["CURRENT", "SUPPORTED"]},
        "min_version": TEXT,
        "version": TEXT,
        "max_version": TEXT,
        "links": LINKS,
    },
    ("id", "status", "min_version", "version", "max_version", "links"),
)
VERSIONS = closed({"versions": {"type": "array", "items": VERSION}}, ("versions",))
ONE_VERSION = closed({"version": VERSION}, ("version",))
OPENAPI = OBJECT

SOURCE = closed(
    {
        "pointer": {
            "type": "string",
            "description": "RFC 6901; into the body, or into the campaign file "
            "if that was sent as text.",
        },
        "parameter": {"type": "string", "description": "Name in the query."},
        "header": TEXT,
        "line": {"type": "integer", "minimum": 1, "description": "In the file."},
    }
)
ERROR = closed(
    {
        "status": WHOLE,
        "title": TEXT,
        "detail": TEXT,
        "code": {"type": "string", "description": "Never changed, never reused."},
        "request_id": {"type": ["string", "null"]},
        "source": SOURCE,
        "rule": {"type": "string", "description": "Id of the rule that was broken."},
        "remedy": {"type": "string", "description": "What to do about it."},
    },
    ("status", "title", "detail", "code", "request_id"),
)
ERRORS = closed(
    {"errors": {"type": "array", "items": ERROR, "minItems": 1}}, ("errors",)
)
