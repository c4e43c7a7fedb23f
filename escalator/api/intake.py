"""Reads bodies: strict JSON, or a bare campaign file.

Nothing that a client sends can raise anything but a refusal: depth, number
range, text that no database stores and repeated keys are judged here.
"""

import json
import math
from typing import Any, NoReturn

from werkzeug import exceptions, wrappers

from escalator import errors

YAML_TYPES = frozenset(
    {"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"}
)
MAX_DEPTH = 64
MAX_DIGITS = 40
_PIECE = 65536


def read_body(request: wrappers.Request, takes_yaml: bool) -> dict[str, Any]:
    """Return the body as a JSON object; a bare file comes wrapped.

    :raises UnsupportedMediaType: neither JSON nor a file where one is taken.
    :raises InvalidInput: it does not parse.
    """
    kind = request.mimetype
    if takes_yaml and kind in YAML_TYPES:
        return {"campaign": {"document": _read_text(request)}}
    if kind != "application/json":
        raise exceptions.UnsupportedMediaType(
            f"Content-Type {kind or '(none)'} is not served here."
        )
    return _read_json(_read_text(request))


def _read_text(request: wrappers.Request) -> str:
    try:
        # Piece by piece: a chunked body must meet the size limit on its way,
        # not when all of it is in memory.
        pieces = iter(lambda: request.stream.read(_PIECE), b"")
        return b"".join(pieces).decode("utf-8")
    except UnicodeDecodeError as error:
        refuse("body.encoding", f"Byte {error.start} is not UTF-8.", "Send UTF-8.")
    except (ValueError, OSError):
        refuse("body.transfer", "The body did not arrive whole.", "Send it again.")


def _read_json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(
            text,
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short,
        )
    except RecursionError:
        _too_deep()
    except json.JSONDecodeError as error:
        refuse(
            "body.json",
            f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            "Send one JSON object.",
            line=error.lineno,
        )
    except ValueError as error:
        refuse("body.json", f"Not JSON: {error}.", "Send one JSON object.")
    if not isinstance(body, dict):
        refuse("body.json", "The body is not an object.", "Send one JSON object.")
    _check_values(body)
    return body


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"key {name[:40]!r} stands twice in one object")
            seen.add(name)
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _short(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number is out of range")
    return int(text)


def _check_values(body: dict[str, Any]) -> None:
    pending: list[tuple[Any, int]] = [(body, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            _too_deep()
        if isinstance(value, str):
            check_text(value)
        elif isinstance(value, dict):
            pending += [(name, depth) for name in value]
            pending += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            pending += [(item, depth + 1) for item in value]


def check_text(text: str, **place: Any) -> None:
    """Refuse what cannot be stored: NUL and halves of surrogate pairs."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        refuse(
            "body.text",
            "A text holds a NUL or half of a surrogate pair.",
            "Remove the character.",
            **place,
        )


def _too_deep() -> NoReturn:
    refuse("body.depth", f"More than {MAX_DEPTH} levels.", "Nest objects less deeply.")


def refuse(rule: str, detail: str, remedy: str, **place: Any) -> NoReturn:
    """Refuse the request with one finding.

    :param place: ``pointer``, ``parameter``, ``header`` or ``line``.
    :raises InvalidInput: always.
    """
    if not place:
        place = {"pointer": ""}
    finding = {"rule": rule, "detail": detail, "remedy": remedy, **place}
    raise errors.InvalidInput(kind="request", summary=detail, findings=(finding,))
