"""What JSON schemas say of a campaign file: its shape, its actions' parameters."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

import jsonschema
from jsonschema import validators

from escalator.domain import document as doc
from escalator.domain import lint_preflight, parameters
from escalator.domain.finding import Finding, point
from escalator.domain.reading import NONE_NEEDED, Catalogue

SCHEMA: Mapping[str, Any] = json.loads(
    resources.files("escalator.conductor")
    .joinpath("campaign.schema.json")
    .read_text(encoding="utf-8")
)

_SHOWN = 60


def _is_whole(_checker: Any, value: Any) -> bool:
    """JSON Schema takes 1.0 for an integer; a plan does not."""
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", _is_whole
    ),
)

_FILE = _Validator(SCHEMA)
_SUBPLAN = _Validator({"$ref": "#/$defs/subplan", "$defs": SCHEMA["$defs"]})


def find(filled: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge a document, its parameters filled in, by its schema (C2)."""
    for violation in sorted(_FILE.iter_errors(filled), key=lambda each: each.json_path):
        yield from _translate(violation)


def find_uses(scopes: Sequence[doc.Row]) -> Iterator[Finding]:
    """Judge sub-plans with the values of each use.

    :param scopes: of a composition: the file itself, then each use.
    """
    for path, body in scopes[1:]:
        for violation in sorted(
            _SUBPLAN.iter_errors(body), key=lambda each: each.json_path
        ):
            yield from _translate(violation, path)


def _translate(violation: Any, within: doc.Path = ()) -> Iterator[Finding]:
    path: doc.Path = (*within, *violation.absolute_path)
    match violation.validator:
        case "additionalProperties":
            yield from _unknown_keys(violation, path)
        case "required" | "dependentRequired":
            yield _missing_key(violation, path)
        case _ if _is_unfilled(violation.instance):
            return
        case _:
            if "propertyNames" in violation.absolute_schema_path:
                path = (*path, str(violation.instance))
            yield Finding(
                "C202",
                point(*path),
                f"{show(violation.instance)} does not fit here",
                f"write {_wanted(violation)}",
            )


def _is_unfilled(value: Any) -> bool:
    """A parameter without a value is C3's or C402's affair, not a wrong shape."""
    return isinstance(value, str) and bool(parameters.uses(value))


def _unknown_keys(violation: Any, path: doc.Path) -> Iterator[Finding]:
    known = list(violation.schema.get("properties", {}))
    reserved: Mapping[str, str] = violation.schema.get("x-reserved", {})
    for key in violation.instance:
        if key in reserved:
            yield Finding(
                "C204",
                point(*path, key),
                f"the key {key} is reserved for a later version: {reserved[key]}",
                "take it out; this version would not act on it",
            )
        elif key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            yield Finding(
                "C201",
                point(*path, key),
                f"the key {show(key)} is unknown here",
                f"{hint}known: {', '.join(known)}",
            )


def _missing_key(violation: Any, path: doc.Path) -> Finding:
    needed = violation.validator_value
    if isinstance(needed, Mapping):
        needed = [each for key in violation.instance for each in needed.get(key, ())]
    missing = [key for key in needed if key not in violation.instance]
    # One violation is raised for each missing key; its text names it first.
    key = next((each for each in missing if repr(each) in violation.message), "")
    return Finding("C203", point(*path), f"the key {key} is missing", f"add {key}:")


def _wanted(violation: Any) -> str:
    schema = violation.schema
    if "description" in schema:
        return str(schema["description"])
    match violation.validator:
        case "enum":
            return f"one of {', '.join(map(str, violation.validator_value))}"
        case "const":
            return str(violation.validator_value)
        case "type":
            kinds = violation.validator_value
            return kinds if isinstance(kinds, str) else " or ".join(kinds)
    return f"what obeys {violation.validator} {show(violation.validator_value)}"


def show(value: Any) -> str:
    """Return a value as text that is never long."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def find_params(filled: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Finding]:
    """Judge ``with`` by the schema of the action that gets it (C611).

    An undo gets the parameters of its step, so it must accept them too.
    """
    for path, body in doc.rows(filled, "procedures"):
        for place, step in doc.rows(body, *path, "steps"):
            yield from _of_step(place, step, catalogue)
    suites = doc.table(filled, "verify")
    for name in suites:
        suite = doc.table(suites, name)
        action = doc.text(suite, "action")
        yield from _refusals(("verify", name), suite, action, catalogue)
    for path, remedy in lint_preflight.rows(filled):
        yield from _refusals(path, remedy, doc.text(remedy, "action"), catalogue)


def _of_step(
    path: doc.Path, step: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[Finding]:
    action = doc.text(step, "action")
    own = list(_refusals(path, step, action, catalogue))
    yield from own
    usual = catalogue[action].undo if action in catalogue else ""
    for undo in doc.texts(step.get("undo") or usual):
        if not own and undo != NONE_NEEDED:
            yield from _refusals(path, step, undo, catalogue)


def _refusals(
    path: doc.Path, body: Mapping[str, Any], action: str, catalogue: Catalogue
) -> Iterator[Finding]:
    params = body.get("with", {})
    if action not in catalogue or not isinstance(params, Mapping):
        return
    place = (*path, "with") if "with" in body else path
    validator = _Validator(dict(catalogue[action].params_schema))
    for violation in validator.iter_errors(params):
        yield Finding(
            "C611",
            point(*place, *violation.absolute_path),
            f"{action} refuses its parameters: {show(violation.message)}",
            "correct what stands under with",
        )
