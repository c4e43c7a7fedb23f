"""Discovery documents and the OpenAPI description."""

from typing import Any

from escalator.api.contract import VERSIONS, Call, Reply


def list_versions(call: Call) -> Reply:
    """Answer ``/``."""
    return Reply({"versions": [_version(call)]})


def show_version(call: Call) -> Reply:
    """Answer ``/v1``."""
    return Reply({"version": _version(call)})


def show_openapi(call: Call) -> Reply:
    """Answer ``/v1/openapi.json``."""
    return Reply(call.parts.document)


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v1.0",
        "status": "CURRENT",
        "min_version": VERSIONS[0],
        "version": VERSIONS[-1],
        "max_version": VERSIONS[-1],
        "links": [
            {"rel": "self", "href": f"{call.root}v1/"},
            {"rel": "describedby", "href": f"{call.root}v1/openapi.json"},
        ],
    }
