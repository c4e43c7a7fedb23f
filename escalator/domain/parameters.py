"""A campaign's parameters: declared in the file, given at submission, frozen."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from escalator.domain import document
from escalator.domain.finding import Finding, point

_USE = re.compile(r"\$\{([^{}]*)\}")
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)

MAX_VALUE = 1024
"""Characters of a text: it may stand in many places."""

_SHOWN = 60

_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("a text in quotes", lambda value: isinstance(value, str)),
    "int": (
        "a whole number",
        lambda value: isinstance(value, int) and not isinstance(value, bool),
    ),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
}


def resolve(
    declared: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Return each parameter's value, and what is wrong with the rest (pure).

    :param declared: the file's ``params`` section.
    :param given: values of this submission; a text that spells a whole number
        or a truth value serves for those types (a command line has only
        texts).
    """
    values: dict[str, Any] = {}
    findings = list(_unknown(declared, given))
    for name, shape in declared.items():
        value, found = _value(name, shape, given)
        findings += found
        if not found:
            values[name] = value
    return values, tuple(findings)


def uses(text: str) -> list[str]:
    """Return the names in every ``${name}`` of ``text``."""
    return _USE.findall(text)


def is_malformed(text: str) -> bool:
    """Say whether ``${`` stands in ``text`` without a name and ``}``."""
    return "${" in _USE.sub("", text) or "" in uses(text)


def substitute(node: Any, values: Mapping[str, Any]) -> Any:
    """Return a copy of ``node`` with every ``${name}`` replaced (pure).

    A text that is one reference and nothing else takes the value's type;
    unknown names are left as they are.
    """
    if isinstance(node, Mapping):
        return {key: substitute(value, values) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [substitute(value, values) for value in node]
    return _fill(node, values) if isinstance(node, str) else node


def _fill(text: str, values: Mapping[str, Any]) -> Any:
    whole = _USE.fullmatch(text)
    if whole and whole[1] in values:
        return values[whole[1]]

    def fill(found: re.Match[str]) -> str:
        value = values.get(found[1], found[0])
        return str(value).lower() if isinstance(value, bool) else str(value)

    return _USE.sub(fill, text)


def _unknown(
    declared: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[Finding]:
    for name in given:
        if name not in declared:
            names = ", ".join(sorted(declared)) or "none"
            yield Finding(
                "C301",
                point("params", name),
                f"the file declares no parameter {name}",
                f"give only declared parameters: {names}",
            )


def _value(
    name: str, shape: Any, given: Mapping[str, Any]
) -> tuple[Any, list[Finding]]:
    declared = shape if isinstance(shape, Mapping) else {}
    if name not in given and "default" not in declared:
        missing = Finding(
            "C302",
            point("params", name),
            f"parameter {name} has no value",
            "give it at submission, or add a default to the file",
        )
        return None, [missing]
    value = given.get(name, declared.get("default"))
    if name in given:
        value = _spelled(value, document.text(declared, "type"))
    detail = _fault(value, declared)
    if detail is None:
        return value, []
    place = ("params", name) if name in given else ("params", name, "default")
    shown = value if not isinstance(value, str) else value[:_SHOWN]
    wrong = f"parameter {name} is {shown!r}, but must be {detail}"
    remedy = "correct the value or the declaration"
    return None, [Finding("C303", point(*place), wrong, remedy)]


def _spelled(value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        return value
    if kind == "int" and len(value) < 20 and _WHOLE.fullmatch(value):
        return int(value)
    if kind == "bool":
        return {"true": True, "false": False}.get(value, value)
    return value


def _fault(value: Any, declared: Mapping[str, Any]) -> str | None:
    kind = document.text(declared, "type")
    if kind not in _TYPES:
        return f"of a known type: {', '.join(sorted(_TYPES))}"
    wanted, is_right = _TYPES[kind]
    if not is_right(value):
        return wanted
    if kind == "int":
        return _out_of_range(value, declared)
    if kind == "string" and uses(value):
        return "a text that uses no other parameter"
    if kind == "string" and len(value) > MAX_VALUE:
        return f"of at most {MAX_VALUE} characters"
    return None


def _out_of_range(value: int, declared: Mapping[str, Any]) -> str | None:
    least = document.number(declared, "min")
    most = document.number(declared, "max")
    if least is not None and value < least:
        return f"at least {least}"
    if most is not None and value > most:
        return f"at most {most}"
    return None
