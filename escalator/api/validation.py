"""Judges bodies and queries against their schemas (JSON Schema 2020-12).

Each violation becomes one finding with place, rule and remedy.  Values are
never echoed: they may be secret, or huge.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema

from escalator import errors
from escalator.api import intake

Finding = dict[str, Any]

_LONGEST_NUMBER = 20


def check_body(body: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuse a body that breaks ``schema``.

    :raises InvalidInput: one finding for each violation.
    """
    _raise_for("body", list(_findings(body, schema)))


def read_query(
    given: Mapping[str, list[str]], schema: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the query's values in their types.

    :raises InvalidInput: an unknown, repeated or wrong parameter.
    """
    properties = schema.get("properties", {})
    query: dict[str, Any] = {}
    for name, texts in given.items():
        for text in texts:
            intake.check_text(name + text, parameter=name[:255])
        if len(texts) > 1:
            intake.refuse(
                "query.repeated",
                f"{name} stands twice.",
                "Give it once.",
                parameter=name,
            )
        query[name] = _typed(texts[0], properties.get(name, {}).get("type"))
    findings = []
    for finding in _findings(query, schema or {"additionalProperties": False}):
        name = finding.pop("pointer").lstrip("/")
        findings.append({**finding, "parameter": name})
    _raise_for("query", findings)
    return query


def _typed(text: str, kind: Any) -> Any:
    if kind == "integer" and len(text) <= _LONGEST_NUMBER and text.isascii():
        return int(text) if text.lstrip("-").isdigit() and "-" not in text[1:] else text
    return text


def _raise_for(kind: str, findings: list[Finding]) -> None:
    if findings:
        raise errors.InvalidInput(
            kind=kind, summary=findings[0]["detail"], findings=tuple(findings)
        )


def _findings(value: Any, schema: Mapping[str, Any]) -> Iterator[Finding]:
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    violations = sorted(
        validator.iter_errors(value), key=lambda e: list(map(str, e.path))
    )
    for violation in violations:
        keyword = str(violation.validator)
        if keyword == "additionalProperties":
            yield from _unknown_keys(violation)
            continue
        detail, remedy = _wording(violation)
        yield _finding(keyword, pointer(violation.absolute_path), detail, remedy)


def _unknown_keys(violation: Any) -> Iterator[Finding]:
    known = list(violation.schema.get("properties", {}))
    for name in violation.instance:
        if name not in known:
            yield _finding(
                "additionalProperties",
                pointer([*violation.absolute_path, name]),
                f"{name[:80]!r} is unknown here.",
                f"Remove it; known: {', '.join(known) or 'none'}.",
            )


def _finding(keyword: str, place: str, detail: str, remedy: str) -> Finding:
    return {
        "rule": f"schema.{keyword}",
        "pointer": place,
        "detail": detail,
        "remedy": remedy,
    }


def pointer(path: Any) -> str:
    """Return an RFC 6901 pointer."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)


_WORDINGS: dict[str, Callable[[Any], tuple[str, str]]] = {
    "type": lambda v: ("This has the wrong type.", f"Give {_either(v)}."),
    "enum": lambda v: ("This is not one of the values.", f"Give {_either(v)}."),
    "minLength": lambda v: ("This is too short.", f"Give at least {v} characters."),
    "maxLength": lambda v: ("This is too long.", f"Give at most {v} characters."),
    "minimum": lambda v: ("This is too small.", f"Give at least {v}."),
    "maximum": lambda v: ("This is too large.", f"Give at most {v}."),
    "format": lambda v: (f"This is no {v}.", f"Give a {v}."),
    "uniqueItems": lambda v: ("An item stands twice.", "Remove it."),
    "propertyNames": lambda v: ("A key is refused.", "Shorten the key."),
}


def _wording(violation: Any) -> tuple[str, str]:
    keyword = str(violation.validator)
    wanted = violation.validator_value
    if keyword == "required":
        absent = [name for name in wanted if name not in violation.instance]
        names = ", ".join(absent)
        return f"Missing: {names}.", f"Add {names}."
    if keyword in _WORDINGS:
        return _WORDINGS[keyword](wanted)
    return f"This breaks {keyword}.", "See /v1/openapi.json."


def _either(values: Any) -> str:
    if isinstance(values, str):
        return f"a value of type {values}"
    return "one of " + ", ".join(str(value) for value in values)
