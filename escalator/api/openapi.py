"""The OpenAPI 3.1 description, made from the route table.

OpenAPI 3.1 schemas are JSON Schema 2020-12: what is published is what judges.
"""

import re
from collections.abc import Iterable
from typing import Any

from escalator.api.contract import SERVICE_TYPE, VERSIONS, Route, Schema
from escalator.api.schemas import root

_PATH_PART = re.compile(r"<(?:uuid:)?(\w+)>")
_RANGE = {"min-ver": VERSIONS[0], "max-ver": VERSIONS[-1]}
_UUID = {"type": "string", "format": "uuid"}
_NAME = {"type": "string", "maxLength": 255}


def describe(routes: Iterable[Route], release: str) -> dict[str, Any]:
    """Return the OpenAPI document of ``routes``; pure."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PATH_PART.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Escalator",
            "version": release,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "schemas": {"Errors": root.ERRORS},
            "securitySchemes": {
                "keystone": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route),
        "security": [] if route.is_public else [{"keystone": []}],
        "x-openstack": {**_RANGE, "policy": list(route.rules)},
    }
    if route.body is not None:
        operation["requestBody"] = _request(route, route.body)
    return operation


def _operation_id(route: Route) -> str:
    noun = route.handler.__module__.rsplit(".", 1)[-1]
    return f"{noun}.{route.handler.__name__}"


def _parameters(route: Route) -> list[dict[str, Any]]:
    found = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _UUID if name.endswith("_id") else _NAME,
        }
        for name in _PATH_PART.findall(route.path)
    ]
    found += [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in route.query.get("properties", {}).items()
    ]
    if route.takes_key:
        found.append(_header("Idempotency-Key", "The same key gives the same answer."))
    found.append(
        _header("OpenStack-API-Version", f"{SERVICE_TYPE} {VERSIONS[-1]} or latest.")
    )
    return found


def _header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "maxLength": 255},
    }


def _request(route: Route, body: Schema) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": body}}
    if route.takes_yaml:
        content["application/yaml"] = {"schema": {"type": "string"}}
    return {"required": True, "content": content}


def _responses(route: Route) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success."}
    if route.response is not None:
        success["content"] = {"application/json": {"schema": route.response}}
    errors_ref = {"$ref": "#/components/schemas/Errors"}
    refusal = {
        "description": "Refused, or failed.",
        "content": {"application/json": {"schema": errors_ref}},
    }
    return {str(route.status): success, "default": refusal}
